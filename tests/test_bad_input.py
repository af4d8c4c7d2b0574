"""Bad input ends with exit code 2 and one sentence, before weights are loaded or anything is written."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from storage.ledger import Ledger
from storage.migrations import VERSION_TABLE
from tests.conftest import Frontune, SweepFile

LORA = {"r_q": [1, 2]}
Refused = Callable[..., str]


@pytest.fixture
def refused(frontune: Frontune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs a sweep file that must be refused; returns what the command said."""

    def load_base(*arguments: object, **options: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("methods.loading.load_base", load_base)

    def run(file: Path, *options: object, workspace: Path | None = None) -> str:
        place = workspace or tmp_path / "runs"
        before = files_under(tmp_path)
        result = frontune("run", file, "--workspace", place, *options)
        assert files_under(tmp_path) == before
        assert str(file) in result.stderr
        return said(result)

    return run


def said(result: Result) -> str:
    """The one sentence on stderr, without the name of the command."""
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "Traceback" not in line
    return line.removeprefix("frontune: ")


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "is empty; wanted keys and values"),
        ("- a\n- b\n", "wanted keys and values, got a list"),
        ("just words", "wanted keys and values, got a str"),
        ("base: tiny\n\ttask: demo\n", "line 2: found character '\\t'"),
        ("base: [tiny\n", "expected ',' or ']'"),
        ("base: tiny\ntask: demo\nbase: other\n", "line 3: key 'base' stands twice"),
        ("base: !!python/object/apply:os.system ['echo']\n", "could not determine a constructor for the tag"),
        ("base: !!python/name:os.system\n", "could not determine a constructor for the tag"),
        ("? [a, b]\n: c\n", "line 1: key ['a', 'b'] is no text"),
        ("a: b\n---\nc: d\n", "line 2: but found another document"),
        ("base: a\x07b\n", "special characters are not allowed"),
        ("a: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_sweep_file_is_refused(
    refused: Refused, tmp_path: Path, text: str, wanted: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert wanted in refused(tmp_path / "mine.yaml")


def test_a_file_in_another_encoding_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes("base: schön\n".encode("latin-1"))
    assert "cannot be read: 'utf-8' codec can't decode" in refused(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"tirals": 3}, "unknown key 'tirals'; did you mean 'trials'?"),
        ({"task": {"name": "demo", "train_example": 3}}, "unknown key in task 'train_example'; did you mean"),
        ({"recipe": {"step": 3}}, "unknown key in recipe 'step'; did you mean 'steps'?"),
        ({"base": None}, "the key 'base' is missing"),
        ({"task": None}, "the key 'task' is missing"),
        ({"task": "dmeo"}, "unknown task 'dmeo'; did you mean 'demo'? known: demo, e2e, mnli"),
        ({"task": {}}, "the key 'task.name' is missing"),
        ({"task": ["demo"]}, "task: wanted keys and values, got ['demo']"),
        ({"recipe": 3}, "recipe: wanted keys and values, got 3"),
        ({"base": "tinny"}, "unknown base 'tinny'; did you mean 'tiny'?"),
        ({"base": "gpt3-175b"}, "base 'gpt3-175b' is known by its shape alone"),
        ({"base": ""}, "base: wanted a path or a name, got ''"),
        ({"methods": {"lorra": LORA}}, "methods: unknown method 'lorra'; did you mean 'lora'?"),
        ({"methods": {"lora+prefix": LORA}}, "methods: unknown method 'prefix'; did you mean 'prefix_"),
        ({"methods": {"lora+lora": LORA}}, "methods: lora+lora: 'lora' stands in the sum twice"),
        (
            {"methods": {"prefix_embed+prefix_layer": {"prefix_embed.l_p": 1, "prefix_layer.l_p": 1}}},
            "only one part of a sum may own virtual tokens",
        ),
        ({"methods": {"lora": {"rq": 1}}}, "methods.lora: unknown parameter 'rq'; did you mean 'r_q'?"),
        ({"methods": {"lora": 3}}, "methods.lora: wanted keys and values, got 3"),
        ({"methods": ["lora"]}, "methods: wanted keys and values, got ['lora']"),
        ({"methods": {3: LORA}}, "methods.3: a key must be a text, got 3"),
        ({"methods": {}}, "give 'methods', 'points' or both"),
        (
            {"methods": {"lora": {}}},
            "methods.lora: nothing in its search space can be trained: lora: every rank",
        ),
        ({"methods": {"lora": {"r_q": []}}}, "methods.lora.r_q: the list is empty"),
        ({"methods": {"lora": {"r_q": [[1]]}}}, "methods.lora.r_q: got [1]; wanted a number"),
        ({"methods": {"lora": {"r_q": [2, 2]}}}, "methods.lora.r_q: 2 stands in the list twice"),
        ({"methods": {"lora": {"r_q": 2.5}}}, "methods.lora.r_q must be a whole number, got 2.5"),
        ({"methods": {"lora": {"r_q": [1, 2.5]}}}, "methods.lora.r_q must be a whole number, got 2.5"),
        ({"methods": {"lora": {"r_q": True}}}, "methods.lora.r_q must be a whole number, got True"),
        ({"methods": {"lora": {"r_q": "8"}}}, "methods.lora.r_q must be a whole number, got '8'"),
        ({"methods": {"lora": {"r_q": None}}}, "methods.lora.r_q: got None; wanted a number"),
        ({"methods": {"lora": {"r_q": {"low": 0.5, "high": 4}}}}, "must be a whole number, got 0.5"),
        ({"methods": {"lora": {"r_q": {"low": 4, "high": 1}}}}, "the range from 4 to 1 is empty"),
        ({"methods": {"lora": {"r_q": {"low": 0, "high": 4, "log": True}}}}, "must start above 0, got 0"),
        ({"methods": {"lora": {"r_q": {"low": 1, "hihg": 4}}}}, "got the keys 'low', 'hihg'; wanted {low"),
        ({"methods": {"lora": {"r_q": {"low": "1", "high": 4}}}}, "got {'low': '1', 'high': 4}; wanted {low"),
        (
            {"methods": {"lora": {"r_q": "r_v", "r_v": "r_q"}}},
            "it is tied to r_v, which is itself tied to r_q",
        ),
        ({"methods": {"lora": LORA | {"lr": [0, 1]}}}, "methods.lora.lr: lr must be more than 0, got 0.0"),
        (
            {"methods": {"lora": LORA | {"schedule": "liner"}}},
            "schedule must be one of linear, cosine, constant",
        ),
        (
            {"methods": {"lora+prefix_embed": {"lora": 3}}},
            "methods.lora+prefix_embed.lora: wanted its parameters",
        ),
        (
            {"methods": {"lora": {"r_q": {"low": 17, "high": 99}}}},
            "r_q = 17 is more than the matrix can hold",
        ),
        ({"methods": {"prefix_embed": {"l_p": 32, "l_i": 31}}}, "l_p + l_i = 63 leaves no room for a prompt"),
        ({"methods": {"lora": LORA}, "max_trainable_params": 5}, "64 trainable parameters are more than"),
        (
            {"sampler": "grid", "methods": {"lora": {"r_q": 1, "lr": {"low": 1, "high": 2}}}},
            "methods.lora.lr: a grid",
        ),
        ({"sampler": "girdsearch"}, "sampler: wanted 'random', 'grid', "),
        ({"trials": None}, "give 'trials': how many trials in all"),
        ({"trials": 1}, "'trials' is 1, but one point takes 2, one a seed"),
        ({"trials": "12"}, "trials: wanted a whole number, got '12'"),
        ({"trials": True}, "trials: wanted a whole number, got True"),
        ({"trials": 0}, "trials: should be greater than or equal to 1, got 0"),
        ({"seeds": []}, "seeds: the list is empty"),
        ({"seeds": [1, 1]}, "'seeds' must be different whole numbers"),
        ({"seeds": 3}, "seeds: wanted a list, got 3"),
        ({"name": "../other"}, "name: wanted letters, digits"),
        ({"name": "a..b"}, "name: wanted letters, digits"),
        ({"name": ".."}, "name: wanted letters, digits"),
        ({"name": "a/b"}, "name: wanted letters, digits"),
        ({"recipe": {"lr": "fast"}}, "recipe.lr: wanted a number, got 'fast'"),
        ({"recipe": {"lr": 0}}, "recipe.lr: should be greater than 0, got 0"),
        ({"recipe": {"lr": float("nan")}}, "recipe.lr: wanted a finite number, got nan"),
        ({"recipe": {"dtype": "fp16"}}, "recipe.dtype: wanted 'float32' or 'bfloat16', got 'fp16'"),
        ({"recipe": {"warmup_steps": 1, "warmup_tokens": 1}}, "set warmup_tokens or warmup_steps, not both"),
        (
            {"methods": {"lora": LORA | {"epochs": [1, 2]}}},
            "methods.lora.epochs: the length is given as 'steps' in the recipe, which counts instead",
        ),
        (
            {"recipe": {}, "points": ["lora(r_q=1, steps=2, epochs=1)"]},
            "points[0].epochs: the length is given as 'steps' beside it, which counts instead",
        ),
        (
            {"methods": {"lora+adapter_l": {"lora": LORA | {"lr": 1}, "adapter_l.lr": 1, "lr": [1, 2]}}},
            "methods.lora+adapter_l.lr: each part has a learning rate of its own, which counts instead",
        ),
        ({"points": ["lora(r_q=8"], "methods": None}, "points[0]: method 'lora(r_q=8' cannot be read"),
        (
            {"points": ["lora(r_q=1)", "lorra(r_q=1)"]},
            "points[1]: unknown method 'lorra'; did you mean 'lora'?",
        ),
        ({"points": ["lora(rq=1)"]}, "points[0]: unknown parameter of lora 'rq'; did you mean 'r_q'?"),
        ({"points": ["lora(r_q=1, lr=-1)"]}, "points[0]: lora: lr must be more than 0, got -1.0"),
        ({"points": ["lora(r_q=1) + lora(r_v=1)"]}, "points[0]: lora+lora: 'lora' stands in the sum twice"),
        (
            {"points": ["lora(r_q=99)"], "methods": None},
            "nothing to train: every point is refused, the first",
        ),
        (
            {"task": {"name": "demo", "train_examples": 601}},
            "task.train_examples is 601, but the train split has",
        ),
        (
            {"task": {"name": "demo", "eval_examples": 0}},
            "task.eval_examples: should be greater than or equal",
        ),
        ({"task": {"name": "demo", "data": ""}}, "task.data: wanted a path or a name, got ''"),
        ({"trust_remote_code": "yes"}, "trust_remote_code: wanted true or false, got 'yes'"),
    ],
)
def test_a_wrong_key_or_value_is_refused(
    refused: Refused, sweep_file: SweepFile, changes: dict[str, Any], wanted: str
) -> None:
    assert wanted in refused(sweep_file(**changes))


