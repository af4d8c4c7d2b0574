"""Pruning on the front: the rule, and a sweep that prunes, from its file to its front."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from dashboards.pareto import pareto_front
from storage.records import RungScore, TrialRecord
from storage.rungs import rung_scores
from storage.workspace import Workspace
from sweeps.pruning import Rungs, Standing, goes_on, rung_number, rung_steps
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of
from tests.test_interruptions import interrupt_at

MakeWorkspace = Callable[[], Path]


def standing(score: float, loss: float | None = None) -> Standing:
    return Standing.of(RungScore(0, 0, 10, score, loss))


def stays(score: float, params: int, earlier: list[tuple[float, int]], reduction: int = 3) -> bool:
    """What is decided where no loss is known."""
    return goes_on(standing(score), params, [(standing(other), size) for other, size in earlier], reduction)


def test_rungs_lie_at_an_eighteenth_a_sixth_and_half_of_the_way() -> None:
    assert rung_steps(900) == (50, 150, 450)
    assert rung_steps(100) == (5, 16, 50)
    assert rung_steps(100, 2) == (12, 25, 50)
    assert rung_steps(6) == (1, 3)
    assert rung_steps(1) == ()


def test_the_first_three_at_a_rung_go_on_whatever_they_score() -> None:
    earlier: list[tuple[float, int]] = []
    for score in (0.9, 0.5, 0.1):
        assert stays(score, 100, earlier)
        earlier.append((score, 100))
    assert not stays(0.05, 100, earlier)


def test_the_better_third_goes_on() -> None:
    earlier = [(score / 10, 100) for score in range(8)]
    assert [stays(score, 100, earlier) for score in (0.45, 0.55, 0.65)] == [False, True, True]
    assert [stays(score, 100, earlier, reduction=2) for score in (0.25, 0.35)] == [False, True]


def test_a_trial_is_never_judged_against_larger_ones() -> None:
    larger = [(0.9, 101)] * 50
    assert stays(0.1, 100, larger)
    assert not stays(0.1, 101, larger)
    assert not stays(0.1, 100, [*larger, *[(0.5, 100)] * 3])
    assert stays(0.1, 99, [*larger, *[(0.5, 100)] * 3])


def test_a_trial_is_not_judged_against_those_of_less_than_half_its_size() -> None:
    smaller = [(0.9, 49)] * 50
    assert stays(0.1, 100, smaller)
    assert not stays(0.1, 98, smaller)
    assert not stays(0.1, 100, [*smaller, (0.5, 50)])


def test_without_losses_all_go_on_that_score_the_same() -> None:
    assert stays(0.5, 100, [(0.5, 100)] * 20)
    assert not stays(0.4, 100, [(0.5, 100)] * 20)


def test_of_what_scores_the_same_those_of_less_loss_go_on() -> None:
    earlier = [(standing(0.5, loss), 100) for loss in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)]
    assert [goes_on(standing(0.5, loss), 100, earlier) for loss in (2.5, 3.0, 3.5)] == [True, True, False]
    assert not goes_on(standing(0.4, 0.1), 100, earlier), "the score says it first"
    assert goes_on(standing(0.6, 9.0), 100, earlier)


def test_of_what_scores_the_same_those_without_a_finite_loss_come_last() -> None:
    for loss in (None, math.nan, math.inf):
        assert standing(0.5, loss) == standing(0.5)
        assert standing(0.4, 1.0) < standing(0.5, loss) < standing(0.5, 1.0)


def reached(rungs: Rungs, events: list[tuple[int, int, float, int]]) -> list[bool]:
    return [rungs.reach(RungScore(number, rung, 10, score), params) for number, rung, score, params in events]


def some_events(n: int = 60) -> list[tuple[int, int, float, int]]:
    """(number, rung, score, parameters) without pattern, the same every time."""
    return [(i, i % 2, (i * 37 % 101) / 101, 10 + i * 53 % 97) for i in range(n)]


def test_what_goes_on_follows_from_the_order_of_events_alone() -> None:
    events = some_events()
    decided = reached(Rungs(3), events)
    assert reached(Rungs(3), events) == decided
    assert 10 < sum(decided) < 50
    assert reached(Rungs(3), events[::-1]) != decided[::-1]


def test_each_rung_is_judged_for_itself() -> None:
    rungs = Rungs(3)
    reached(rungs, [(number, 0, 0.9, 10) for number in range(9)])
    assert reached(rungs, [(20, 1, 0.1, 10), (21, 0, 0.1, 10)]) == [True, False]


@pytest.mark.parametrize("cut", [0, 1, 20, 59])
def test_rungs_that_were_restored_decide_as_those_that_were_never_lost(cut: int) -> None:
    events = some_events()
    undisturbed = reached(Rungs(3), events)
    kept = [RungScore(number, rung, 10, score) for number, rung, score, _ in events[:cut]]
    restored = Rungs(3)
    restored.restore(kept, {number: params for number, _, _, params in events})
    assert reached(restored, events[cut:]) == undisturbed[cut:]


def test_a_trial_that_reaches_a_rung_again_is_judged_as_the_first_time() -> None:
    """A driver that was killed after the ledger had the rung, and before it knew of the trial's end."""
    events = some_events()
    undisturbed = reached(Rungs(3), events)
    for last in (4, 30, 59):
        kept = [RungScore(number, rung, 10, score) for number, rung, score, _ in events[: last + 1]]
        restored = Rungs(3)
        restored.restore(kept, {number: params for number, _, _, params in events})
        assert reached(restored, events[last:]) == undisturbed[last:]


