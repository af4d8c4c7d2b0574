"""Which devices a sweep trains on, and how a worker is confined to its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal

from methods.errors import FrontuneError

Devices = Literal["auto", "cpu"] | list[int | Literal["cpu"]]


def devices_of(wanted: Devices) -> tuple[str, ...]:
    """Return the devices' names in torch: ``cpu``, ``cuda:1``.

    `auto` is what $FRONTUNE_DEVICE says, else every GPU, else the CPU. Raises FrontuneError for a GPU that
    is not there.
    """
    import torch

    n_gpus = torch.cuda.device_count()
    if wanted == "auto":
        if chosen := os.environ.get("FRONTUNE_DEVICE"):
            return (chosen,)
        return tuple(f"cuda:{number}" for number in range(n_gpus)) or ("cpu",)
    names = []
    for each in [wanted] if isinstance(wanted, str) else wanted:
        if isinstance(each, int) and each >= n_gpus:
            raise FrontuneError(f"devices: there is no GPU {each}; this machine has {n_gpus}, counted from 0")
        names.append(f"cuda:{each}" if isinstance(each, int) else each)
    return tuple(names)


def device_of(resources: Mapping[str, float]) -> str:
    """Return what a worker of a cluster calls its device."""
    return "cuda:0" if resources.get("gpu") else "cpu"


def confined(
    devices: Sequence[str], place: int, outer: Mapping[str, str] = os.environ
) -> tuple[str, dict[str, str]]:
    """Return what the worker of a place calls its device, and the environment in which there is no other.

    The environment counts only before torch is loaded. Workers on the CPU share its cores.
    """
    device = devices[place]
    kind, _, number = device.partition(":")
    if kind == "cuda":
        seen = [each.strip() for each in outer.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
        index = int(number or 0)
        return "cuda:0", {"CUDA_VISIBLE_DEVICES": seen[index] if index < len(seen) else str(index)}
    together = list(devices).count(device)
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    if together > 1 and "OMP_NUM_THREADS" not in outer:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // together))
    return device, environment
