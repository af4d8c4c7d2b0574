"""What a worker does with trials: train them on the sweep's base, loaded when the first one needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sweeps.executors.base import Runner

if TYPE_CHECKING:
    from methods.frozen import FrozenBase
    from sweeps.data import TaskData


@dataclass(frozen=True)
class SweepTrainer:
    """Plain values that travel to a worker; called there with a device, it returns what trains."""

    base: str
    dtype: str
    trust_remote_code: bool
    data: TaskData
    slots: int | None = 1
    """Trials on one device; None: as many as make it faster."""

    def __call__(self, device: str) -> Runner:
        """Return what trains this sweep's trials on `device`."""
        from sweeps.training.train import PackRunner

        @cache
        def base() -> FrozenBase:
            return load(self.base, self.dtype, device, self.trust_remote_code)

        return PackRunner(base, self.data, self.slots)


def load(base: str, dtype: str, device: str, trust_remote_code: bool) -> FrozenBase:
    """Load a base; `dtype` is ``float32`` or ``bfloat16``."""
    from methods.loading import DTYPES, load_base

    return load_base(base, DTYPES[dtype], device, trust_remote_code)
