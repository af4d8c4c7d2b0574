"""A sweep from its file to its front: what is recorded where, what is reused, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from dashboards.pareto import pareto_front
from storage.workspace import Workspace
from sweeps.trial import ENGINE
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of

MakeWorkspace = Callable[[], Path]


def test_ledger_mlflow_and_studies_agree_on_every_trial(finished: Path) -> None:
    trials = trials_of(finished)
    parent, children = runs_of(finished)
    front = {t.number for t in pareto_front(trials)}
    assert len(trials) == len(children) == 14
    assert {t.state for t in trials} == {"complete", "failed"}
    assert {t.method for t in trials} == {"adapter_h", "lora", "lora+prefix_embed", "ft_top2"}
    for t, run in zip(trials, children, strict=True):
        tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
        assert (t.mlflow_run_id, f"trial-{t.number:04d}-{t.method}") == (run.info.run_id, run.info.run_name)
        assert (tags["method"], tags["config_hash"]) == (t.method, t.config_hash)
        assert (tags["seed"], tags["state"]) == (str(t.seed), t.state)
        assert run.info.status == {"complete": "FINISHED", "failed": "FAILED"}[t.state]
        assert (tags["pareto"] == "true") == (t.number in front)
        assert {key: params[key] for key in t.hyperparameters} == {
            k: str(v) for k, v in t.hyperparameters.items()
        }
        assert metrics["trainable_params"] == t.trainable_params
        assert metrics.get("score") == t.score == metrics.get("accuracy")
    assert parent.info.status == "FINISHED"
    assert json.loads(parent.data.tags["sweep_file"])["name"] == "small"
    assert parent.data.metrics == {"trials": 14.0, "front_size": float(len(front))}


def test_a_study_holds_the_mean_score_of_each_points_replicates(finished: Path) -> None:
    trials = trials_of(finished)
    url = Workspace.open(finished, create=False).database_url
    for method in {t.method for t in trials}:
        study = optuna.load_study(study_name=f"small/{method}", storage=url)
        told = {t.number: t.values for t in study.trials if t.values}
        mine = [t for t in trials if t.method == method and t.state == "complete"]
        assert set(told) == {t.point for t in mine}
        for number, (score, params) in told.items():
            replicates = [t for t in mine if t.point == number]
            assert [t.seed for t in replicates] == [0, 1]
            assert score == sum(t.score or math.nan for t in replicates) / 2
            assert params == replicates[0].trainable_params
            assert len({t.config_hash for t in replicates}) == 1
        assert not [t for t in study.trials if not t.state.is_finished()]


def test_trials_are_numbered_through_the_sweep_and_dealt_in_turn(finished: Path) -> None:
    trials = trials_of(finished)
    assert [t.number for t in trials] == list(range(14))
    assert [t.method for t in trials[::2]] == ["adapter_h"] + ["lora", "lora+prefix_embed", "ft_top2"] * 2


def test_every_curve_metric_and_adapter_is_kept(finished: Path) -> None:
    ledger = ledger_of(finished)
    for t in ledger.trials("small"):
        if t.state != "complete":
            continue
        measured = {(m.metric, m.split, m.step): m.value for m in ledger.measurements("small", t.number)}
        assert [step for metric, split, step in measured if (metric, split) == ("loss", "train")] == [1, 2, 3]
        assert measured["accuracy", "validation", 3] == t.score
        kept = {artifact.kind: finished / artifact.path for artifact in ledger.artifacts("small", t.number)}
        assert kept["adapter"].is_file()
        outcomes = [float(line) for line in kept["outcomes"].read_text().splitlines()]
        assert (len(outcomes), sum(outcomes) / 30) == (30, t.score)
        assert (t.steps, t.stored_params, t.device) == (3, t.trainable_params, "cpu")
        assert t.wall_seconds
        assert t.peak_memory_bytes


def test_a_diverged_trial_is_recorded_with_its_reason_and_the_sweep_goes_on(finished: Path) -> None:
    failed = [t for t in trials_of(finished) if t.state == "failed"]
    assert [(t.method, t.number) for t in failed] == [("adapter_h", 0), ("adapter_h", 1)]
    assert all(t.reason and t.reason.startswith("diverged at step") for t in failed)
    assert all("Traceback" not in str(t.reason) for t in failed)
    assert all(t.score is None for t in failed)


def test_refusals_are_listed_with_their_reasons(finished: Path) -> None:
    refusals = ledger_of(finished).refusals("small")
    assert (refusals[0].method, refusals[0].label) == ("lora", "r_q = 99")
    assert "more than the matrix can hold" in refusals[0].reason
    assert len(set(refusals)) == len(refusals)


def test_a_finished_sweep_run_again_trains_nothing_and_prints_its_front(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, file = make_workspace(), sweep_file(trials=4)
    frontune("run", file, "--workspace", workspace)
    before = outcome(workspace)
    monkeypatch.setattr("methods.loading.load_base", None)
    again = frontune("run", file, "--workspace", workspace)
    assert again.exit_code == 0
    assert "Pareto front: " in again.stdout
    assert "[" not in again.stdout
    assert outcome(workspace) == before


def test_another_sweep_file_under_the_same_name_is_refused_with_what_differs(
    finished: Path, frontune: Frontune, sweep_file: SweepFile
) -> None:
    before = outcome(finished)
    result = frontune("run", sweep_file(recipe={"steps": 4}, trials=14), "--workspace", finished)
    assert result.exit_code == 2
    for difference in (
        "recipe.steps was 3, is 4",
        "recipe.batch_size was 4, is 8",
        "max_trainable_params was 7000",
    ):
        assert difference in result.stderr
    assert "trials was" not in result.stderr
    assert outcome(finished) == before


def test_a_sweep_whose_base_has_changed_is_not_gone_on_with(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, base: str, tmp_path: Path
) -> None:
    workspace, copy = make_workspace(), shutil.copytree(base, tmp_path / "base")
    file = sweep_file(base=str(copy), points=["lora(r_q=1)"], methods=None, trials=2)
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    (copy / "notes.txt").write_text("a file that a base's fingerprint covers")
    again = frontune("run", file, "--workspace", workspace)
    assert again.exit_code == 2
    assert "sweep 'small' was begun with another content of the base's files: it was" in again.stderr


def test_a_sweep_of_an_earlier_engine_is_not_gone_on_with(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, file = make_workspace(), sweep_file(points=["lora(r_q=1)"], methods=None, trials=2)
    with monkeypatch.context() as earlier:
        earlier.setattr("sweeps.provenance.ENGINE", 0)
        assert frontune("run", file, "--workspace", workspace).exit_code == 0
    again = frontune("run", file, "--workspace", workspace)
    assert again.exit_code == 2
    assert f"begun with another training engine: it was 0, is {ENGINE} now" in again.stderr


def test_what_is_trained_already_is_reused_across_sweeps_and_counts(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=2, lr=1e-2)", "adapter_l(r=2, lr=1e-2)"]
    first = sweep_file(methods=None, points=points[:1], seeds=[0], trials=None)
    second = sweep_file("other", methods=None, points=[points[0], points[1], points[0]], trials=5)
    frontune("run", first, "--workspace", workspace)
    result = frontune("run", second, "--workspace", workspace)
    trials = trials_of(workspace, "other")
    assert [t.reused_from for t in trials] == ["small/0", None, None, None]
    assert "reused from small/0" in result.stdout
    assert outcome(workspace, "other")[0][6:] == outcome(workspace)[0][6:]
    assert "points[2] is the same configuration as points[0]" in result.stdout
    assert len(trials) == 4


def test_a_method_that_raises_fails_its_trials_with_the_traceback_and_the_others_are_trained(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, start: object) -> None:
        raise ValueError("a bug of the method\nover two lines " + "x" * 9000)

    monkeypatch.setattr("methods.adapter_l.AdapterL.edits", broken)
    workspace = make_workspace()
    points = ["adapter_l(r=2)", "lora(r_q=1, lr=1e-2)"]
    result = frontune("run", sweep_file(methods=None, points=points, trials=None), "--workspace", workspace)
    assert result.exit_code == 0
    first, _, third, _ = trials_of(workspace)
    assert (first.state, third.state) == ("failed", "complete")
    assert str(first.reason).startswith("ValueError: a bug of the method")
    assert "Traceback (most recent call last)" in str(first.reason)
    assert "[1/4] trial 0 Adapter^L r = 2: failed: ValueError: a bug of the method\n" in result.stdout
    assert runs_of(workspace)[1][0].info.status == "FAILED"


def test_a_sweep_without_a_single_score_ends_and_says_so(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    file = sweep_file(methods=None, points=["adapter_h(r=2, lr=1e30)"], trials=2)
    result = frontune("run", file, "--workspace", make_workspace())
    assert result.exit_code == 1
    assert "no trial has a score" in result.stdout
