"""Progress as often as a reader can follow: many slots of many workers should not drown the driver."""

from __future__ import annotations

import time
from collections.abc import Callable

from sweeps.trial import Progress, TrialEvent

PROGRESS_EVERY_S = 0.1


class Throttle:
    """Lets a trial's progress pass at most ten times a second, and its last before anything else of it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at: dict[int, float] = {}
        self._kept: dict[int, Progress] = {}

    def passed(self, event: TrialEvent) -> list[TrialEvent]:
        """Return what is to be told now, in order."""
        number = event.number
        kept = self._kept.pop(number, None)
        if not isinstance(event, Progress):
            return [event] if kept is None else [kept, event]
        now = self._clock()
        if now < self._next_at.get(number, now):
            self._kept[number] = event
            return []
        self._next_at[number] = now + PROGRESS_EVERY_S
        return [event]

    def forget(self, number: int) -> None:
        """The trial has ended."""
        self._kept.pop(number, None)
        self._next_at.pop(number, None)
