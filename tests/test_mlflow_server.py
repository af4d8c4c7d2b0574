"""Sweeps mirrored to a real MLflow server, which may be away for a while: nothing is lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from storage.stores import TRACKING
from sweeps.books import Books, Ending
from sweeps.executors.inline import InlineExecutor
from tests.conftest import Frontune, SweepFile
from tests.mlflow_server import MlflowServer
from tests.sweep_outcomes import ledger_of, runs_of, trials_of

POINTS = ["lora(r_q=1, lr=1e-2)", "lora(r_q=2, lr=1e-2)", "adapter_l(r=2, lr=1e-2)", "ft_top2(lr=1e-3)"]
FOUR = {"methods": None, "points": POINTS, "trials": None, "seeds": [0]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mlflow_store: bytes) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(mlflow_store)
    started = MlflowServer(folder)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        started.close()


@pytest.fixture
def workspace(server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(TRACKING, server.uri)
    return tmp_path / "runs"


def check_mirrored(server: MlflowServer, workspace: Path, sweep: str) -> None:
    """Whether MLflow holds the sweep as the ledger does, each trial once, files included."""
    parent, children = runs_of(workspace, sweep)
    trials = trials_of(workspace, sweep)
    assert [t.state for t in trials] == ["complete"] * 4
    assert [run.info.run_name for run in children] == [f"trial-{t.number:04d}-{t.method}" for t in trials]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert [run.info.run_id for run in children] == [t.mlflow_run_id for t in trials]
    assert all(t.mirrored for t in trials)
    client, ledger = MlflowClient(server.uri), ledger_of(workspace)
    for t, run in zip(trials, children, strict=True):
        assert run.data.metrics["score"] == t.score
        curve = client.get_metric_history(run.info.run_id, "train/loss")
        losses = [m for m in ledger.measurements(sweep, t.number) if (m.metric, m.split) == ("loss", "train")]
        assert [(point.step, point.value) for point in curve] == [(m.step, m.value) for m in losses]
        (artifact,) = [a for a in ledger.artifacts(sweep, t.number) if a.kind == "adapter"]
        (copy,) = server.artifacts.rglob(f"{run.info.run_id}/artifacts/{Path(artifact.path).name}")
        assert copy.read_bytes() == (workspace / artifact.path).read_bytes()
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"pareto.csv", "table.md"} <= files
    assert parent.data.metrics["trials"] == 4


def test_a_sweep_is_on_the_server_with_metrics_and_files_and_every_command_finds_it_there(
    server: MlflowServer,
    workspace: Path,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = frontune("run", sweep_file("whole", **FOUR), "--workspace", workspace)
    assert result.exit_code == 0, result.output
    check_mirrored(server, workspace, "whole")
    assert not list(workspace.glob("mlflow.db*"))
    assert not (workspace / "mlartifacts").exists()
    monkeypatch.delenv(TRACKING)
    doctor = frontune("doctor", "--workspace", workspace)
    assert doctor.exit_code == 0, doctor.stdout
    assert "ledger, studies, MLflow and files agree on 4 trials that ended" in doctor.stdout
    assert frontune("test", "whole", "--workspace", workspace).exit_code == 0
    ui = frontune("ui", "whole", "--workspace", workspace)
    assert f"is at {server.uri}, on" in ui.stdout
    assert f"whole is at {server.uri}/#/experiments/" in ui.stdout


def test_a_sweep_that_moves_to_a_server_is_there_as_a_whole_after_the_next_run(
    server: MlflowServer,
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = make_workspace()
    assert frontune("run", sweep_file("moved", **FOUR), "--workspace", workspace).exit_code == 0
    monkeypatch.setenv(TRACKING, server.uri)
    assert frontune("resume", "moved", "--workspace", workspace).exit_code == 0
    check_mirrored(server, workspace, "moved")


@pytest.fixture
def stopped_at(
    server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int, int | None], None]]:
    """Stops the server as the nth trial begins, and starts it again as a later one does, or at the end."""
    submitted: list[Any] = []
    real = InlineExecutor.submit

    def at(stop: int, start: int | None) -> None:
        def submit(executor: InlineExecutor, trial: Any) -> None:
            submitted.append(trial)
            if len(submitted) == stop:
                server.stop()
            if len(submitted) == start:
                server.start()
            real(executor, trial)

        monkeypatch.setattr(InlineExecutor, "submit", submit)
        monkeypatch.setattr("sweeps.mirror.RETRY_AFTER_S", 0.0)
        monkeypatch.setattr("sweeps.mirror.RETRY_AFTER_TIMES", 0)

    yield at
    if not server.is_running:
        server.start()


def test_a_server_that_is_away_in_mid_sweep_has_everything_once_it_is_back(
    server: MlflowServer,
    workspace: Path,
    frontune: Frontune,
    sweep_file: SweepFile,
    stopped_at: Callable[[int, int | None], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped_at(2, 4)
    real, ended = Books.close, list[int]()

    def close(books: Books, ending: Ending) -> list[Path]:
        ended.append(sum(run.info.status == "FINISHED" for run in runs_of(workspace, "restarted")[1]))
        return real(books, ending)

    monkeypatch.setattr(Books, "close", close)
    result = frontune("run", sweep_file("restarted", **FOUR), "--workspace", workspace)
    assert result.exit_code == 0, result.output
    assert "results are kept in the ledger and sent when it is back" in result.stdout
    assert "MLflow is back" in result.stdout
    assert ended == [4], "all of them before the sweep's end"
    check_mirrored(server, workspace, "restarted")


def test_a_server_that_stays_away_has_everything_after_the_next_run(
    server: MlflowServer,
    workspace: Path,
    frontune: Frontune,
    sweep_file: SweepFile,
    stopped_at: Callable[[int, int | None], None],
) -> None:
    stopped_at(2, None)
    result = frontune("run", sweep_file("later", **FOUR), "--workspace", workspace)
    assert result.exit_code == 0, result.output
    assert "MLflow has not been told of 3 trials; the next run of it does so" in result.stdout
    away = frontune("doctor", "--workspace", workspace)
    assert away.exit_code == 1
    assert "WRONG MLflow: MLflow could not read its experiments" in away.stdout
    tested = frontune("test", "later", "--workspace", workspace)
    assert tested.exit_code == 0
    assert "`frontune test` tells it when it is back" in tested.stderr
    server.start()
    assert frontune("resume", "later", "--workspace", workspace).exit_code == 0
    check_mirrored(server, workspace, "later")
