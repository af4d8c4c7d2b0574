"""What a sweep may spend: trials, time and tokens of training; then it stops with its front."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from storage.records import TrialRecord
from sweeps.spec import SweepSpec


@dataclass
class Budget:
    """`wall_clock` is of one run of the driver; `train_tokens` counts what the sweep trained itself, ever.

    Without `deals` nothing is begun but what waits already.
    """

    spec: SweepSpec
    clock: Callable[[], float] = time.monotonic
    deals: bool = True
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def out_of_time(self) -> str:
        """Why nothing more may run, or nothing where it may."""
        limit_s = self.spec.wall_clock
        if limit_s is None or self.clock() - self._began < limit_s:
            return ""
        return f"wall_clock of {limit_s:g} s is spent"

    def cannot_deal(self, n_trials: int) -> bool:
        """Whether another point, with a trial for each seed, would be more than `trials`."""
        spec = self.spec
        return not self.deals or (spec.trials is not None and n_trials + len(spec.seeds) > spec.trials)

    def cannot_train(self, tokens: int, trials: Iterable[TrialRecord], running: Mapping[int, int]) -> str:
        """Why a trial of so many tokens may not begin; `running` holds those of running trials by number."""
        limit = self.spec.train_tokens
        if limit is None:
            return ""
        spent = sum(t.train_tokens or 0 for t in trials if not t.reused_from and t.number not in running)
        if spent + sum(running.values()) + tokens <= limit:
            return ""
        return f"train_tokens: {spent:,} of {limit:,} are spent, and the next trial takes about {tokens:,}"
