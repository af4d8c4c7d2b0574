"""`frontune import`: what was trained elsewhere stands beside a sweep's trials, all of a file or nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.lease import leased
from storage.ledger import Ledger
from storage.records import SweepRecord, TrialRecord
from storage.workspace import Workspace
from tests.conftest import Frontune
from tests.sweep_outcomes import outcome
from tests.test_ledger import NOON
from tests.test_pareto import make_trial

HEADER = "method,trainable_params,score"
IA3 = f"{HEADER},label,seed\nIA3,96,0.75,k and v,0\nIA3,96,0.5,k and v,1\n"
Write = Callable[..., Path]


@pytest.fixture
def ledger(tmp_path: Path, base: str) -> Iterator[Ledger]:
    """A ledger with the sweep `s`, of the demo on the small base, and one trial of it."""
    with closing(Ledger.open(Workspace.open(tmp_path / "runs", create=True).database_url)) as ledger:
        ledger.add_sweep(SweepRecord("s", base, "demo", "accuracy", {"name": "s", "trials": 1}, NOON))
        ledger.save_trial(
            make_trial(sweep="s", base=base, task="demo", trainable_params=256, base_params=9000)
        )
        yield ledger


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a CSV file."""

    def to_file(text: str, name: str = "peft.csv") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return to_file


@pytest.fixture
def bring(tmp_path: Path, frontune: Frontune) -> Callable[..., Any]:
    """Imports a file into `s`."""
    return lambda file, *more: frontune(
        "import", file, "--into", "s", *more, "--workspace", tmp_path / "runs"
    )


def imported(ledger: Ledger) -> list[TrialRecord]:
    return [each for each in ledger.results("s") if each.imported_from is not None]


def test_a_minimal_file_brings_points_that_say_where_they_are_from(
    ledger: Ledger, write: Write, bring: Any, tmp_path: Path
) -> None:
    said = bring(write(IA3))
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("imported 2 results from peft.csv into sweep s\nwrote ")
    first, second = imported(ledger)
    assert (first.number, first.method, first.title, first.label) == (-1, "IA3", "IA3†", "k and v")
    assert (first.trainable_params, first.score, first.base_params) == (96, 0.75, 9000)
    assert (second.seed, second.config_hash, second.imported_from) == (1, first.config_hash, "peft.csv")
    table = (tmp_path / "runs" / "reports" / "s" / "table.md").read_text(encoding="utf-8")
    assert "| IA3† | k and v | 96 | 62.5 ± 17.7 | 2 | - | ✓ |" in table
    assert "† trained elsewhere, imported from peft.csv" in table


def test_the_same_file_twice_changes_nothing_and_says_so(ledger: Ledger, write: Write, bring: Any) -> None:
    bring(write(IA3))
    before = ledger.results("s")
    again = bring(write(IA3))
    assert (again.exit_code, again.stdout) == (
        0,
        "nothing new: sweep s has all 2 results of peft.csv already\n",
    )
    assert ledger.results("s") == before
    more = bring(write(f"{IA3}IA3,96,0.25,k and v,2\n", "more.csv"))
    assert "imported 1 result from more.csv into sweep s, 2 were there already" in more.stdout
    one = write(
        f"{HEADER},label,seed,state\nIA3,96,0.25,k and v,3,complete\nIA3,96,,k and v,4,failed\n", "one.csv"
    )
    said = bring(one).stdout.splitlines()
    assert said[0] == "imported 1 result from one.csv into sweep s"
    assert said[1] == "left out: 1 trial of it that did not come to its end"
    assert bring(one).stdout.startswith("nothing new: sweep s has the only result of one.csv already\n")


def test_a_corrected_file_takes_the_place_of_what_it_brought(
    ledger: Ledger, write: Write, bring: Any
) -> None:
    bring(write(IA3))
    corrected = IA3.replace("0.75", "0.8").replace("k and v,1", "k and v,3")
    refused = bring(write(corrected))
    assert refused.exit_code == 2
    assert "row 2: its score is 0.8, but peft.csv said 0.75 of this configuration and seed" in refused.stderr
    assert bring(write(corrected), "--replace").exit_code == 0
    assert [(t.number, t.seed, t.score) for t in imported(ledger)] == [(-3, 0, 0.8), (-4, 3, 0.5)]
    assert len(ledger.trials("s")) == 1