def test_rungs_are_the_same_for_trials_of_different_lengths() -> None:
    """A trial of ten steps has none at an eighteenth of its way: its first rung is the others' second."""
    assert [rung_number(step, rung_steps(90)) for step in rung_steps(90)] == [0, 1, 2]
    assert [rung_number(step, rung_steps(10)) for step in rung_steps(10)] == [1, 2]


PRUNED: dict[str, Any] = {
    "name": "pruned",
    "pruning": {"reduction": 3},
    "recipe": {"steps": 18, "batch_size": 4},
    "seeds": [0],
    "trials": 18,
}
KEPT_RUNGS = (1, 3, 9)


@pytest.fixture(scope="module")
def undisturbed(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    small_sweep: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A workspace, to be read alone, with the finished sweep `pruned`."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("file") / "pruned.yaml"
    file.write_text(json.dumps(small_sweep | PRUNED))
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    return workspace


def pruned_trials(workspace: Path, sweep: str = "pruned") -> list[TrialRecord]:
    return [trial for trial in trials_of(workspace, sweep) if trial.state == "pruned"]


def test_a_pruned_trial_is_in_the_ledger_with_the_score_of_its_rung(undisturbed: Path) -> None:
    ledger, pruned = ledger_of(undisturbed), pruned_trials(undisturbed)
    assert {trial.state for trial in trials_of(undisturbed, "pruned")} == {"complete", "pruned"}
    assert len(pruned) >= 3
    last = {found.number: found for found in rung_scores(ledger, "pruned")}
    for trial in pruned:
        assert (trial.score, trial.steps) == (last[trial.number].score, last[trial.number].step)
        assert trial.steps in KEPT_RUNGS
        assert trial.reason
        assert trial.reason.startswith(
            f"accuracy {100 * (trial.score or 0):.1f} after step {trial.steps} of 18 is"
        )
        measured = {(m.metric, m.step): m.value for m in ledger.measurements("pruned", trial.number)}
        assert measured["accuracy", trial.steps] == trial.score
        assert measured["loss", trial.steps] == last[trial.number].loss
        assert (trial.train_tokens or 0) > 0


def test_the_ledger_holds_what_the_rule_decided_on(undisturbed: Path) -> None:
    """Every decision, taken again from the ledger's rungs alone."""
    trials = {trial.number: trial for trial in trials_of(undisturbed, "pruned")}
    found, rungs = rung_scores(ledger_of(undisturbed), "pruned"), Rungs(3)
    last = {each.number: each.rung for each in found}
    for each in found:
        trial = trials[each.number]
        stopped = trial.state == "pruned" and each.rung == last[each.number]
        assert rungs.reach(each, trial.trainable_params) is not stopped
    assert {each.number for each in found} == set(trials)


def test_a_pruned_trial_is_told_to_its_study_as_pruned(undisturbed: Path) -> None:
    url = Workspace.open(undisturbed, create=False).database_url
    states = {
        (study_name, trial.number): trial.state
        for study_name in {t.study for t in trials_of(undisturbed, "pruned")}
        for trial in optuna.load_study(study_name=study_name, storage=url).trials
    }
    for t in trials_of(undisturbed, "pruned"):
        wanted = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}[t.state]
        assert states.pop((t.study, t.point)) == wanted
    assert set(states.values()) <= {TrialState.FAIL}, "draws that were known already"


