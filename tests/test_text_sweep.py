"""A sweep on a task that generates text: trained, scored by the task, kept, reused and tested."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from sweeps.filling import fill_missing
from sweeps.metrics.scores import Scores
from sweeps.tasks.base import Example
from sweeps.tasks.own_data import OwnData
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, runs_of, trials_of
from tests.test_pareto import make_trial

MakeWorkspace = Callable[[], Path]
WORDS = ("long", "short", "round", "square", "metal", "green")


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Say the word again: a task of one's own that a few steps can learn something of."""
    folder = tmp_path_factory.mktemp("echo")
    rows = [json.dumps({"word": word, "answer": word}) for word in WORDS]
    for split, some in (("train", rows * 4), ("validation", rows), ("test", rows[:3])):
        (folder / f"{split}.jsonl").write_text("\n".join(some) + "\n")
    return {
        "name": "own_data",
        "data": str(folder),
        "prompt": "{word} , {word} ,",
        "completion": "answer",
        "decoding": {"max_new_tokens": 3},
    }


@pytest.fixture(scope="module")
def sweep(base: str, echo: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = ["fine_tune(lr=1e-2)", "lora(r_q=1, lr=1e-12)", "prefix_layer(l_p=2, l_i=1, lr=1e-2)"]
    recipe = {"steps": 200, "batch_size": 8}
    content = {"base": base, "task": echo, "points": points, "trials": 3, "seeds": [0], "recipe": recipe}
    file = tmp_path_factory.mktemp("file") / "small.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


@pytest.fixture(scope="module")
def trained(make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path) -> Path:
    """A workspace, to be read or copied, with that sweep."""
    workspace = make_workspace()
    result = frontune("run", sweep, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    return workspace


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def test_generated_text_is_scored_by_the_task_and_kept_one_a_line(trained: Path) -> None:
    workspace = trained
    tuned, untouched, prefix = trials_of(workspace)
    assert tuned.metric == "exact_match"
    assert tuned.score == 1.0
    assert untouched.score == 0.0
    assert (workspace / "predictions" / "small" / "trial-0000.txt").read_text().split() == list(WORDS)
    kept = {a.kind: a.path for a in ledger_of(workspace).artifacts("small", prefix.number)}
    assert len((workspace / kept["predictions"]).read_text().split("\n")) == len(WORDS) + 1
    outcomes = (workspace / kept["outcomes"]).read_text().split()
    assert (len(outcomes), outcomes.count("1") / len(WORDS)) == (len(WORDS), prefix.score)
    measured = {
        (m.metric, m.split): m.value for m in ledger_of(workspace).measurements("small", tuned.number)
    }
    assert measured["exact_match", "validation"] == 1.0
    assert 0 < measured["loss", "validation"] < 1
    run = runs_of(workspace)[1][0]
    assert run.data.metrics["validation/exact_match"] == 1.0


def test_the_front_of_a_text_task_is_tested_on_the_test_split(copied: Path, frontune: Frontune) -> None:
    result = frontune("test", "small", "--workspace", copied)
    assert "Fine-Tune: own data exact match 100.0 with" in result.stdout


def test_another_decoding_is_another_configuration(copied: Path, frontune: Frontune, sweep: Path) -> None:
    workspace = copied
    again = ("--set", "name=again", "--set", "points=[fine_tune(lr=1e-2)]", "--set", "trials=1")
    assert frontune("run", sweep, "--workspace", workspace, *again).exit_code == 0
    (same,) = trials_of(workspace, "again")
    assert same.reused_from == "small/0"
    beams = (*again[2:], "--set", "name=beams", "--set", "task.decoding.beams=2")
    assert frontune("run", sweep, "--workspace", workspace, *beams).exit_code == 0
    (other,) = trials_of(workspace, "beams")
    assert other.reused_from is None


def test_a_text_needs_room_beside_prompt_and_virtual_tokens(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path
) -> None:
    workspace = make_workspace()
    long = ("--set", "task.decoding.max_new_tokens=62")
    result = frontune("run", sweep, "--workspace", workspace, *long)
    assert "refused: prefix_layer l_p = 2, l_i = 1: l_p + l_i = 3 leaves no room" in result.stdout
    assert "unknown to base" not in result.stdout
    foreign = ("--set", "name=foreign", "--set", "task.prompt='{word} , wort ,'")
    said = frontune("plan", sweep, "--workspace", workspace, *foreign)
    assert "\n24 of 144 tokens of the training rows are unknown to base " in said.stdout, said.output
    assert [t.method for t in trials_of(workspace)] == ["fine_tune", "lora"]


def test_a_decoding_for_a_task_that_compares_likelihoods_is_refused(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    file = sweep_file(task={"name": "demo", "decoding": {"beams": 2}})
    result = frontune("run", file, "--workspace", tmp_path / "new")
    assert result.exit_code == 2
    assert "task.decoding: the task demo compares likelihoods, no text is generated" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_score_whose_tool_is_absent_is_a_failure_with_the_reason_and_not_reused(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace()
    only = ("--set", "points=[lora(r_q=1)]", "--set", "trials=1", "--set", "recipe.steps=1")
    meteor = (*only, "--set", "task.score=meteor")
    monkeypatch.setenv("PATH", "/nowhere")
    result = frontune("run", sweep, "--workspace", workspace, *meteor)
    assert result.exit_code == 1
    assert "its score, meteor, is missing: needs Java" in result.stdout
    assert "; again (1 of 1)" in result.stdout
    again = (*only, "--set", "task.score=bleu", "--set", "name=other")
    assert frontune("run", sweep, "--workspace", workspace, *again).exit_code == 0
    (other,) = trials_of(workspace, "other")
    assert (other.metric, other.reused_from) == ("bleu", None)


def test_a_metric_that_raises_fails_its_trial_with_the_traceback_after_a_retry(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def score(self: OwnData, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        judged.append(1)
        # Before a trial the untrained base is judged, until it has a score.
        if len(judged) in (1, 2, 3, 4, 6):
            raise ValueError("a defect of the metric")
        return Scores({"exact_match": 0.5})

    monkeypatch.setattr(OwnData, "score", score)
    workspace = make_workspace()
    two = ("--set", "points=[lora(r_q=1), lora(r_q=2)]", "--set", "trials=2", "--set", "recipe.steps=1")
    result = frontune("run", sweep, "--workspace", workspace, *two)
    assert result.exit_code == 0
    assert "ValueError: a defect of the metric; again (1 of 1)" in result.stdout
    first, second = trials_of(workspace)
    assert (first.state, second.state) == ("failed", "complete")
    assert str(first.reason).startswith("ValueError: a defect of the metric\nTraceback")


def test_a_metric_that_raises_at_a_rung_fails_its_trial_there(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(self: OwnData, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        raise ValueError("a defect of the metric")

    monkeypatch.setattr(OwnData, "score", score)
    workspace = make_workspace()
    one = ("--set", "points=[lora(r_q=1)]", "--set", "trials=1", "--set", "recipe.steps=4")
    result = frontune("run", sweep, "--workspace", workspace, *one, "--set", "pruning={}")
    assert result.exit_code == 1
    assert result.stdout.count("ValueError: a defect of the metric") == 2
    assert [t.state for t in trials_of(workspace)] == ["failed"]
    assert not list((workspace / "adapters" / "small").iterdir())


def test_a_metric_that_was_missing_is_filled_in_once_its_tool_is_there(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = {"present": False}

    def score(self: OwnData, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        assert list(texts) == [text.strip() for text in texts]
        found = {"exact_match": 0.5}
        return Scores(found | {"meteor": 0.25}) if tools["present"] else Scores(found, {"meteor": "no Java"})

    monkeypatch.setattr(OwnData, "metrics", ("exact_match", "meteor"))
    monkeypatch.setattr(OwnData, "score", score)
    workspace = make_workspace()
    only = ("--set", "points=[lora(r_q=1)]", "--set", "trials=1", "--set", "recipe.steps=1")
    command = ("run", sweep, "--workspace", workspace, *only)

    def meteors(name: str) -> list[float]:
        measured = ledger_of(workspace).measurements(name, 0)
        return [m.value for m in measured if (m.metric, m.split) == ("meteor", "validation")]

    result = frontune(*command)
    assert "meteor is missing: no Java" in result.stdout
    assert (result.exit_code, meteors("small")) == (0, [])
    tested = frontune("test", "small", "--workspace", workspace)
    assert (tested.exit_code, tested.stdout.count("meteor is missing: no Java")) == (0, 1)
    tools["present"] = True
    assert "trial 0: meteor filled in" in frontune(*command, "--set", "name=other").stdout
    assert (trials_of(workspace, "other")[0].reused_from, meteors("other")) == ("small/0", [0.25])
    assert frontune(*command).exit_code == 0
    assert meteors("small") == [0.25]
    assert runs_of(workspace)[1][0].data.metrics["validation/meteor"] == 0.25
    assert "filled in" not in frontune(*command).stdout


def test_a_folder_that_cannot_be_made_is_named_in_one_sentence(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path
) -> None:
    workspace = make_workspace()
    (workspace / "adapters").write_text("a file")
    result = frontune("run", sweep, "--workspace", workspace)
    assert result.exit_code == 2
    assert "cannot make the folder" in result.stderr


@pytest.mark.parametrize(("metrics", "asked"), [((), []), (("bleu",), ["validation"])])
def test_what_all_trials_measured_is_asked_once_and_not_where_no_metric_can_be_missing(
    metrics: tuple[str, ...], asked: list[str]
) -> None:
    questions: list[str] = []

    def measured(split: str) -> dict[int, set[str]]:
        questions.append(split)
        return {0: {"bleu"}, 2: {"bleu", "loss"}}

    states = {0: "complete", 1: "failed", 2: "complete"}
    trials = {number: make_trial(number=number, state=state) for number, state in states.items()}
    books: Any = SimpleNamespace(trials=trials, measured=measured)
    examples = SimpleNamespace(task=SimpleNamespace(metrics=metrics), validation=[])
    plan: Any = SimpleNamespace(examples=examples)
    fill_missing(plan, books)
    assert questions == asked