def test_a_known_method_is_read_as_strictly_as_a_sweep_file_and_counted(
    ledger: Ledger, write: Write, bring: Any
) -> None:
    wide = f"{HEADER},r_q,r_v,lr\nLoRA,256,0.5,2,2,1e-3\nlora,64,0.25,1,,0.01\nadapter_h,300,0.5,,,\n"
    assert bring(write(wide)).exit_code == 0
    both, one, unchecked = imported(ledger)
    assert (both.method, both.title, both.label) == ("lora", "LoRA†", "r_q = r_v = 2")
    assert (both.hyperparameters["r_v"], both.lr, one.hyperparameters["r_v"]) == (2, 1e-3, 0)
    assert (unchecked.method, unchecked.title, unchecked.label) == ("adapter_h", "Adapter^H†", "")
    for row, problem in {
        "lora,257,0.5,2,2,": "row 2: trainable_params is 257, but lora r_q = r_v = 2 has 256 on this base",
        "lora,256,0.5,99,,": "row 2: lora: r_q = 99 is more than the matrix can hold",
        "lora,256,0.5,1.5,,": "row 2: lora: r_q must be a whole number, got 1.5",
        "adapter_h,300,0.5,2,,": "row 2: unknown parameter of adapter_h 'r_q'; known: ",
        "fine_tune,300,0.5,,,": "row 2: trainable_params is 300, but fine_tune has",
    }.items():
        refused = bring(write(f"{HEADER},r_q,r_v,lr\n{row}\n", "bad.csv"))
        assert (refused.exit_code, problem in refused.stderr) == (2, True), refused.stderr
    assert len(imported(ledger)) == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        (f"{HEADER}\n", "it has a header and no row"),
        ("method;trainable_params;score\nx;1;1\n", "its columns are parted by ';'; wanted commas"),
        (f"{HEADER},score\nx,1,1,1\n", "column 'score' stands twice"),
        (f"{HEADER}\nx,1,0.5,7\n", "row 2: it has 4 cells, wanted 3"),
        (f"{HEADER}\n\nx,1,\n", "row 3: score is missing"),
        (f"{HEADER}\nx,many,0.5\n", "row 2: trainable_params is 'many', wanted a number of at least 0"),
        (f"{HEADER}\nx,1.5,0.5\n", "row 2: trainable_params is '1.5', wanted a whole number"),
        (f"{HEADER}\nx,1,0.5\ny,-1,0.5\n", "row 3: trainable_params is '-1', wanted a number of at least 0"),
        (f"{HEADER}\nx,1,nan\n", "row 2: score is 'nan', wanted a number"),
        (f"{HEADER}\nx,1,1e999\n", "row 2: score is '1e999', wanted a number"),
        (f"{HEADER}\nx,{2**63},0.5\n", "wanted a number below 9,223,372,036,854,775,808"),
        (f"{HEADER}\nx,{'9' * 23},0.5\n", "wanted a number below 9,223,372,036,854,775,808"),
        (f"{HEADER}\nx,1,71.5\n", "row 2: score is 71.5, but accuracy is a fraction of 1"),
        (f"{HEADER},seed\nx,1,0.5,-3\n", "row 2: seed is '-3', wanted a number of at least 0"),
        (f"{HEADER}\nx,1,0.5\nx,1,0.6\n", "row 3: its score is 0.6 and that of row 2 0.5"),
        (f"{HEADER},task\nx,1,0.5,mnli\n", "row 2: its task is 'mnli', that of sweep 's' is 'demo'"),
        (f"{HEADER},base\nx,1,0.5,gpt2\n", "row 2: its base is 'gpt2'"),
        (f"{HEADER},metric\nx,1,0.5,bleu\n", "row 2: its metric is 'bleu'"),
        (f"{HEADER},state\nx,1,,failed\n", "none of its rows is of a trial that came to its end"),
        (f"{HEADER},state\nx,1,0.5,done\n", "row 2: unknown state 'done'"),
        (f'{HEADER}\n"x,1,0.5\n', "it cannot be read: unexpected end of data"),
    ],
)
def test_a_file_that_is_not_right_is_refused_in_one_sentence_and_brings_nothing(
    ledger: Ledger, write: Write, bring: Any, text: str, problem: str
) -> None:
    refused = bring(write(text))
    assert refused.exit_code == 2
    assert refused.stderr.startswith("frontune: '")
    assert problem in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert imported(ledger) == []


def test_what_is_no_text_and_what_is_not_there_cannot_be_read(
    ledger: Ledger, tmp_path: Path, bring: Any
) -> None:
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff")
    for file in (tmp_path / "image.csv", tmp_path / "none.csv", tmp_path):
        refused = bring(file)
        assert (refused.exit_code, "it cannot be read" in refused.stderr) == (2, True)