def test_a_pruned_trial_is_finished_in_mlflow_with_its_state(undisturbed: Path) -> None:
    parent, children = runs_of(undisturbed, "pruned")
    trials = trials_of(undisturbed, "pruned")
    for trial, run in zip(trials, children, strict=True):
        assert run.info.status == "FINISHED"
        assert run.info.end_time
        assert run.data.tags["state"] == trial.state
        assert run.data.metrics["score"] == trial.score
        if trial.state == "pruned":
            assert run.data.tags["pareto"] == "false"
            assert run.data.tags["reason"] == trial.reason
    assert parent.data.metrics["trials"] == len(trials)


def test_a_pruned_trial_is_not_on_the_front_and_leaves_no_files(undisturbed: Path) -> None:
    trials, ledger = trials_of(undisturbed, "pruned"), ledger_of(undisturbed)
    assert {trial.state for trial in pareto_front(trials)} == {"complete"}
    kept = {t.number for t in trials if ledger.artifacts("pruned", t.number)}
    assert kept == {t.number for t in trials if t.state == "complete"}
    adapters = {int(file.stem[-4:]) for file in (undisturbed / "adapters" / "pruned").iterdir()}
    assert adapters == kept
    assert not list((undisturbed / "checkpoints" / "pruned").iterdir())


def test_a_trial_that_goes_on_ends_as_without_pruning(
    undisturbed: Path, make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    frontune("run", sweep_file("pruned", **PRUNED | {"pruning": None}), "--workspace", workspace)
    unpruned, found = outcome(workspace, "pruned"), outcome(undisturbed, "pruned")
    states = [each[2] for each in found]
    assert states.count("complete") > 3
    assert [each for each in found if each[2] == "complete"] == [
        each for each, state in zip(unpruned, states, strict=True) if state == "complete"
    ]


INTERRUPTIONS = {
    "before the ledger has a rung": ("sweeps.books:Books.rung", 12, "before"),
    "after the ledger has a rung": ("sweeps.books:Books.rung", 12, "after"),
    "after a rung's state was written": ("sweeps.training.trial_run:save_state", 14, "after"),
    "before a pruned trial ends": ("sweeps.driver:pruned", 2, "before"),
    "after the ledger has a pruned trial": ("sweeps.driver:pruned", 2, "after"),
    "before the study is told": ("sweeps.study:MethodStudy.tell_pruned", 2, "before"),
    "in the middle of training": ("sweeps.training.pack:Pack.step", 100, "before"),
}


@pytest.mark.parametrize(
    ("where", "killed"),
    [*((where, True) for where in INTERRUPTIONS), ("after the ledger has a rung", False)],
)
def test_a_resumed_sweep_prunes_as_an_undisturbed_one_would(
    undisturbed: Path,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    where: str,
    killed: bool,
) -> None:
    workspace, file = make_workspace(), sweep_file("pruned", **PRUNED)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, *INTERRUPTIONS[where])
        if killed:
            interrupt_at(monkeypatch, "sweeps.driver:Driver._close", 1, "before")
        assert frontune("run", file, "--workspace", workspace).exit_code == 130
    assert len(trials_of(workspace, "pruned")) < PRUNED["trials"]
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace, "pruned") == outcome(undisturbed, "pruned")
    wanted = [(found.number, found.rung) for found in rung_scores(ledger_of(undisturbed), "pruned")]
    assert [(f.number, f.rung) for f in rung_scores(ledger_of(workspace), "pruned")] == wanted
    assert {run.data.tags["state"] for run in runs_of(workspace, "pruned")[1]} == {"complete", "pruned"}
    assert not list((workspace / "checkpoints" / "pruned").iterdir())


def test_a_sweep_that_grows_judges_the_new_by_the_old(
    undisturbed: Path, make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    for trials in (6, 18):
        file = sweep_file("pruned", **PRUNED | {"trials": trials})
        assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace, "pruned") == outcome(undisturbed, "pruned")
