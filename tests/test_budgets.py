"""Budgets: a sweep that reaches one says so, ends with its front and exit code 0, and goes on with more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from click.testing import Result

from sweeps.budget import Budget
from sweeps.training.pack import Pack
from sweeps.trial_records import PlannedTrial
from sweeps.turns import Turns
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of
from tests.test_plan import plan_of

MakeWorkspace = Callable[[], Path]
SIX: dict[str, Any] = {"trials": 6, "points": ["adapter_l(r=2, lr=1e-2)"]}


@pytest.fixture(scope="module")
def undisturbed(
    make_workspace: MakeWorkspace, frontune: Frontune, small_sweep: dict[str, Any], tmp_path_factory: Any
) -> list[Any]:
    """What six trials of the small sweep find without any other budget."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("undisturbed") / "small.yaml"
    file.write_text(yaml.safe_dump(small_sweep | SIX, sort_keys=False))
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return outcome(workspace)


def assert_stopped_with_its_front(result: Result, workspace: Path, why: str) -> None:
    assert result.exit_code == 0, result.output
    assert why in result.stdout
    assert "Pareto front: " in result.stdout
    wrote = [line.removeprefix("wrote ") for line in result.stdout.splitlines() if line.startswith("wrote ")]
    assert wrote
    assert all(Path(file).is_file() for file in wrote)
    parent, children = runs_of(workspace)
    assert parent.info.status == "FINISHED"
    assert "RUNNING" not in {run.info.status for run in children}
    assert "running" not in {trial.state for trial in trials_of(workspace)}


def test_a_sweep_out_of_trials_ends_with_its_front_and_goes_on_with_more(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, undisturbed: list[Any]
) -> None:
    workspace, file = make_workspace(), sweep_file(**SIX)
    result = frontune("run", file, "--workspace", workspace, "--trials", 4)
    assert_stopped_with_its_front(result, workspace, "[4/4] trial 3 ")
    assert outcome(workspace) == undisturbed[:4]
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed


def test_what_is_next_is_looked_for_once_where_it_is_nothing_until_there_may_be_something() -> None:
    looked: list[int] = []
    plan = SimpleNamespace(spec=SimpleNamespace(seeds=[0]))

    def cannot_deal(n_trials: int) -> bool:
        looked.append(n_trials)
        return True

    budget = SimpleNamespace(deals=True, cannot_deal=cannot_deal)
    dealer = SimpleNamespace(waiting=lambda begun: [])
    parts: Any = (plan, SimpleNamespace(trials={}), budget, dealer, None, None)
    turns, failed = Turns(*parts), cast(PlannedTrial, object())
    assert [turns.next(anything_runs=True) for _ in range(3)] == [None] * 3
    assert looked == [0]
    turns.put_back(failed)
    assert turns.next(anything_runs=True) is failed
    assert [turns.next(anything_runs=True) for _ in range(3)] == [None] * 3
    assert looked == [0, 0]


