"""How many trials share a pass: a number, or as many as measured throughput and memory speak for."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from sweeps.training.memory import free_memory_bytes, peak_memory_bytes

MOST = 64
"""Beyond it a pack's bookkeeping, a few kernels a slot and site, outweighs what batching saves."""
SETTLING, MEASURED = 2, 5
"""Steps of a full pack that are not counted, while caches and allocators settle, and that are."""
GAIN = 1.05
"""Twice the slots must bring so much more throughput; less is noise, and costs memory."""
SHARE = 0.9
"""Of the memory, what a pack of twice the slots may be expected to take."""


@dataclass
class Growth:
    """`limit` is how many slots the pack has now; it doubles while that makes it faster and memory allows.

    Where `most` is 1, or equal to `limit`, nothing is measured.
    """

    limit: int = 1
    most: int = MOST
    has_room: Callable[[], bool] = lambda: True
    is_fixed: bool = False
    _rates: list[float] = field(default_factory=list)
    _best: tuple[float, int] = (0.0, 1)
    _before: tuple[int, int] | None = None

    @classmethod
    def fixed(cls, slots: int) -> Growth:
        """As many as the user says."""
        return cls(limit=slots, most=slots, is_fixed=True)

    def stepped(self, slots: int, tokens: int, seconds: float) -> None:
        """Take in a step's real tokens and time; only those of a full pack count."""
        if self.limit >= self.most or slots != self.limit:
            return
        self._rates.append(tokens / max(seconds, 1e-9))
        if len(self._rates) < SETTLING + MEASURED:
            return
        rate, self._rates = statistics.median(self._rates[SETTLING:]), []
        if rate < GAIN * self._best[0]:
            self.most = self.limit = self._best[1]
            return
        self._best = (rate, self.limit)
        if not self.has_room():
            self.most = self.limit
            return
        self.limit = min(2 * self.limit, self.most)

    def at_most(self, slots: int) -> None:
        """Grow no further than so many; a number that the user gave is kept."""
        if not self.is_fixed:
            self.most = max(1, min(self.most, slots))
            self.limit = min(self.limit, self.most)

    def shrink(self, slots: int) -> None:
        """Memory did not suffice for more than so many."""
        self._before = self._before or (self.limit, self.most)
        self.limit = self.most = max(1, min(slots, self.limit))

    def restore(self) -> None:
        """It was a trial that is too large alone: of how many others fit, nothing was learned."""
        if self._before is not None:
            self.limit, self.most = self._before
            self._before = None


def room_on(device: torch.device, before: int) -> Callable[[], bool]:
    """Return what says whether a pack has room for twice its slots, by the measured peak; `before` is what
    the device held without any."""

    def enough() -> bool:
        taken = max(0, peak_memory_bytes(device) - before)
        return before + 2 * taken <= SHARE * (before + taken + free_memory_bytes(device))

    return enough
