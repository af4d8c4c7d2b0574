"""`frontune score`: predictions of a task or of plain text files, as a table and as JSON; what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sweeps.metrics.text import TEXT_METRICS, Convention, text_scores
from tests.conftest import Frontune
from tests.test_bad_input import files_under, said

GENRES = ("fiction", "travel", "")
ROWS = [
    {"premise": f"p {n}", "hypothesis": f"h {n}", "label": n % 3, "genre": GENRES[n % 3]} for n in range(6)
]
WORDS = ["True", "Neither", "False"] * 2
E2E_ROWS = [
    {"meaning_representation": "name[A], area[city centre]", "human_reference": "A is in the city centre."},
    {"meaning_representation": "name[A], area[city centre]", "human_reference": "In the city centre is A."},
    {"meaning_representation": "name[B], eatType[pub]", "human_reference": "B is a lovely old pub."},
]


def write(file: Path, *lines: str, end: str = "\n") -> Path:
    file.write_bytes(("\n".join(lines) + end).encode())
    return file


def folder_of(folder: Path, split: str, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    write(folder / f"{split}.jsonl", *map(json.dumps, rows))
    return folder


@pytest.fixture
def mnli(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "mnli", "validation_matched", ROWS)


def test_labels_are_scored_by_accuracy_also_by_group(frontune: Frontune, mnli: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "words.txt", "True", " False", "False\r", "True", "", "no idea")
    result = frontune("score", "mnli", "--predictions", file, "--data", mnli, "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "accuracy": 0.5,
        "accuracy/fiction": 1.0,
        "accuracy/travel": 0.0,
    }
    table = frontune("score", "mnli", "--predictions", file, "--data", mnli).stdout
    assert "accuracy/fiction   100.0" in table


def test_one_s_own_data_are_scored_as_their_sweep_file_says(frontune: Frontune, tmp_path: Path) -> None:
    rows = [{"question": "1 + 1", "answer": "two"}, {"question": "1 + 2", "answer": "three"}]
    data = folder_of(tmp_path / "own", "validation", rows)
    file = write(tmp_path / "out.txt", "two", "four")
    command = ("score", "own_data", "--predictions", file, "--data", data, "--format", "json")
    own = ("--set", "task.prompt={question} =", "--set", "task.completion=answer")
    assert json.loads(frontune(*command, *own).stdout) == {"exact_match": 0.5}
    chrf = json.loads(frontune(*command, *own, "--set", "task.score=chrf").stdout)
    assert 0 < chrf["chrf"] < 0.5
    assert said(frontune(*command, *own[:2])).startswith("task.completion: own_data needs the column")
    wanted = "--set: wanted task.prompt, task.completion, task.score with = and a value, got"
    for odd in ("task.data=x", "completion=answer", "task.prompt"):
        assert said(frontune(*command, "--set", odd)) == f"{wanted} '{odd}'"


def test_a_file_of_queries_that_would_write_is_refused_and_a_value_may_say_anything(
    frontune: Frontune, tmp_path: Path
) -> None:
    table = {"header": ["Name", "Kind"], "types": ["text", "text"], "rows": [["A", "B; drop table x"]]}
    conds = {"column_index": [1], "operator_index": [0], "condition": ["B; drop table x"]}
    row = {"question": "who?", "table": table, "sql": {"sel": 0, "agg": 0, "conds": conds}}
    data = folder_of(tmp_path / "wikisql", "validation", [row, row])
    right = "SELECT Name FROM table WHERE Kind = 'B; drop table x'"
    for bad in ("drop table data", "SELECT Name FROM table; DELETE FROM table", "PRAGMA user_version = 3"):
        file = write(tmp_path / "queries.txt", right, bad)
        message = said(frontune("score", "wikisql", "--predictions", file, "--data", data))
        assert message.startswith(f"predictions '{file}', line 2: wanted a SELECT query, got ")
    file = write(tmp_path / "queries.txt", right, "I do not know")
    result = frontune("score", "wikisql", "--predictions", file, "--data", data, "--format", "json")
    assert json.loads(result.stdout) == {"lf_accuracy": 0.5, "execution_accuracy": 0.5}


def test_the_demo_and_its_right_answers_score_one(frontune: Frontune, tmp_path: Path) -> None:
    from sweeps.tasks import task_named

    for split in ("validation", "test"):
        examples = task_named("demo")(None).examples(split)
        file = write(tmp_path / "words.txt", *(example.completion.strip() for example in examples))
        result = frontune("score", "demo", "--predictions", file, "--split", split, "--format", "json")
        assert json.loads(result.stdout)["accuracy"] == 1


def test_generated_text_is_scored_by_its_task(
    frontune: Frontune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    data = folder_of(tmp_path / "e2e", "validation", E2E_ROWS)
    file = write(tmp_path / "out.txt", "In the city centre is A .", "B is a LOVELY old pub .", end="")
    result = frontune("score", "e2e", "--predictions", file, "--data", data, "--format", "json")
    assert result.exit_code == 0
    scores = json.loads(result.stdout)
    assert scores["bleu"] == 1
    assert {name for name, value in scores.items() if value is None} == set(scores["missing"])
    assert set(scores["missing"]) == {"meteor", "rouge_l", "cider"}
    assert "install a Java runtime" in scores["missing"]["meteor"]
    table = frontune("score", "e2e", "--predictions", file, "--data", data).stdout
    assert "bleu        100.0" in table
    assert "meteor    missing" in table
    assert "meteor: needs Java" in table


@pytest.fixture
def plain(tmp_path: Path) -> list[Path]:
    """Predictions and two files of references; the second has none for the first line."""
    return [
        write(tmp_path / "out.txt", "The cat\u2028sat\x0cdown here", "", "a b c d e"),
        write(tmp_path / "ref 0.txt", "the cat sat here now\r", "a dog", "a b c d", end=""),
        write(tmp_path / "ref1.txt", "", "two dogs bark", "\ta b c d e f"),
    ]


def test_references_may_be_given_together_or_one_by_one(frontune: Frontune, plain: list[Path]) -> None:
    out, first, second = plain
    start = ("score", "--metrics", "bleu,ter, nist", "--format", "json", "--predictions", out)
    together = frontune(*start, "--references", first, second)
    assert together.exit_code == 0
    for references in (
        ("--references", first, "--references", second),
        (f"--references={first}", second),
        ("--references", first, second, "--lowercase", "--tokenize", "none"),
    ):
        assert frontune(*start, *references).stdout == together.stdout
    before = ("score", "--references", first, second, "--predictions", out, "--metrics", "bleu,ter,nist")
    assert frontune(*before, "--format", "json").stdout == together.stdout


def test_lines_end_at_line_feeds_alone_and_scores_keep_every_digit(
    frontune: Frontune, plain: list[Path]
) -> None:
    out, first, second = plain
    metrics = [metric for metric in TEXT_METRICS if metric != "meteor"]
    arguments = ("--predictions", out, "--references", first, second, "--metrics", ",".join(metrics))
    result = frontune("score", *arguments, "--format", "json")
    wanted = text_scores(
        ["The cat sat down here", "", "a b c d e"],
        [["the cat sat here now"], ["a dog", "two dogs bark"], ["a b c d", "a b c d e f"]],
        metrics,
        Convention(),
    )
    assert json.loads(result.stdout) == wanted.metrics
    assert 0 < wanted.metrics["bleu"] < 1


def test_case_and_tokens_may_be_chosen(frontune: Frontune, tmp_path: Path) -> None:
    out = write(tmp_path / "out.txt", "\ufeffHello, wide world!")
    reference = write(tmp_path / "ref.txt", "hello , wide world !")

    def bleu(*options: str) -> float:
        arguments = ("--predictions", out, "--references", reference, "--metrics", "bleu", *options)
        scores: dict[str, float] = json.loads(frontune("score", *arguments, "--format", "json").stdout)
        return scores["bleu"]

    assert bleu() == 0
    assert bleu("--tokenize", "13a") == bleu("--tokenize", "webnlg") == 1
    assert 0 < bleu("--tokenize", "13a", "--no-lowercase") < 1


def test_raw_text_gets_the_caption_metrics_own_tokenizer(
    frontune: Frontune, plain: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    files = ("--predictions", plain[0], "--references", *plain[1:], "--format", "json")
    for tokenize, missing in (("none", ["meteor"]), ("13a", ["meteor", "rouge_l"])):
        options = ("--metrics", "bleu,meteor,rouge_l", "--tokenize", tokenize)
        scores = json.loads(frontune("score", *files, *options).stdout)
        assert sorted(scores["missing"]) == missing
        assert all(scores[metric] is None for metric in missing)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"out.txt": b"one\n"}, "references '{ref}': wanted 1 lines as predictions '{out}' has, got 2"),
        ({"ref.txt": None}, "references '{ref}' cannot be read: No such file or directory"),
        ({"out.txt": None}, "predictions '{out}' cannot be read: No such file or directory"),
        (
            {"out.txt": b"fine\n\xff\xfe\n"},
            "predictions '{out}', line 2: wanted UTF-8, got invalid start byte",
        ),
        ({"ref.txt": b"a\n \r\n"}, "references '{ref}': row 2: all references are empty"),
        ({"out.txt": b"", "ref.txt": b""}, "nothing to score"),
    ],
)
def test_plain_files_that_do_not_fit_are_refused(
    frontune: Frontune, tmp_path: Path, change: dict[str, bytes | None], wanted: str
) -> None:
    out, ref = tmp_path / "out.txt", tmp_path / "ref.txt"
    for name, content in ({"out.txt": b"a\nb\n", "ref.txt": b"a\nb\n"} | change).items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    before = files_under(tmp_path)
    message = said(frontune("score", "--predictions", out, "--references", ref, "--metrics", "bleu"))
    assert wanted.format(out=out, ref=ref) in message
    assert files_under(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (WORDS[:5], "wanted 6 lines as the validation split of task mnli in '{data}' has, got 5"),
        ([*WORDS, ""], "got 7"),
        (
            ["entailment"] * 6,
            "no line is a label of the task; wanted one of True, Neither, False, got 'entail",
        ),
    ],
)
def test_predictions_that_do_not_fit_their_task_are_refused(
    frontune: Frontune, mnli: Path, tmp_path: Path, words: list[str], wanted: str
) -> None:
    file = write(tmp_path / "words.txt", *words)
    message = said(frontune("score", "mnli", "--predictions", file, "--data", mnli))
    assert message.startswith(f"predictions '{file}'")
    assert wanted.format(data=mnli) in message


def test_data_of_another_task_and_unknown_names_are_refused(
    frontune: Frontune, mnli: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "words.txt", *WORDS)
    data = folder_of(tmp_path / "e2e", "validation_matched", E2E_ROWS)
    message = said(frontune("score", "mnli", "--predictions", file, "--data", data))
    assert f"'{data / 'validation_matched.jsonl'}' lacks the column" in message
    message = said(frontune("score", "mnil", "--predictions", file, "--data", mnli))
    assert "unknown task 'mnil'; did you mean 'mnli'" in message
    message = said(frontune("score", "--metrics", "bleu,metoer", "--predictions", file, "--references", file))
    assert message.startswith("unknown metric 'metoer'; did you mean 'meteor'?")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["mnli", "--metrics", "bleu"], "--metrics has no meaning here: a task knows its own"),
        (["mnli", "--no-lowercase"], "--lowercase has no meaning here"),
        (["mnli", "--tokenize", "13a"], "--tokenize has no meaning here"),
        (["mnli", "--references", "x"], "--references has no meaning here"),
        (["--references", "x", "--data", "y"], "--data has no meaning here: it goes with a TASK"),
        (["--references", "x", "--split", "test"], "--split has no meaning here"),
        (["--metrics", "bleu"], "give a TASK, or --references FILE"),
        (["--references"], "Option '--references' requires an argument"),
        (["--references", "x", "--metrics", " , "], "wanted names with commas between them"),
        (["--references", "x", "--tokenize", "13b"], "'13b' is not one of"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    frontune: Frontune, tmp_path: Path, options: list[str], wanted: str
) -> None:
    file = write(tmp_path / "out.txt", *WORDS)
    assert wanted in said(frontune("score", "--predictions", file, *options))


def test_real_outputs_of_e2e_score_as_published(
    frontune: Frontune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    data = Path(os.environ.get("FRONTUNE_DATA") or beside)
    outputs = data / "metrics_reference" / "e2e_dev_outputs"
    if not outputs.is_dir():
        pytest.skip(f"published outputs are neither in $FRONTUNE_DATA nor in '{beside}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    file = outputs / "model_d_seed12_epoch12.txt"
    result = frontune("score", "e2e", "--predictions", file, "--data", data / "e2e", "--format", "json")
    scores = json.loads(result.stdout)
    assert (round(scores["bleu"], 4), round(scores["nist"], 3)) == (0.7183, 8.649)
