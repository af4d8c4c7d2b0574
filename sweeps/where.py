"""The sweep file's keys that say where trials run; they change no result, and may change between runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

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


class WhereItRuns(Strict):
    """Executor, devices, trials on each, and when a worker is given up."""

    executor: Literal["inline", "processes"] = Field(
        default="inline", description="In this process, or in one of its own for each device."
    )
    devices: Annotated[Devices, BeforeValidator(_devices)] = Field(
        default="auto",
        description="`auto` (every GPU, else the CPU), `cpu`, or a list: GPUs' numbers, `cpu` once a worker.",
    )
    slots_per_device: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        default=1,
        description="Trials that train side by side on a device; `auto`: as many as make it faster.",
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