@pytest.mark.parametrize(
    "override", ["trials", "task.nme=demo", "methods.lora.r_q=[", "trials.x=1", "base={a: 1}"]
)
def test_a_wrong_override_is_refused(refused: Refused, sweep_file: SweepFile, override: str) -> None:
    refused(sweep_file(), "--set", override)


def mnli_rows(n: int = 4) -> list[dict[str, Any]]:
    return [
        {"premise": f"premise {i}", "hypothesis": "it is", "label": i % 3, "genre": "fiction"}
        for i in range(n)
    ]


def write_mnli(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    for split in ("train", "validation_matched"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"label": 3}, "train, row 2: label must be 0, 1 or 2, got 3"),
        ({"label": -1}, "train, row 2: label must be 0, 1 or 2, got -1"),
        ({"label": "1"}, "label must be 0, 1 or 2, got '1'"),
        ({"label": True}, "label must be 0, 1 or 2, got True"),
        ({"premise": None}, "train, row 2: premise must be a text, got None"),
        ({"hypothesis": 3}, "hypothesis must be a text, got 3"),
        ({"premise": "\ud800"}, "premise holds half a surrogate pair"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_number(
    refused: Refused, sweep_file: SweepFile, tmp_path: Path, change: dict[str, Any], wanted: str
) -> None:
    rows = mnli_rows()
    rows[1] |= change
    file = sweep_file(task={"name": "mnli", "data": str(write_mnli(tmp_path / "data", rows))})
    assert wanted in refused(file)


def test_a_data_folder_that_is_absent_empty_or_without_a_column_is_refused(
    refused: Refused, sweep_file: SweepFile, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    file = sweep_file(task={"name": "mnli", "data": str(folder)})
    assert f"task.data: '{folder}' is not a folder" in refused(file)
    folder.mkdir()
    assert "holds no file for the split 'train'; wanted one of: train.jsonl, train.jsonl.gz" in refused(file)
    write_mnli(folder, [{"premise": "a", "label": 0}])
    assert (
        "lacks the column 'hypothesis'; wanted: hypothesis, label, premise; got: premise, label"
        in refused(file)
    )
    write_mnli(folder, [mnli_rows(1)[0], {"premise": "a", "label": 0}])
    assert "row 2 lacks 'hypothesis'" in refused(file)
    write_mnli(folder, [])
    assert "has no rows" in refused(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.jsonl", b"{not json}\n"),
        ("train.jsonl", b"[1, 2]\n"),
        ("train.jsonl", b"[" * 100_000),
        ("train.jsonl", "é".encode("latin-1")),
        ("train.jsonl.gz", b"not gzip"),
        ("train.jsonl.gz", gzip.compress(b"x" * 1000, mtime=0)[:-12]),
        ("train.jsonl.gz", gzip.compress(bytes(range(256)) * 9, mtime=0)[:40] + b"\xff" * 300),
        ("train.csv", b"premise,hypothesis,label\n" + b"a" * 200_000 + b",b,1\n"),
        ("train.csv", b"premise,hypothesis,label\nonly one cell\n"),
        ("train.parquet", b"PAR1 and no more"),
    ],
)
def test_a_damaged_data_file_is_refused(
    refused: Refused, sweep_file: SweepFile, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    assert "train" in refused(sweep_file(task={"name": "mnli", "data": str(tmp_path / "data")}))


def test_a_workspace_from_a_newer_version_is_refused_and_left_alone(
    refused: Refused, frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    workspace = tmp_path / "newer"
    workspace.mkdir()
    database = workspace / "frontune.db"
    Ledger.open(f"sqlite:///{database}").close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999_future'")
    assert "was written by a newer Frontune" in refused(sweep_file(), workspace=workspace)
    assert "was written by a newer Frontune" in said(frontune("list", "--workspace", workspace))


def test_a_workspace_that_is_a_file_or_no_database_is_refused(
    refused: Refused, sweep_file: SweepFile, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert "is a file; wanted a folder" in refused(sweep_file(), workspace=tmp_path / "file")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "frontune.db").write_text("not a database, but long enough to be taken for one" * 100)
    assert "file is not a database" in refused(sweep_file(), workspace=tmp_path / "odd")


def test_code_that_comes_with_a_base_is_not_run_unless_the_sweep_file_says_so(
    refused: Refused, sweep_file: SweepFile, tmp_path: Path
) -> None:
    folder = tmp_path / "remote"
    folder.mkdir()
    code = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
    (folder / "configuration_odd.py").write_text(code)
    config = {"model_type": "odd", "auto_map": {"AutoConfig": "configuration_odd.OddConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert "config.json cannot be used" in refused(sweep_file(base=str(folder)))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("run", "mnli-smolm2"), "unknown sweep file or preset 'mnli-smolm2'; did you mean 'mnli-smollm2'?"),
        (("run", "nowhere/mine.yaml"), "sweep file 'nowhere/mine.yaml' does not exist"),
        (("run", "~nosuchuser/mine.yaml"), "sweep file '~nosuchuser/mine.yaml' does not exist"),
        (("run",), "Missing argument 'SWEEP'"),
        (("run", "x.yaml", "--trials", "0"), "Invalid value for '--trials'"),
        (("table", "x", "--format", "tabel"), "Invalid value for '--format'"),
        (("lst",), "No such command 'lst'"),
        (("list", "--workspace", "no/such/folder"), "'frontune run' makes one"),
    ],
)
def test_a_wrong_command_line_is_refused(frontune: Frontune, arguments: tuple[str, ...], wanted: str) -> None:
    assert wanted in said(frontune(*arguments))
