"""Workers in processes of their own: killed, hung, closed, orphaned, they lose nothing and leave nothing."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

import sweeps.running
from methods.errors import FrontuneError
from storage.untrained import untrained_scores
from sweeps.executors.base import Executor
from sweeps.executors.crew import MOST_IN_VAIN
from sweeps.executors.processes import process_crew
from sweeps.trial import Failed, Finished, Progress, TrialEvent
from tests.conftest import SHORT, Frontune, SweepFile
from tests.events import drained, ended, first
from tests.runners import DiesAtARung, LosesItsDevice, Scripted, Tells, scripted_trial
from tests.sweep_outcomes import ledger_of, outcome
from tests.test_interruptions import MakeWorkspace

ROOT = Path(__file__).parents[1]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def executor(logs: Path) -> Iterator[Executor]:
    """One worker with one slot that follows a script."""
    made = process_crew(Scripted(), ["cpu"], logs, timeout_s=600)
    yield made
    made.close()


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_worker_is_replaced_and_its_trial_can_be_tried_again(
    executor: Executor, tmp_path: Path
) -> None:
    trial = scripted_trial(0, "die", tmp_path)
    executor.submit(trial)
    failed = ended(drained(executor, 0))[0]
    assert isinstance(failed, Failed)
    assert failed.kind == "lost"
    assert failed.reason.startswith(
        "worker 0 on cpu was killed, as by a system that is out of memory; its log"
    )
    assert executor.capacity == 1
    executor.submit(trial)
    assert isinstance(ended(drained(executor, 0))[0], Finished)


def test_a_worker_that_dies_takes_no_other_with_it(logs: Path, tmp_path: Path) -> None:
    executor = process_crew(Scripted(), ["cpu", "cpu"], logs, timeout_s=600)
    try:
        assert executor.capacity == 2
        executor.submit(scripted_trial(0, "walk", tmp_path, steps=200))
        executor.submit(scripted_trial(1, "die", tmp_path))
        last = ended(drained(executor, 0, 1))
    finally:
        executor.close()
    assert isinstance(last[0], Finished)
    assert isinstance(last[1], Failed)


def test_a_worker_that_hangs_is_replaced_when_it_has_given_no_sign_of_life(
    logs: Path, tmp_path: Path
) -> None:
    executor = process_crew(Scripted(), ["cpu"], logs, timeout_s=600)
    try:
        trial = scripted_trial(0, "hang", tmp_path)
        executor.submit(trial)
        (hung,) = active_children()
        assert isinstance(first(executor), Progress)
        # A short patience while it hangs alone: on a busy machine a worker takes its time to start.
        executor._timeout_s = 3
        failed = ended(drained(executor, 0))[0]
        executor._timeout_s = 600
        assert isinstance(failed, Failed)
        assert failed.kind == "lost"
        assert failed.reason == "worker 0 on cpu gave no sign of life for 3 s"
        assert not is_running(hung.pid or 0)
        executor.submit(trial)
        assert isinstance(ended(drained(executor, 0))[0], Finished)
    finally:
        executor.close()


def test_a_worker_that_falls_leaves_its_last_words(executor: Executor, tmp_path: Path) -> None:
    executor.submit(scripted_trial(0, "fall", tmp_path))
    failed = ended(drained(executor, 0))[0]
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(
        "ValueError: a defect of the worker (worker 0 on cpu ended with exit code 1"
    )
    assert "in misbehave" in failed.traceback


def test_what_holds_for_every_worker_ends_the_sweep(executor: Executor, tmp_path: Path) -> None:
    executor.submit(scripted_trial(0, "refuse", tmp_path))
    with pytest.raises(FrontuneError, match="base 'nowhere' cannot be loaded"):
        drained(executor, 0)


def test_a_place_where_every_worker_dies_is_given_up(executor: Executor, tmp_path: Path) -> None:
    for number in range(MOST_IN_VAIN - 1):
        executor.submit(scripted_trial(number, "die", tmp_path))
        drained(executor, number)
    executor.submit(scripted_trial(99, "die", tmp_path))
    with pytest.raises(
        FrontuneError, match=r"no worker is left: 5 in a row .* because worker 0 on cpu was killed"
    ):
        drained(executor, 99)


def test_a_worker_ignores_ctrl_c(executor: Executor, tmp_path: Path) -> None:
    def interrupt(event: TrialEvent) -> None:
        if isinstance(event, Progress) and event.step == 1:
            (worker,) = active_children()
            os.kill(worker.pid or 0, signal.SIGINT)

    executor.submit(scripted_trial(0, "walk", tmp_path))
    assert isinstance(ended(drained(executor, 0, at=interrupt))[0], Finished)


def test_a_worker_sees_its_device_alone_before_torch_is_loaded_and_prints_to_its_log(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    executor = process_crew(Scripted(), ["cuda:0", "cuda:1"], logs, timeout_s=600)
    try:
        for number in (0, 1):
            executor.submit(scripted_trial(number, "walk", tmp_path))
        drained(executor, 0, 1)
    finally:
        executor.close()
    for place, visible in enumerate("47"):
        log = (logs / f"worker-{place}.log").read_text()
        assert f"device cuda:0, visible '{visible}', torch False\n" in log


def test_a_worker_learns_no_credentials_and_keeps_what_it_needs(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = ("FRONTUNE_DATABASE_URL", "FRONTUNE_TRACKING_URI", "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD")
    secret = (*stores, "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD")
    kept = ("HF_TOKEN", "HF_HOME", "OMP_NUM_THREADS", "FRONTUNE_PLUGINS")
    for name in (*secret, *kept):
        monkeypatch.setenv(name, "1")
    executor = process_crew(Tells(Scripted()), ["cpu"], logs, timeout_s=600)
    try:
        executor.submit(scripted_trial(0, "walk", tmp_path))
        told = ended(drained(executor, 0))[0]
    finally:
        executor.close()
    assert isinstance(told, Failed)
    environment = ast.literal_eval(told.traceback)
    assert not set(secret) & set(environment)
    assert {*kept, "PATH"} <= set(environment)


def test_closing_leaves_no_process_whatever_the_workers_do(logs: Path, tmp_path: Path) -> None:
    executor = process_crew(Scripted(), ["cpu", "cpu"], logs, timeout_s=600)
    executor.submit(scripted_trial(0, "walk", tmp_path, steps=100_000))
    assert isinstance(first(executor), Progress)
    workers = [child.pid or 0 for child in active_children()]
    assert len(workers) == 2
    executor.close()
    assert not any(map(is_running, workers))


DRIVER = """
import sys
from pathlib import Path
from multiprocessing import active_children
from sweeps.executors.processes import process_crew
from tests.runners import Scripted, scripted_trial
from tests.events import first

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    executor = process_crew(Scripted(), ["cpu", "cpu"], folder, timeout_s=600)
    executor.submit(scripted_trial(0, "hang", folder))
    first(executor)
    print(*(child.pid for child in active_children()), flush=True)
    sys.stdin.read()
