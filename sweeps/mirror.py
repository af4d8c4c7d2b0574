"""MLflow as far as it can be reached: what it missed stays in the ledger, and is sent when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from storage.tracking import Tracker, TrackingAway

T = TypeVar("T")
RETRY_AFTER_S = 30.0
RETRY_AFTER_TIMES = 20
"""MLflow is asked again after so many times what it took to find that it is away, for training waits then."""


@dataclass
class Mirror:
    """Asks MLflow for something, unless it was away a moment ago."""

    connect: Callable[[], Tracker]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _tracker: Tracker | None = None
    _again_at: float | None = field(default=None)

    @property
    def is_away(self) -> bool:
        """Whether MLflow could not be reached when it was last asked."""
        return self._again_at is not None

    def answers(self, *, now: bool = False) -> bool:
        """Whether MLflow can be reached; where it was away it is asked, if it is time to."""
        return bool(not self.is_away or self.attempt(_answer, now=now))

    def attempt(self, action: Callable[[Tracker], T], *, now: bool = False) -> T | None:
        """Return what `action` returns, or None where MLflow is away; with `now` it is asked in any case.

        Raises TrackingError for what will not mend by waiting, such as an experiment that was deleted.
        """
        began = self.clock()
        if self._again_at is not None and began < self._again_at and not now:
            return None
        try:
            self._tracker = self._tracker or self.connect()
            found = action(self._tracker)
        except TrackingAway as error:
            if not self.is_away:
                self.say(f"{error}; results are kept in the ledger and sent when it is back")
            ended = self.clock()
            self._again_at = ended + max(RETRY_AFTER_S, RETRY_AFTER_TIMES * (ended - began))
            return None
        if self.is_away:
            self.say("MLflow is back")
        self._again_at = None
        return found


def _answer(tracker: Tracker) -> bool:
    tracker.reach()
    return True
