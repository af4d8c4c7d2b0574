"""`replicate_front`: the front gets further seeds after the search, in rounds, also when interrupted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.pareto import front_of
from dashboards.replicates import replicates
from methods.errors import FrontuneError
from storage.records import TrialRecord
from sweeps.books import ENDED
from sweeps.front_replicates import missing_replicates, searched
from sweeps.spec import SweepSpec, check_spec
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import outcome, runs_of, trials_of
from tests.test_interruptions import interrupt_at
from tests.test_pareto import make_trial

MakeWorkspace = Callable[[], Path]
Found = dict[tuple[str, int], float]
MORE = {"seeds": [0], "trials": 6, "replicate_front": 3}


def spec_of(**changes: Any) -> SweepSpec:
    return check_spec({"name": "s", "base": "tiny", "task": "demo", "points": ["fine_tune"]} | changes, "F")


def found(*trials: tuple[str, int, int, float]) -> list[TrialRecord]:
    """Return trials numbered in order, each with (config, seed, trainable parameters, score)."""
    return [
        make_trial(number=i, config_hash=config, seed=seed, trainable_params=params, score=score)
        for i, (config, seed, params, score) in enumerate(trials)
    ]


def wanted(trials: list[TrialRecord], **changes: Any) -> list[tuple[str, dict[int, int]]]:
    missing = missing_replicates(trials, spec_of(**changes), ENDED)
    return [(each.first.config_hash, each.numbers) for each in missing]


SEARCHED = (("a", 0, 10, 0.5), ("b", 0, 20, 0.9), ("c", 0, 30, 0.8), ("d", 0, 40, 0.1))


def test_the_front_of_the_search_gets_the_seeds_that_follow() -> None:
    trials = found(*SEARCHED)
    assert wanted(trials, replicate_front=3) == [("a", {1: 4, 2: 5}), ("b", {1: 6, 2: 7})]
    assert wanted(trials) == []
    assert wanted([], replicate_front=3) == []
    assert wanted(found(("a", 7, 10, 0.5), ("a", 2, 10, 0.6)), seeds=[7, 2], replicate_front=3) == [
        ("a", {8: 2})
    ]


def test_a_point_that_enters_because_another_fell_is_replicated_too() -> None:
    a = [("a", 1, 10, 0.5), ("a", 2, 10, 0.5)]
    fell = [("b", 1, 20, 0.7), ("b", 2, 20, 0.2)]
    trials = found(*SEARCHED, *a, *fell)
    assert wanted(trials, replicate_front=3) == [("c", {1: 8, 2: 9})]
    trials = found(*SEARCHED, *a, *fell, ("c", 1, 30, 0.8), ("c", 2, 30, 0.8))
    assert wanted(trials, replicate_front=3) == []


def test_a_round_that_was_interrupted_is_finished_also_where_its_front_has_changed() -> None:
    trials = found(*SEARCHED, ("a", 1, 10, 0.5), ("a", 2, 10, 0.5), ("b", 1, 20, 0.1))
    assert {g.first.config_hash for g in front_of(replicates(trials))} == {"a", "c"}
    assert wanted(trials, replicate_front=3) == [("b", {2: 7})]
    trials.append(make_trial(number=7, config_hash="b", seed=2, state="interrupted", trainable_params=20))
    assert wanted(trials, replicate_front=3) == [("b", {2: 7})]


def test_a_seed_that_failed_is_not_trained_again() -> None:
    failed = make_trial(number=4, config_hash="a", seed=1, trainable_params=10, state="failed", score=None)
    assert ("a", {2: 5}) in wanted([*found(*SEARCHED), failed], replicate_front=3)


def test_a_front_of_as_many_seeds_as_every_point_has_is_refused() -> None:
    with pytest.raises(FrontuneError, match="'replicate_front' is 2, but every point has 2 of 'seeds'"):
        spec_of(seeds=[0, 1], replicate_front=2)


@pytest.fixture(scope="module")
def undisturbed(
    make_workspace: MakeWorkspace, frontune: Frontune, small_sweep: dict[str, Any], tmp_path_factory: Any
) -> Path:
    """A sweep with its front replicated, that nothing interrupts."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("file") / "small.yaml"
    file.write_text(json.dumps(small_sweep | MORE))
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return workspace


def test_every_point_of_the_front_has_all_its_seeds_and_the_others_their_own(
    undisturbed: Path, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = trials_of(undisturbed)
    seeds = Counter(t.config_hash for t in trials)
    front = {g.first.config_hash for g in front_of(replicates(trials))}
    assert {seeds[config] for config in front} == {3}
    assert set(seeds.values()) <= {1, 3}
    assert len(searched(trials, [0])) == 6
    assert len({(t.config_hash, t.seed) for t in trials}) == len(trials) > 6
    assert all(
        run.data.tags["pareto"] == str(t.config_hash in front).lower()
        for t, run in zip(trials, runs_of(undisturbed)[1], strict=True)
    )
    monkeypatch.setattr("sweeps.plan_command.paces_of", lambda plan, expected: {})
    asked = ("--trials", 9, "--workspace", undisturbed, "--format", "json")
    (planned,) = json.loads(frontune("plan", sweep_file(**MORE), *asked).stdout)
    assert [(m["trials"], m["done"]) for m in planned["methods"]] == [(3, 2)] * 3
    assert all(m["train_tokens"] > 0 for m in planned["methods"])
    more = len(trials) - 6
    text = frontune("status", "small", "--workspace", undisturbed).stdout
    assert f"6 of 6 trials, {more} further replicates of the front" in text


@pytest.mark.parametrize("nth", [7, 8, 9])
def test_replicates_that_were_interrupted_go_on_to_the_same_numbers(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, undisturbed: Path, nth: int
) -> None:
    workspace, file = make_workspace(), sweep_file(**MORE)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, "storage.tracking:Tracker.finish_trial", nth, "before")
        assert frontune("run", file, "--workspace", workspace).exit_code == 130
    assert len(trials_of(workspace)) == nth
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == outcome(undisturbed)


def test_a_sweep_that_has_ended_can_have_its_front_replicated_and_then_grow(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, undisturbed: Path
) -> None:
    workspace = make_workspace()
    assert (
        frontune("run", sweep_file(**MORE | {"replicate_front": None}), "--workspace", workspace).exit_code
        == 0
    )
    assert len(trials_of(workspace)) == 6
    assert frontune("run", sweep_file(**MORE), "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == outcome(undisturbed)
    grown = frontune("run", sweep_file(**MORE), "--workspace", workspace, "--trials", 8)
    assert grown.exit_code == 0
    trials = trials_of(workspace)
    assert len(searched(trials, [0])) == 8
    assert {g.n for g in front_of(replicates(trials))} == {3}