"""


def test_no_worker_outlives_a_killed_driver(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(tmp_path)]
    driver = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert driver.stdout is not None
    workers = [int(word) for word in driver.stdout.readline().split()]
    assert len(workers) == 2
    assert all(map(is_running, workers))
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    latest = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < latest:
        time.sleep(0.05)
    assert not any(map(is_running, workers))


def test_a_sweep_in_two_processes_finds_what_it_finds_in_one(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    sweep_here: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    workspace = make_workspace()
    file = sweep_file(executor="processes", devices=["cpu", "cpu"], **SHORT)
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    assert outcome(workspace) == sweep_here
    with closing(ledger_of(workspace)) as ledger:
        assert untrained_scores(ledger, "small").keys() == {"accuracy", "loss"}
    assert {log.name for log in (workspace / "logs" / "small").iterdir()} == {"worker-0.log", "worker-1.log"}


@pytest.mark.parametrize(
    ("dies", "said"),
    [
        (DiesAtARung, ["was killed, as by a system that is out of memory", "; again (1 of 1)"]),
        (
            LosesItsDevice,
            ["DeviceLost: AcceleratorError: CUDA error: device-side assert triggered (worker 0"],
        ),
    ],
)
def test_a_sweep_whose_worker_dies_in_mid_trial_loses_nothing(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    sweep_here: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    dies: Callable[..., Any],
    said: list[str],
) -> None:
    real = sweeps.running.trainer
    monkeypatch.setattr("sweeps.running.trainer", lambda plan: dies(real(plan), tmp_path / "died"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    workspace, file = make_workspace(), sweep_file(executor="processes", **SHORT)
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    for text in said:
        assert text in result.stdout
    assert outcome(workspace) == sweep_here


def test_a_worker_that_cannot_load_its_base_ends_the_command_with_its_sentence(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:

    real = sweeps.running.trainer
    monkeypatch.setattr("sweeps.running.trainer", lambda plan: replace(real(plan), base="/nowhere"))
    result = frontune("run", sweep_file(executor="processes"), "--workspace", make_workspace())
    assert result.exit_code == 2
    assert "unknown base '/nowhere'" in result.stderr
    assert not active_children()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"devices": [0, 1]}, "'devices' are 2, but executor inline trains on one"),
        ({"devices": "gpu"}, "devices: wanted auto, cpu, or a list with an entry for each worker"),
        ({"devices": []}, "devices: wanted auto, cpu, or a list"),
        ({"devices": [99], "executor": "processes"}, "devices: there is no GPU 99; this machine has"),
        ({"executor": "threads"}, "executor: wanted 'inline'"),
    ],
)
def test_devices_that_cannot_be_are_refused_before_anything_is_written(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    result = frontune("run", sweep_file(**keys), "--workspace", tmp_path / "none")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "none").exists()
