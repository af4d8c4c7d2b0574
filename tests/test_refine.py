"""refine: new points in the front's widest gaps, trained as points of the same sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from dashboards.pareto import pareto_front
from sweeps.point import Point
from sweeps.running import check_sweep, run_sweep
from sweeps.spec import load_specs
from tests.conftest import Frontune, SweepFile
from tests.schemas import schema_of
from tests.sweep_outcomes import outcome, trials_of
from tests.test_interruptions import interrupt_at


def test_new_points_lie_in_gaps_of_the_front_are_shown_first_and_trained_once(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=1, r_v=1, lr=1e-9)", "lora(r_q=16, r_v=16, lr=1e-2)"]
    changes = {"base": "tiny", "task": {"name": "demo", "train_examples": 200, "eval_examples": 60}}
    recipe = {"steps": 60, "batch_size": 16}
    file = sweep_file(methods=None, points=points, seeds=[0], trials=None, recipe=recipe, **changes)
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert len(pareto_front(trials_of(workspace))) == 2
    dry_run = ("refine", "small", "--points", 2, "--workspace", workspace, "--dry-run")
    with schema_of(workspace, "0004"):
        refused = frontune(*dry_run)
    assert refused.exit_code == 2
    assert "was written by an older Frontune" in refused.stderr
    shown = frontune(*dry_run)
    assert shown.exit_code == 0
    assert "between 2,560 and 40,960" in shown.stdout
    assert len(trials_of(workspace)) == 2
    done = frontune("refine", "small", "--points", 2, "--workspace", workspace)
    assert done.exit_code == 0
    assert done.stdout.startswith(shown.stdout)
    added = trials_of(workspace)[2:]
    assert [t.state for t in added] == ["complete", "complete"]
    assert added[0].trainable_params == 10_240
    assert added[1].trainable_params in (5_120, 20_480)
    again = frontune("run", file, "--workspace", workspace)
    assert again.exit_code == 0
    assert len(trials_of(workspace)) == 4


def test_points_added_to_an_interrupted_sweep_overwrite_no_trial_and_begin_no_further_seeds(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=1, lr=1e-2)", "adapter_l(r=2, lr=1e-2)"]
    file = sweep_file(methods=None, points=points, trials=None, replicate_front=3)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, "sweeps.training.pack:Pack.step", 8, "before")
        assert frontune("run", file, "--workspace", workspace).exit_code == 130
    assert [t.state for t in trials_of(workspace)] == ["complete", "complete", "interrupted"]
    before = outcome(workspace)
    (spec,) = load_specs(file, (f"workspace={workspace}",))
    added = Point("lora", {"r_q": 2, "lr": 1e-2})
    assert run_sweep(check_sweep(spec), Console(quiet=True), (added,)).ending == "complete"
    assert outcome(workspace)[:2] == before[:2]
    of_seed = [(t.number, t.method, t.seed, t.state) for t in trials_of(workspace)[2:]]
    assert of_seed == [
        (2, "adapter_l", 0, "complete"),
        (3, "adapter_l", 1, "complete"),
        (4, "lora", 0, "complete"),
        (5, "lora", 1, "complete"),
    ]
