"""The mirror in MLflow: one experiment, one parent, one level of children, and nothing twice."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from methods.errors import FrontuneError
from storage.records import Measurement, TrialRecord, TrialState
from storage.tracking import Tracker, TrackingError
from storage.workspace import Workspace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRIAL = TrialRecord(
    sweep="any",
    study="any/lora+prefix_embed",
    number=7,
    state="running",
    method="lora+prefix_embed",
    title="LoRA+PE",
    label="r_q = 2, l_p = 4",
    hyperparameters={"lora.r_q": 2, "prefix_embed.l_p": 4, "odd+name@(x)": True},
    config_hash="abc",
    seed=3,
    base="gpt2",
    task="mnli",
    metric="accuracy",
    trainable_params=1000,
    stored_params=1200,
    base_params=100_000,
    point=0,
    created_at=NOON,
    lr=1e-3,
    batch_size=8,
)
CURVE = [Measurement("loss", "train", step, 1.0 / (step + 1)) for step in range(3)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("mlflow") / "runs #1 é", create=True)


@pytest.fixture(scope="module")
def first_use(workspace: Workspace) -> subprocess.CompletedProcess[str]:
    """Make the store that all tests here share, in a process of its own where mlflow is not loaded yet."""
    script = (
        "import sys; from pathlib import Path; from storage.tracking import Tracker\n"
        "assert not {'mlflow', 'alembic', 'torch'} & set(sys.modules)\n"
        "Tracker(sys.argv[1], Path(sys.argv[2]))\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "assert is_telemetry_disabled()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script, workspace.tracking_uri, str(workspace.artifact_root)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "DO_NOT"))},
        check=False,
    )


@pytest.fixture(scope="module")
def tracker(workspace: Workspace, first_use: subprocess.CompletedProcess[str]) -> Iterator[Tracker]:
    # Each test has a sweep of its own instead of a store of its own, whose first use costs seconds.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield Tracker(workspace.tracking_uri, workspace.artifact_root)


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


@pytest.fixture
def client(tracker: Tracker, workspace: Workspace) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(workspace.tracking_uri)


def test_the_view_that_the_note_leads_to_shows_what_trials_have(
    tracker: Tracker, client: Any, sweep: str
) -> None:
    parent = tracker.start_sweep(sweep, "note", {})
    run_id = tracker.start_trial(parent, replace(TRIAL, sweep=sweep))
    ended = replace(TRIAL, sweep=sweep, state="complete", score=0.5, lr=1e-3)
    tracker.finish_trial(run_id, ended, [], [])
    experiment, run = client.get_experiment_by_name(sweep), client.get_run(run_id)
    note = experiment.tags["mlflow.note.content"]
    keys = re.findall(rf"#/experiments/{experiment.experiment_id}/runs\?viewStateShareKey=(\w+)", note)
    assert len(keys) == 2
    state = json.loads(experiment.tags[f"mlflow.sharedViewState.{keys[0]}"])
    known = {f"metrics.`{name}`" for name in run.data.metrics}
    known |= {f"params.`{name}`" for name in run.data.params} | {f"tags.`{name}`" for name in run.data.tags}
    # It is known of a sweep that has ended which trials are on its front.
    assert {state["orderByKey"], *state["selectedColumns"]} <= known | {"tags.`pareto`"}
    for axis in ("xaxis", "yaxis"):
        assert state["compareRunCharts"][0][axis]["key"] in run.data.metrics


def test_a_sweep_is_an_experiment_with_a_note_and_a_parent_run(
    tracker: Tracker, client: Any, sweep: str
) -> None:
    parent = tracker.start_sweep(sweep, "# Hello", {"base": "gpt2", "odd+key": "x"})
    experiment = client.get_experiment_by_name(sweep)
    run = client.get_run(parent)
    assert experiment.tags["mlflow.note.content"].startswith("# Hello\n\n[Trials by score](#/experiments/")
    assert (run.info.run_name, run.info.status) == (sweep, "RUNNING")
    assert run.info.experiment_id == experiment.experiment_id
    assert run.data.tags["base"] == "gpt2"
    assert run.data.tags["odd_key"] == "x"


def test_a_sweep_is_reopened_by_its_run_or_by_its_name(tracker: Tracker, client: Any, sweep: str) -> None:
    parent = tracker.start_sweep(sweep, "first", {})
    for run_id in (parent, None, "f" * 32):
        tracker.finish_sweep(parent, "interrupted", {}, [], {})
        assert client.get_run(parent).info.status == "KILLED"
        assert tracker.start_sweep(sweep, "second", {}, run_id) == parent
        assert client.get_run(parent).info.status == "RUNNING"
    experiment = client.get_experiment_by_name(sweep)
    assert experiment.tags["mlflow.note.content"].startswith("first\n")
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_a_trial_is_a_child_with_params_and_tags(tracker: Tracker, client: Any, sweep: str) -> None:
    parent = tracker.start_sweep(sweep, "", {})
    run = client.get_run(tracker.start_trial(parent, TRIAL))
    assert run.info.run_name == "trial-0007-lora+prefix_embed"
    assert run.info.status == "RUNNING"
    assert run.info.start_time == NOON.timestamp() * 1000
    assert run.data.params == {
        "lora.r_q": "2",
        "prefix_embed.l_p": "4",
        "odd_name__x_": "True",
        "lr": "0.001",
        "batch_size": "8",
        "seed": "3",
    }
    wanted = {"method": TRIAL.method, "config_hash": "abc", "seed": "3", "state": "running"}
    assert wanted.items() <= run.data.tags.items()
    assert run.data.tags["label"] == TRIAL.label
    assert run.data.tags["mlflow.parentRunId"] == parent


def test_params_are_written_once_and_a_second_start_leaves_them(
    tracker: Tracker, client: Any, sweep: str
) -> None:
    parent = tracker.start_sweep(sweep, "", {})
    first = tracker.start_trial(parent, TRIAL)
    changed = replace(TRIAL, lr=0.5, steps=100, seed=9)
    for mlflow_run_id in (None, first, "f" * 32):
        assert tracker.start_trial(parent, replace(changed, mlflow_run_id=mlflow_run_id)) == first
    params = client.get_run(first).data.params
    assert (params["lr"], params["seed"], params["steps"]) == ("0.001", "3", "100")


def test_a_trial_never_takes_the_run_of_another(tracker: Tracker, client: Any, sweep: str) -> None:
    parent = tracker.start_sweep(sweep, "", {})
    first = tracker.start_trial(parent, TRIAL)
    copied = replace(TRIAL, number=8, reused_from="any/7", mlflow_run_id=first)
    assert tracker.start_trial(parent, copied) != first
    assert client.get_run(first).data.tags["number"] == "7"


def test_of_an_earlier_attempt_neither_reason_nor_time_stays(
    tracker: Tracker, client: Any, sweep: str
) -> None:
    run_id = tracker.start_trial(tracker.start_sweep(sweep, "", {}), TRIAL)
    begun = replace(TRIAL, steps=9)
    slow = replace(begun, state="interrupted", reason="killed", train_seconds=60.0)
    tracker.finish_trial(run_id, slow, [], [])
    fast = replace(begun, state="complete", score=0.5, train_seconds=3.0, wall_seconds=4.0)
    tracker.finish_trial(run_id, fast, [], [])
    run = client.get_run(run_id)
    assert (run.data.tags["reason"], run.data.metrics["train_seconds"]) == ("", 3.0)


@pytest.mark.parametrize(
    ("state", "status"),
    [("complete", "FINISHED"), ("pruned", "FINISHED"), ("failed", "FAILED"), ("interrupted", "KILLED")],
)
def test_a_child_ends_as_its_trial_did(
    tracker: Tracker, client: Any, sweep: str, state: TrialState, status: str
) -> None:
    parent = tracker.start_sweep(sweep, "", {})
    run_id = tracker.start_trial(parent, TRIAL)
    tracker.finish_trial(run_id, replace(TRIAL, state=state, reason="why", train_seconds=1.5), CURVE, [])
    run = client.get_run(run_id)
    assert run.info.status == status
    assert run.info.end_time - run.info.start_time == 1500
    assert (run.data.tags["state"], run.data.tags["reason"]) == (state, "why")


def test_a_running_trial_cannot_be_finished(tracker: Tracker, client: Any, sweep: str) -> None:
    run_id = tracker.start_trial(tracker.start_sweep(sweep, "", {}), TRIAL)
    with pytest.raises(TrackingError, match="'running' is not how a run ends; wanted one of complete"):
        tracker.finish_trial(run_id, TRIAL, CURVE, [])
    assert client.get_run(run_id).data.metrics == {}


def test_a_finished_trial_has_metrics_curves_and_files_once(
    tracker: Tracker, client: Any, sweep: str, tmp_path: Path, workspace: Workspace
) -> None:
    adapter = tmp_path / "adapter.safetensors"
    adapter.write_bytes(b"weights")
    parent = tracker.start_sweep(sweep, "", {})
    run_id = tracker.start_trial(parent, TRIAL)
    ended = replace(TRIAL, state="complete", score=0.75, steps=2, train_seconds=1.5, wall_seconds=2.0)
    diverged = Measurement("loss", "validation", 2, math.nan)
    for _ in range(2):
        tracker.finish_trial(run_id, ended, [*CURVE, diverged], [adapter])
    run = client.get_run(run_id)
    wanted = {"score": 0.75, "accuracy": 0.75, "trainable_params": 1000, "stored_params": 1200}
    assert wanted.items() <= run.data.metrics.items()
    assert run.data.metrics["train_seconds"] == 1.5
    assert run.info.end_time - run.info.start_time == 2000
    assert "eval_seconds" not in run.data.metrics
    history = client.get_metric_history(run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(each.step, each.value) for each in CURVE]
    assert len(client.get_metric_history(run_id, "score")) == 1
    assert math.isnan(run.data.metrics["validation/loss"])
    assert run.data.params["steps"] == "2"
    assert [each.path for each in client.list_artifacts(run_id)] == ["adapter.safetensors"]
    copies = list(workspace.artifact_root.rglob("adapter.safetensors"))
    assert [copy.read_bytes() for copy in copies if run_id in str(copy)] == [b"weights"]


def test_more_than_one_call_takes_is_logged_in_batches(tracker: Tracker, client: Any, sweep: str) -> None:
    many = {f"h{index:03d}": index for index in range(250)}
    long = [Measurement("loss", "train", step, 0.0) for step in range(1700)]
    parent = tracker.start_sweep(sweep, "", {})
    run_id = tracker.start_trial(parent, replace(TRIAL, hyperparameters=many))
    tracker.finish_trial(run_id, replace(TRIAL, state="complete", hyperparameters=many), long, [])
    assert len(client.get_run(run_id).data.params) == 253
    assert len(client.get_metric_history(run_id, "train/loss")) == 1700


def test_a_finished_sweep_marks_the_front_and_holds_its_files(
    tracker: Tracker, client: Any, sweep: str, tmp_path: Path
) -> None:
    table = tmp_path / "pareto.csv"
    table.write_text("method,score\n")
    parent = tracker.start_sweep(sweep, "", {})
    runs = [tracker.start_trial(parent, replace(TRIAL, number=number)) for number in range(4)]
    client.delete_run(runs[3])
    tracker.finish_sweep(parent, "complete", {runs[0]: True, runs[1]: True, runs[3]: True}, [], {})
    front = {runs[0]: True, runs[1]: False, runs[3]: True}
    tracker.finish_sweep(parent, "complete", front, [table], {"front_size": 1.0})
    tags = [client.get_run(run_id).data.tags.get("pareto") for run_id in runs]
    assert tags == ["true", "false", None, None]
    run = client.get_run(parent)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"front_size": 1.0}
    assert [each.path for each in client.list_artifacts(parent)] == ["pareto.csv"]


def test_children_lie_one_level_below_their_sweeps_run(tracker: Tracker, client: Any, sweep: str) -> None:
    parent = tracker.start_sweep(sweep, "", {})
    runs = {tracker.start_trial(parent, replace(TRIAL, number=number)) for number in range(3)}
    experiment = client.get_experiment_by_name(sweep).experiment_id
    parents = {
        run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in client.search_runs([experiment])
    }
    assert parents == {parent: None, **dict.fromkeys(runs, parent)}


def test_a_deleted_experiment_is_named(tracker: Tracker, client: Any, sweep: str) -> None:
    tracker.start_sweep(sweep, "", {})
    identity = client.get_experiment_by_name(sweep).experiment_id
    client.delete_experiment(identity)
    with pytest.raises(TrackingError, match=f"was deleted; .* --experiment-id {identity}"):
        tracker.start_sweep(sweep, "", {})


def test_what_mlflow_refuses_is_one_sentence(tracker: Tracker, tmp_path: Path, sweep: str) -> None:
    with pytest.raises(TrackingError, match=r"could not start the trial any/7: .*not found") as caught:
        tracker.start_trial("f" * 32, TRIAL)
    assert "\n" not in str(caught.value)
    parent = tracker.start_sweep(sweep, "", {})
    with pytest.raises(TrackingError, match=r"no file .*gone\.csv"):
        tracker.finish_sweep(parent, "complete", {}, [tmp_path / "gone.csv"], {})


def test_a_store_that_cannot_be_one_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at\n" * 100)
    for place in ("text.db", "nowhere/mlflow.db"):
        with pytest.raises(FrontuneError, match=r"cannot use .*\.db as MLflow's store"):
            Tracker(f"sqlite:///{tmp_path / place}", tmp_path)


def test_first_use_imports_mlflow_late_prints_nothing_and_phones_nobody(
    first_use: subprocess.CompletedProcess[str],
) -> None:
    assert (first_use.returncode, first_use.stdout, first_use.stderr) == (0, "", "")