@pytest.mark.parametrize("ticks", [10, 12, 15])
def test_a_sweep_out_of_time_stops_in_the_middle_of_a_trial_and_goes_on_later(
    ticks: int,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    undisturbed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, file = make_workspace(), sweep_file(**SIX, wall_clock=ticks)
    with monkeypatch.context() as fast:
        # A clock that ticks whenever it is looked at, which is once for each event.
        fast.setattr("sweeps.running.Budget", partial(Budget, clock=partial(next, count())))
        result = frontune("run", file, "--workspace", workspace)
    assert_stopped_with_its_front(result, workspace, f"wall_clock of {ticks} s is spent")
    states = [trial.state for trial in trials_of(workspace)]
    assert "complete" in states
    assert len(states) < 6
    more = frontune("run", file, "--workspace", workspace, "--set", "wall_clock=8h")
    assert more.exit_code == 0
    assert outcome(workspace) == undisturbed


def test_a_sweep_out_of_tokens_ends_before_the_trial_that_would_take_more(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, undisturbed: list[Any]
) -> None:
    workspace, file = make_workspace(), sweep_file(**SIX)
    tokens = 500
    result = frontune("run", file, "--workspace", workspace, "--set", f"train_tokens={tokens}")
    trials = trials_of(workspace)
    spent = sum(trial.train_tokens or 0 for trial in trials)
    why = f"train_tokens: {spent:,} of {tokens:,} are spent, and the next trial takes about "
    assert_stopped_with_its_front(result, workspace, why)
    assert 1 <= len(trials) < 6
    assert spent <= tokens * 1.1  # what a trial takes is known by the mean length of its rows
    assert {trial.state for trial in trials} == {"complete"}
    again = frontune("run", file, "--workspace", workspace, "--set", f"train_tokens={tokens}")
    assert again.exit_code == 0
    assert trials_of(workspace) == trials
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_a_trial_trained_that_was_interrupted_or_failed_is_spent_and_counted_once(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    undisturbed: list[Any],
    error: type[BaseException],
) -> None:
    workspace, file = make_workspace(), sweep_file(**SIX, max_retries=0)
    real, steps = Pack.step, []

    def end_the_second_trial(pack: Pack) -> Any:
        steps.append(1)
        if len(steps) == 6:
            raise error("at its third step")
        return real(pack)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Pack, "step", end_the_second_trial)
        frontune("run", file, "--workspace", workspace, "--trials", 2)
    whole, part = (trial.train_tokens or 0 for trial in trials_of(workspace))
    assert whole / 2 < part < whole
    took = trials_of(workspace)[1].train_seconds or 0.0
    assert took > 0
    # Enough for two trials, not for two and two thirds.
    limit = f"train_tokens={round(2.3 * whole)}"
    again = frontune("run", file, "--workspace", workspace, "--set", limit)
    assert again.exit_code == 0
    states = [trial.state for trial in trials_of(workspace)]
    if error is KeyboardInterrupt:
        assert outcome(workspace) == undisturbed[:2]
        assert part < (trials_of(workspace)[1].train_tokens or 0) < whole + part
    else:
        assert states == ["complete", "failed"]
        assert trials_of(workspace)[1].train_seconds == took
        assert f"{whole + part:,} of " in again.stdout


@pytest.fixture(scope="module")
def limits(base: str, small_sweep: dict[str, Any]) -> dict[str, int]:
    """What LoRA of rank 8 meets and FT^Top2 and fine-tuning do not."""
    shared = {key: small_sweep[key] for key in ("task", "recipe")}
    plan = plan_of(base, methods=None, points=["lora(r_q=8)", "ft_top2(n_layers=1)"], **shared)
    built = [point.build(plan.spec.recipe.recipe(seed=0)) for point in plan.points]
    small, large = (plan.memory.of(*each).peak for each in built)
    assert small < large
    return {"max_trainable_params": built[0][0].count(plan.shape), "max_memory": (small + large) // 2}


@pytest.mark.parametrize("key", ["max_trainable_params", "max_memory"])
def test_points_over_a_limit_are_listed_with_the_reason_and_the_rest_is_trained(
    key: str,
    limits: dict[str, int],
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=1, lr=1e-2)", "fine_tune(lr=1e-3)", "lora(r_q=8, lr=1e-2)"]
    file = sweep_file(methods=None, points=points, trials=None, seeds=[0], **{key: limits[key]})
    result = frontune("run", file, "--workspace", workspace)
    assert_stopped_with_its_front(result, workspace, "refused: fine_tune: ")
    assert f"more than {key} = " in result.stdout
    assert [trial.method for trial in trials_of(workspace)] == ["lora", "lora"]
    (refusal,) = ledger_of(workspace).refusals("small")
    assert refusal.method == "fine_tune"
    assert f"more than {key} = " in refusal.reason
    assert f"more than {key} = " in frontune("status", "small", "--workspace", workspace).stdout


def test_draws_over_max_memory_cost_no_trial(
    limits: dict[str, int], make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    methods = {"lora": {"r_q": {"low": 1, "high": 8}, "lr": 1e-2, "batch_size": [4, 24]}}
    workspace = make_workspace()
    file = sweep_file(methods=methods, trials=4, seeds=[0], max_memory=limits["max_memory"])
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert [(trial.state, trial.batch_size) for trial in trials_of(workspace)] == [("complete", 4)] * 4
    refusals = ledger_of(workspace).refusals("small")
    assert refusals
    assert all("more than max_memory" in refusal.reason for refusal in refusals)