def test_the_sweep_is_the_one_that_the_file_names(
    ledger: Ledger, write: Write, frontune: Frontune, tmp_path: Path
) -> None:
    where = ("--workspace", tmp_path / "runs")
    unnamed = frontune("import", write(IA3), *where)
    assert (unnamed.exit_code, "it names no sweep; --into NAME" in unnamed.stderr) == (2, True)
    assert frontune("import", write(f"{HEADER},sweep\nx,1,0.5,s\n"), *where).exit_code == 0
    several = frontune("import", write(f"{HEADER},sweep\nx,1,0.5,s\ny,1,0.5,t\n"), *where)
    assert (several.exit_code, "it is of 2 sweeps (s, t)" in several.stderr) == (2, True)
    unknown = frontune("import", write(IA3), "--into", "so", *where)
    assert (unknown.exit_code, "unknown sweep 'so'; did you mean 's'?" in unknown.stderr) == (2, True)


def test_a_sweep_that_is_being_run_takes_nothing(ledger: Ledger, write: Write, bring: Any) -> None:
    with leased(ledger, "s"):
        refused = bring(write(IA3))
    assert (refused.exit_code, "sweep 's' is being run already" in refused.stderr) == (2, True)
    assert imported(ledger) == []


def test_a_formula_in_a_file_is_a_text_and_leaves_as_one(
    ledger: Ledger, write: Write, bring: Any, frontune: Frontune, tmp_path: Path
) -> None:
    assert bring(write(f"{HEADER},label\n'=1+1,1,0.5,@SUM(1)\n<b>x</b>,2,0.5,\n")).exit_code == 0
    assert [t.method for t in imported(ledger)] == ["=1+1", "<b>x</b>"]
    out, runs = tmp_path / "all.csv", tmp_path / "runs"
    assert frontune("pareto", "s", "--all", "--csv", out, "--workspace", runs).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert [(row["trial"], row["method"], row["imported_from"]) for row in rows] == [
        ("0", "lora", ""),
        ("-1", "'=1+1", "peft.csv"),
        ("-2", "<b>x</b>", "peft.csv"),
    ]
    again = frontune("import", out, "--workspace", runs)
    assert again.stdout == "nothing new: sweep s has all 3 results of all.csv already\n"


def test_one_workspace_takes_what_another_wrote(
    finished: Path, frontune: Frontune, ledger: Ledger, bring: Any, tmp_path: Path
) -> None:
    out = tmp_path / "small.csv"
    assert frontune("pareto", "small", "--all", "--csv", out, "--workspace", finished).exit_code == 0
    said = bring(out)
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("imported 12 results from small.csv into sweep s\n")
    assert "left out: 2 trials of it that did not come to their end" in said.stdout
    with closing(Ledger.open(Workspace.open(finished, create=False).database_url)) as there:
        trials = [t for t in there.trials("small") if t.state == "complete"]
    shared = ("method", "label", "trainable_params", "score", "seed", "lr", "steps", "train_seconds")
    values = [[getattr(t, name) for name in shared] for t in imported(ledger)]
    assert values == [[getattr(t, name) for name in shared] for t in trials]
    assert len({t.config_hash for t in imported(ledger)}) == len({t.config_hash for t in trials})


@pytest.fixture(scope="module")
def grown(
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    small_sweep: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A workspace with the small sweep, whose first two trials were trained, then came a better result from
    elsewhere, and then two more."""
    workspace, folder = make_workspace(), tmp_path_factory.mktemp("grown")
    (folder / "best.csv").write_text(f"{HEADER}\nIA3,1,1.0\n")
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump(small_sweep | {"seeds": [0], "trials": 2}, sort_keys=False))
    for command in (
        ("run", file),
        ("import", folder / "best.csv", "--into", "small"),
        ("resume", "small", "--trials", 4),
    ):
        done = frontune(*command, "--workspace", workspace)
        assert done.exit_code == 0, done.output
    return workspace


def test_what_was_imported_changes_nothing_in_how_a_sweep_goes_on(grown: Path, sweep_here: list[Any]) -> None:
    assert outcome(grown) == sweep_here
    table = (grown / "reports" / "small" / "table.md").read_text(encoding="utf-8")
    assert "| IA3† | - | 1 | **100.0** | - | ✓ |" in table


def test_what_was_imported_is_counted_apart_and_missed_by_nobody(grown: Path, frontune: Frontune) -> None:
    def said(*command: object, code: int = 0) -> str:
        result = frontune(*command, "--workspace", grown)
        assert result.exit_code == code, result.output
        return result.output

    assert "4 complete, 1 imported" in said("list")
    assert "4 of 4 trials\n  4 complete\n  1 imported from best.csv\n" in said("status", "small")
    assert "agree on 4 trials that ended" in said("doctor")
    assert "it has 0 to 3" in said("export", "small", 9, "--to", grown / "out", code=2)
    assert "IA3" not in said("refine", "small", "--dry-run")
    assert "IA3" not in said("test", "small")
