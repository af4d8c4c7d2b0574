"""A driver that is killed with SIGKILL, at any moment of a sweep's life, and the sweep that goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import optuna
import pytest

from storage.workspace import Workspace
from tests.conftest import Frontune
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of

MakeWorkspace = Callable[[], Path]
KILLS = 24
"""Of the slow proof, spread over the sweep's life: one random moment in each of as many equal parts."""
LOADED_BEFORE = [
    "sweeps.commands",
    "sweeps.running",
    "sweeps.resume",
    "sweeps.training.train",
    "storage.tracking",
    "storage.mlflow_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "methods.loading",
]


def life(arguments: list[str], started: Any) -> None:
    """The command in a process of its own."""
    os.environ["FRONTUNE_DEVICE"] = "cpu"
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    from sweeps.cli import main

    started.set()
    main(arguments)


@pytest.fixture(scope="module")
def processes() -> Any:
    """Forks processes that have imported everything, so that a kill can come at the sweep's first moment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED_BEFORE)
    return context


def run_for(processes: Any, limit: float | None, *arguments: object) -> tuple[int | None, float]:
    """Run the command for so many seconds of processor time, which do not depend on what else the machine
    does, then kill it; return its exit code, None where it had to be killed, and the time it took."""
    started = processes.Event()
    process = processes.Process(target=life, args=([str(a) for a in arguments], started))
    process.start()
    assert started.wait(120)
    used, latest = 0.0, time.monotonic() + 600
    while process.exitcode is None:
        used = processor_seconds(process.pid) or used
        if limit is not None and used >= limit:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            return None, used
        assert time.monotonic() < latest, "the command hangs"
        process.join(0.002)
    return int(process.exitcode), used


def processor_seconds(process: int) -> float | None:
    """What a process and its workers have used so far, None once it is gone (proc(5): fields 14 and 15 of
    stat)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        workers = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return None
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(worker)) or 0.0 for worker in workers)


