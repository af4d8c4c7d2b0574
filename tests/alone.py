"""One trial trained alone: what others are compared with that train side by side, or are interrupted."""

from __future__ import annotations

from collections.abc import Iterator

from methods.frozen import FrozenBase
from sweeps.data import TaskData
from sweeps.training.train import PackRunner
from sweeps.trial import TrialEvent, TrialSpec


def train_trial(base: FrozenBase, data: TaskData, spec: TrialSpec) -> Iterator[TrialEvent]:
    """Train it on the base, from its last rung where it had reached one."""
    runner = PackRunner(lambda: base, data)
    runner.submit(spec)
    try:
        while runner.busy:
            yield from runner.advance()
    finally:
        runner.close()
