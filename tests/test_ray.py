"""Workers on a Ray cluster: killed, on nodes that come and go, they lose nothing and know no more than they
must."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sweeps.running
from methods.errors import FrontuneError
from sweeps.executors import ray_crew as ray_crew_module
from sweeps.executors.base import Executor, MakeRunner
from sweeps.executors.messages import Cancel, Close, Command, Happened, Submit
from sweeps.executors.ray_cluster import Node
from sweeps.executors.ray_crew import RayHand, ray_crew
from sweeps.executors.ray_worker import FilesLine
from sweeps.trial import Failed, Finished, Progress, Rung, TrialEvent, TrialSpec
from tests.conftest import SHORT, Frontune, SweepFile
from tests.events import drained, ended
from tests.runners import DiesAtARung, PassingRunner, Scripted, Tells, result, scripted_trial
from tests.sweep_outcomes import outcome, trials_of
from tests.test_interruptions import MakeWorkspace

ONE_CPU = {"executor": "ray", "resources": {"cpu": 1}}


@pytest.fixture
def executor(ray_cluster: Any) -> Iterator[Executor]:
    """One worker with one slot that follows a script, where the `seat` is."""
    made = ray_crew(Scripted(), ray_cluster.address, {"seat": 1}, timeout_s=600)
    yield made
    made.close()


def test_a_sweep_whose_actor_is_killed_in_mid_trial_loses_nothing(
    ray_cluster: Any,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    sweep_here: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    workspace, real, travelled = make_workspace(), sweeps.running.trainer, list[bool]()
    arrived = workspace / "checkpoints" / "small"

    def content(file: str) -> bytes | None:
        travelled.append(Path(file).exists())
        return Path(file).read_bytes() if travelled[-1] else None

    monkeypatch.setattr(ray_crew_module, "_content", content)
    monkeypatch.setattr(
        "sweeps.running.trainer", lambda plan: DiesAtARung(real(plan), tmp_path / "died", arrived)
    )
    run = frontune("run", sweep_file(**ONE_CPU, **SHORT), "--workspace", workspace)
    assert run.exit_code == 0, run.output
    assert "died: The actor is dead because its worker process has died." in run.stdout
    assert "; again (1 of 1)" in run.stdout
    assert sorted(travelled) == [False] * 4 + [True]
    assert outcome(workspace) == sweep_here


def test_a_killed_actor_is_replaced_and_one_that_falls_leaves_its_last_words(
    executor: Executor, tmp_path: Path
) -> None:
    for number, does, said in (
        (0, "die", "worker 0 on 127.0.0.1 died: The actor is dead because"),
        (1, "fall", "ValueError: a defect of the worker (worker 0 on 127.0.0.1 ended)"),
    ):
        trial = scripted_trial(number, does, tmp_path)
        executor.submit(trial)
        failed = ended(drained(executor, number))[number]
        assert isinstance(failed, Failed)
        assert failed.kind == "lost"
        assert failed.reason.startswith(said)
        assert executor.capacity == 1
        executor.submit(trial)
        assert isinstance(ended(drained(executor, number))[number], Finished)


def test_a_node_that_joins_gets_a_worker_and_one_that_goes_takes_its_trials_with_it(
    ray_cluster: Any, executor: Executor, tmp_path: Path
) -> None:
    executor.submit(scripted_trial(0, "hang", tmp_path))
    assert executor.capacity == 0
    node = ray_cluster.add_node(num_cpus=0, resources={"seat": 1}, node_ip_address="127.0.0.1")
    while not executor.capacity:
        assert not any(isinstance(event, Failed | Finished) for event in executor.events())
    executor.submit(scripted_trial(1, "hang", tmp_path))
    went = list[bool]()

    def go(event: TrialEvent) -> None:
        if event.number == 1 and not went:
            ray_cluster.remove_node(node, allow_graceful=False)
            went.append(True)

    failed = ended(drained(executor, 1, at=go))[1]
    assert isinstance(failed, Failed)
    assert failed.kind == "machine_lost", failed.reason
    assert "because its node has died" in failed.reason
    executor.cancel(0)


def test_a_cluster_whose_resources_are_all_taken_gives_no_worker(
    ray_cluster: Any, executor: Executor
) -> None:
    with pytest.raises(FrontuneError, match="no worker was ready within 2 s"):
        ray_crew(Scripted(), ray_cluster.address, {"seat": 1}, timeout_s=2)
    assert executor.capacity == 1


def test_a_worker_learns_no_credentials_and_loads_none_of_the_stores_libraries(
    ray_cluster: Any,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, real, travel = make_workspace(), sweeps.running.trainer, list[Any]()
    # What opens stores on servers: the driver has it, and no worker should.
    for name in ("PGPASSWORD", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "correct-horse")

    def maker(plan: Any) -> MakeRunner:
        travel.append(Tells(real(plan)))
        return Tells(real(plan))

    def send(hand: RayHand, command: Command) -> None:
        travel.append(command)
        really_send(hand, command)

    really_send = RayHand.send
    monkeypatch.setattr("sweeps.running.trainer", maker)
    monkeypatch.setattr(RayHand, "send", send)
    file = sweep_file(**ONE_CPU, **SHORT | {"trials": 1})
    frontune("run", file, "--workspace", workspace)
    (trial,) = trials_of(workspace)
    modules, _, environment = (trial.reason or "").partition("\n")
    assert {"torch", "sweeps.executors.ray_worker"} <= set(modules.split())
    assert not {"sqlalchemy", "optuna", "mlflow", "alembic", "storage.ledger"} & set(modules.split())
    assert "'OMP_NUM_THREADS': '1'" in environment
    assert "correct-horse" not in environment
    assert {type(each) for each in travel} == {Tells, Submit, Close}
    for each in travel:
        content = pickle.dumps(each)
        assert b"correct-horse" not in content
        assert b"sqlite:" not in content
        assert b".db" not in content


def with_state(trial: TrialSpec) -> TrialSpec:
    return replace(trial, checkpoint_file="/where/the/driver/wants/it")


def test_what_a_worker_has_no_room_for_is_told_as_a_failure_that_another_may_not_have(
    tmp_path: Path,
) -> None:
    line = FilesLine(tmp_path)
    line.commands.put(Submit(7, with_state(scripted_trial(0, "walk", tmp_path)), b"state"))
    submitted = line.receive(1)
    assert isinstance(submitted, Submit)
    state = Path(submitted.trial.checkpoint_file)
    assert state.read_bytes() == b"state"
    state.unlink()
    line.send(Happened(7, Rung(0, 2, None)))
    line.send(Happened(7, Failed(0, "cannot write: No space left on device", kind="no_space")))
    assert line.messages.get_nowait() == Happened(7, Rung(0, 2, None), None)
    told = line.messages.get_nowait()
    assert isinstance(told, Happened)
    assert isinstance(told.event, Failed)
    assert told.event.kind == "error"
    assert told.event.reason == "on its worker's machine: cannot write: No space left on device"


def test_the_files_of_a_trial_that_has_ended_leave_the_workers_machine(tmp_path: Path) -> None:
    line = FilesLine(tmp_path)
    for ticket in (7, 8):
        line.commands.put(Submit(ticket, with_state(scripted_trial(ticket, "walk", tmp_path)), b"state"))
        submitted = line.receive(1)
        assert isinstance(submitted, Submit)
        Path(submitted.trial.adapter_file).write_bytes(b"adapter")
    assert len(list(tmp_path.iterdir())) == 4
    line.commands.put(Cancel(7))
    assert line.receive(1) == Cancel(7)
    line.send(Happened(8, Finished(8, result(3))))
    assert line.messages.get_nowait() == Happened(8, Finished(8, result(3)), b"adapter")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wanted", "places"),
    [({"cpu": 4}, 2), ({"gpu": 0.1, "cpu": 1}, 3), ({"cpu": 2, "a100": 1}, 0)],
)
def test_a_node_has_as_many_workers_as_its_scarcest_resource_allows(
    wanted: dict[str, float], places: int
) -> None:
    assert Node("id", "10.0.0.1", {"CPU": 8.0, "GPU": 0.3}).places(wanted) == places


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"resources": {"gpu": 1}}, "resources: no node of the Ray cluster has gpu 1; the nodes have: cpu 1"),
        ({"resources": {"gpu": 2}}, "'gpu' is more than 1, but a worker trains on one device"),
        ({"resources": {}}, "resources: wanted what a worker takes of its node"),
        ({"resources": {"cpu": 0}}, "resources: wanted what a worker takes of its node"),
        ({"resources": {"GPU": 1}}, "'GPU' cannot be asked for: wanted gpu, cpu, or names"),
        ({"devices": [0]}, "'devices' are this machine's; executor ray takes 'resources'"),
        ({"address": "http://localhost"}, "address: wanted auto"),
    ],
)
def test_what_a_cluster_cannot_give_is_refused_before_anything_is_written(
    ray_cluster: Any,
    frontune: Frontune,
    sweep_file: SweepFile,
    tmp_path: Path,
    keys: dict[str, Any],
    said: str,
) -> None:
    refused = frontune("run", sweep_file(executor="ray", **keys), "--workspace", tmp_path / "none")
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1"])
def test_without_a_cluster_the_command_says_so(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    file = sweep_file(executor="ray", address=address)
    refused = frontune("run", file, "--workspace", tmp_path / "none")
    assert refused.exit_code == 2
    assert "address: no Ray cluster is reached at 127.0.0.1:1 ([Errno 111] Connection" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_without_ray_the_command_says_how_to_get_it(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = frontune("run", sweep_file(executor="ray"), "--workspace", tmp_path / "none")
    assert refused.exit_code == 2
    assert "executor: ray is not installed: pip install 'frontune[ray]'" in refused.stderr
    assert not (tmp_path / "none").exists()


class Leaving(PassingRunner):
    """Its machine goes at the first step of a trial, three times."""

    times = 3

    def advance(self) -> Iterator[TrialEvent]:
        for event in self._inner.advance():
            if isinstance(event, Progress) and self.times:
                self.times -= 1
                self.cancel(event.number)
                yield Failed(event.number, "worker 0 died with its node", kind="machine_lost")
                return
            yield event


def test_a_machine_that_goes_counts_neither_as_a_retry_nor_as_a_failure(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    sweep_here: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, workspace = sweeps.running.trainer, make_workspace()
    monkeypatch.setattr("sweeps.running.trainer", lambda plan: lambda device: Leaving(real(plan)(device)))
    file = sweep_file(max_retries=0, max_failures=1, **SHORT)
    run = frontune("run", file, "--workspace", workspace)
    assert run.exit_code == 0, run.output
    assert run.stdout.count("worker 0 died with its node; again") == 3
    assert outcome(workspace) == sweep_here