@pytest.fixture(scope="module")
def sweep(small_sweep: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of six points, sampled by tpe, long enough for rungs."""
    file = tmp_path_factory.mktemp("killed") / "small.yaml"
    methods = {name: small_sweep["methods"][name] for name in ("lora", "ft_top2")}
    recipe = {"steps": 9, "batch_size": 4}
    changes = {"sampler": "tpe", "trials": 6, "seeds": [0], "methods": methods, "recipe": recipe}
    file.write_text(json.dumps(small_sweep | changes))
    return file


def check_that_all_agree(workspace: Path) -> None:
    """The ledger, MLflow and the studies tell the same story, and nothing is left half-done."""
    trials = trials_of(workspace)
    parent, children = runs_of(workspace)
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert [run.data.metrics["score"] for run in children] == [t.score for t in trials]
    assert all(t.mirrored for t in trials)
    url = Workspace.open(workspace, create=False).database_url
    told = []
    for summary in optuna.get_all_study_summaries(url):
        for trial in optuna.load_study(study_name=summary.study_name, storage=url).trials:
            assert trial.state.is_finished()
            if trial.values:
                told.append((summary.study_name, trial.number, trial.values[0]))
    assert sorted(told) == sorted(mean_scores(trials))
    assert not list((workspace / "checkpoints").rglob("*.safetensors"))
    assert not list(workspace.rglob("*.tmp"))
    assert [s.name for s in ledger_of(workspace).sweeps()] == ["small"]


def mean_scores(trials: list[Any]) -> list[tuple[str, int, float]]:
    """What a study is told of each point of which no seed was pruned."""
    points: dict[tuple[str, int], list[Any]] = {}
    for trial in trials:
        points.setdefault((trial.study, trial.point), []).append(trial)
    return [
        (*point, sum(t.score for t in mine) / len(mine))
        for point, mine in points.items()
        if all(t.state == "complete" for t in mine)
    ]


@pytest.fixture(scope="module")
def undisturbed(processes: Any, make_workspace: MakeWorkspace, sweep: Path) -> tuple[list[Any], float]:
    """What the sweep finds when nobody kills it, and how much processor time it takes."""
    workspace = make_workspace()
    code, seconds = run_for(processes, None, "run", sweep, "--workspace", workspace)
    assert code == 0
    check_that_all_agree(workspace)
    return outcome(workspace), seconds


def kill_and_go_on(
    processes: Any, make_workspace: MakeWorkspace, sweep: Path, after: float, wanted: list[Any]
) -> bool:
    """Kill a fresh run after so many seconds, go on with it, and compare; return whether it was killed."""
    workspace = make_workspace()
    killed = run_for(processes, after, "run", sweep, "--workspace", workspace)[0] is None
    done = {t.number: t.created_at for t in known_trials(workspace) if t.state in ("complete", "pruned")}
    command = ("resume", "small") if known_trials(workspace) else ("run", sweep)
    assert run_for(processes, None, *command, "--workspace", workspace)[0] == 0
    assert outcome(workspace) == wanted
    assert {t.number: t.created_at for t in trials_of(workspace) if t.number in done} == done
    check_that_all_agree(workspace)
    return killed


def known_trials(workspace: Path) -> list[Any]:
    """None before the ledger's tables are there."""
    try:
        return trials_of(workspace)
    except Exception:
        return []


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_killed_sweep_goes_on_to_the_same_points_and_scores(
    processes: Any,
    make_workspace: MakeWorkspace,
    sweep: Path,
    undisturbed: tuple[list[Any], float],
    part: float,
) -> None:
    wanted, seconds = undisturbed
    kill_and_go_on(processes, make_workspace, sweep, part * seconds, wanted)


@pytest.mark.slow
def test_a_sweep_killed_at_random_moments_over_its_whole_life_finds_the_same(
    processes: Any, make_workspace: MakeWorkspace, sweep: Path, undisturbed: tuple[list[Any], float]
) -> None:
    wanted, seconds = undisturbed
    moments = random.Random(0)
    killed = [
        kill_and_go_on(processes, make_workspace, sweep, (part + moments.random()) / KILLS * seconds, wanted)
        for part in range(KILLS)
    ]
    assert sum(killed) >= 20


@pytest.mark.slow
def test_a_sweep_killed_again_and_again_ends_with_the_same(
    processes: Any, make_workspace: MakeWorkspace, sweep: Path, undisturbed: tuple[list[Any], float]
) -> None:
    wanted, seconds = undisturbed
    moments, workspace = random.Random(1), make_workspace()
    ended, kills = None, 0
    while ended is None:
        command = ("resume", "small") if known_trials(workspace) else ("run", sweep)
        # Ever longer, for a process that is killed before its first rung brings the sweep no further.
        after = seconds * (0.3 + 0.4 * moments.random() + 0.05 * kills)
        ended, _ = run_for(processes, after, *command, "--workspace", workspace)
        kills += ended is None
    assert kills
    assert ended == 0
    assert outcome(workspace) == wanted
    check_that_all_agree(workspace)


@pytest.mark.slow
def test_seeds_pruning_and_a_worker_process_survive_kills_alike(
    processes: Any, make_workspace: MakeWorkspace, small_sweep: dict[str, Any], tmp_path: Path
) -> None:
    """One worker, for with several the order of what ends, and so who is pruned, is left to chance."""
    file, workspace, moments = tmp_path / "small.yaml", make_workspace(), random.Random(2)
    changes = {"trials": 24, "seeds": [0, 1], "pruning": {"reduction": 3}, "replicate_front": 3}
    where = {"executor": "processes", "devices": ["cpu"], "recipe": {"steps": 9, "batch_size": 4}}
    file.write_text(json.dumps(small_sweep | changes | where))
    code, seconds = run_for(processes, None, "run", file, "--workspace", workspace)
    assert code == 0
    check_that_all_agree(workspace)
    wanted = outcome(workspace)
    assert {row[2] for row in wanted} == {"complete", "pruned"}
    assert {row[5] for row in wanted} == {0, 1, 2}
    killed = [
        kill_and_go_on(processes, make_workspace, file, (part + moments.random()) / 8 * seconds, wanted)
        for part in range(8)
    ]
    assert sum(killed) >= 6


def test_who_is_killed_while_mlflow_makes_its_tables_leaves_nothing_half_made(
    processes: Any, tmp_path: Path
) -> None:
    store = tmp_path / "mlflow.db"
    process = processes.Process(target=make_store_for_ever, args=(f"sqlite:///{store}",))
    process.start()
    while not list(tmp_path.glob(".mlflow.db.*.tmp")) and process.is_alive():
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not store.exists()
    make_store(f"sqlite:///{store}")
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def make_store_for_ever(uri: str) -> None:
    """However busy the machine is, whoever watches comes before the end."""
    from storage import mlflow_store

    with patch.object(mlflow_store, "_put", lambda *files: threading.Event().wait()):
        mlflow_store.prepare_store(uri)


def make_store(uri: str) -> None:
    from storage.mlflow_store import prepare_store

    prepare_store(uri)


def test_a_sweep_is_resumed_by_name_without_its_file(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep: Path, tmp_path: Path
) -> None:
    workspace, file = make_workspace(), tmp_path / "small.yaml"
    file.write_text(sweep.read_text())
    assert frontune("run", file, "--workspace", workspace, "--trials", 2).exit_code == 0
    file.unlink()
    assert frontune("resume", "small", "--workspace", workspace, "--trials", 3).exit_code == 0
    assert len(trials_of(workspace)) == 3
    unknown = frontune("resume", "smal", "--workspace", workspace)
    assert unknown.exit_code == 2
    assert "did you mean 'small'" in unknown.stderr
