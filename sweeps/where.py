"""The sweep file's keys that say where trials run; they change no result, and may change between runs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sweeps.executors.devices import Devices
from sweeps.settings import Seconds, Strict


def _devices(value: Any) -> Any:
    entries = value if isinstance(value, list) and value else [value]
    known = all(each == "cpu" or (type(each) is int and each >= 0) for each in entries)
    if value == [] or not (known if isinstance(value, list) else value in ("auto", "cpu")):
        raise ValueError(
            "wanted auto, cpu, or a list with an entry for each worker, such as [0, 1] or [cpu, cpu]"
        )
    return value


def _address(address: str) -> str:
    if not re.fullmatch(r"auto|[^\s/]+:\d+", address):
        raise ValueError("wanted auto, or HOST:PORT of the cluster's head")
    return address


def _resources(wanted: dict[str, float]) -> dict[str, float]:
    if not wanted or any(not amount > 0 for amount in wanted.values()):
        raise ValueError("wanted what a worker takes of its node, such as {gpu: 1} or {cpu: 2}")
    if wanted.get("gpu", 1) > 1:
        raise ValueError(
            "'gpu' is more than 1, but a worker trains on one device: wanted 1, or a part of one"
        )
    if wrong := sorted(wanted.keys() & {"CPU", "GPU", "memory", "object_store_memory"}):
        raise ValueError(f"{wrong[0]!r} cannot be asked for: wanted gpu, cpu, or names that nodes were given")
    return wanted


class WhereItRuns(Strict):
    """Executor, devices, trials on each, and when a worker is given up."""

    executor: Literal["inline", "processes", "ray"] = Field(
        default="inline", description="In this process, in one of its own for each device, or on a cluster."
    )
    devices: Annotated[Devices, BeforeValidator(_devices)] = Field(
        default="auto",
        description="`auto` (every GPU, else the CPU), `cpu`, or a list: GPUs' numbers, `cpu` once a worker.",
    )
    slots_per_device: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        default=1,
        description="Trials that train side by side on a device; `auto`: as many as make it faster.",
    )
    address: Annotated[str, AfterValidator(_address)] = Field(
        default="auto",
        description="ray: `auto`, the cluster that this machine is part of, or HOST:PORT of its head.",
    )
    resources: Annotated[dict[str, float], AfterValidator(_resources)] = Field(
        default_factory=lambda: {"gpu": 1.0},
        description="ray: what each worker takes of its node: `gpu`, `cpu`, or names that nodes were given.",
    )
    worker_timeout_s: Seconds = Field(
        default=600.0, description="A worker that gives no sign of life for so long is replaced."
    )

    @model_validator(mode="after")
    def _one_device_inline(self) -> WhereItRuns:
        if self.executor == "inline" and isinstance(self.devices, list) and len(self.devices) > 1:
            raise ValueError(
                f"'devices' are {len(self.devices)}, but executor inline trains on one; "
                "write executor: processes"
            )
        return self

    @model_validator(mode="after")
    def _no_devices_on_ray(self) -> WhereItRuns:
        if self.executor == "ray" and self.devices != "auto":
            raise ValueError("'devices' are this machine's; executor ray takes 'resources' of its nodes")
        return self
