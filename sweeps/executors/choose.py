"""From a sweep file's keys to the executor that they ask for."""

from __future__ import annotations

from storage.workspace import Workspace
from sweeps.executors.base import Executor, MakeRunner
from sweeps.executors.devices import device_of, devices_of
from sweeps.executors.inline import InlineExecutor
from sweeps.where import WhereItRuns


def chosen_devices(where: WhereItRuns) -> tuple[str, ...]:
    """The devices to train on, or a name for those of a cluster; raises FrontuneError where they are not
    there."""
    if where.executor == "ray":
        from sweeps.executors.ray_cluster import check_cluster

        return (check_cluster(where.address, where.resources),)
    devices = devices_of(where.devices)
    return devices[:1] if where.executor == "inline" else devices


def first_device(where: WhereItRuns) -> str:
    """What the first worker calls its device; a cluster's need not be one of this machine's."""
    return device_of(where.resources) if where.executor == "ray" else devices_of(where.devices)[0]


def make_executor(where: WhereItRuns, make_runner: MakeRunner, workspace: Workspace, sweep: str) -> Executor:
    """Return the executor; workers begin to start."""
    if where.executor == "ray":
        from sweeps.executors.ray_crew import ray_crew

        return ray_crew(make_runner, where.address, where.resources, where.worker_timeout_s)
    devices = chosen_devices(where)
    if where.executor == "inline":
        return InlineExecutor(make_runner(devices[0]))
    from sweeps.executors.processes import process_crew

    return process_crew(make_runner, devices, workspace.logs(sweep), where.worker_timeout_s)
