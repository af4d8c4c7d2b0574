"""A Ray cluster as the driver sees it: how it is reached, and what its nodes have at the moment."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from methods.errors import FrontuneError
from sweeps.interrupts import kept

REACHED_WITHIN_S = 5.0
RAYS_NAMES = {"cpu": "CPU", "gpu": "GPU"}


@dataclass(frozen=True)
class Node:
    """A machine of the cluster; `resources` is what it has in all, by Ray's names."""

    id: str
    address: str
    resources: Mapping[str, float]

    def places(self, wanted: Mapping[str, float]) -> int:
        """How many workers that take `wanted` have room here."""
        has = (self.resources.get(RAYS_NAMES.get(name, name), 0.0) / n for name, n in wanted.items())
        # Ray counts in ten-thousandths; 0.3 / 0.1 is less than 3.
        return int(min(has) + 1e-4)


def connected(address: str) -> Any:
    """Return Ray, connected to the cluster until this process ends; raises FrontuneError where it is not
    installed, or no cluster there."""
    try:
        import ray
    except ImportError as error:
        raise FrontuneError("executor: ray is not installed: pip install 'frontune[ray]'") from error
    if ray.is_initialized():
        return ray
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    try:
        # Ray itself would try for minutes.
        _reach(named)
        with kept():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise FrontuneError(
            f"address: no Ray cluster is reached at {named or address} ({said}); `ray start` makes this "
            "machine a node of one"
        ) from error
    return ray


def living_nodes() -> list[Node]:
    """The nodes that are there now, in the order in which they came."""
    import ray

    return [
        Node(node["NodeID"], node["NodeManagerAddress"], node["Resources"])
        for node in ray.nodes()
        if node["Alive"]
    ]


def check_cluster(address: str, wanted: Mapping[str, float]) -> str:
    """Return in words what trains there; raises FrontuneError where the cluster has no room for a worker."""
    connected(address)
    nodes = living_nodes()
    if not any(node.places(wanted) for node in nodes):
        have = "; ".join(_counted(node.resources, RAYS_NAMES.values()) or "neither" for node in nodes)
        raise FrontuneError(
            f"resources: no node of the Ray cluster has {_counted(wanted, wanted)}; the nodes have: {have}"
        )
    return f"ray, {_counted(wanted, wanted)} for each worker"


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), REACHED_WITHIN_S).close()


def _counted(resources: Mapping[str, float], names: Any) -> str:
    return ", ".join(f"{name.lower()} {resources[name]:g}" for name in names if resources.get(name))
