"""What running trials have done so far, noted in the ledger now and then for whoever watches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from storage.ledger import Ledger, LedgerError
from storage.progress import save_progress
from storage.records import TrialProgress
from sweeps.trial import Progress

NOTED_EVERY_S = 2.0
AWAY_S = 60.0
"""So long nothing is noted after the ledger could not be written: no sweep waits for those who watch it."""
CURVE_POINTS = 100


@dataclass
class ProgressNotes:
    """Notes of one sweep's running trials; nothing else depends on them, and a missed one is no loss."""

    ledger: Ledger
    sweep: str
    clock: Callable[[], float] = time.monotonic
    _running: dict[int, TrialProgress] = field(default_factory=dict)
    _since: dict[int, list[float]] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)
    _next_at: float = -math.inf

    def stepped(self, event: Progress) -> None:
        """A trial finished a step."""
        now = datetime.now(UTC)
        known = self._running.get(event.number)
        if known is None or event.step <= known.step:
            known = TrialProgress(event.number, event.step, event.steps, now, event.step, now)
            self._since[event.number] = []
        losses, since = known.losses, self._since[event.number]
        # Neither SQLite nor PostgreSQL keeps NaN in JSON; a trial whose loss is none ends at once anyway.
        if math.isfinite(event.loss):
            since.append(event.loss)
        if since and _part(event.step, event) > _part(losses[-1][0] if losses else 0, event):
            losses = (*losses, (event.step, sum(since) / len(since)))
            since.clear()
        self._running[event.number] = replace(known, step=event.step, at=now, losses=losses)
        self._changed.add(event.number)
        self._write()

    def ended(self, number: int) -> None:
        """A trial ended, whichever way."""
        self._running.pop(number, None)
        self._since.pop(number, None)
        self._changed.discard(number)

    def _write(self) -> None:
        if self.clock() < self._next_at:
            return
        try:
            save_progress(self.ledger, self.sweep, [self._running[number] for number in self._changed])
        except LedgerError:
            self._next_at = self.clock() + AWAY_S
            return
        self._changed.clear()
        self._next_at = self.clock() + NOTED_EVERY_S


def _part(step: int, event: Progress) -> int:
    return step * CURVE_POINTS // event.steps
