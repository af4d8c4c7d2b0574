"""Reads the ledger for all open pages at once, and only what has changed since."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from methods.errors import unknown_name
from storage.lease import holders
from storage.ledger import Ledger, LedgerError
from storage.newer_results import newer_results
from storage.progress import progress_of
from storage.read_only import Watch
from storage.records import RungScore, SweepRecord, TrialProgress, TrialRecord
from storage.rungs import rung_scores
from storage.untrained import untrained_scores

POLL_S = 1.0
"""So often the database is asked whether anything has changed, however many pages are open: twice as often as
a page asks, or it would be told every other time what it knows."""
LEASES_S = 10.0
"""A driver that was killed changes nothing: so often it is looked whether it is still there."""


@dataclass(frozen=True)
class Pulse:
    """`state` grows with each change of the ledger; `driven` says in words who drives which sweep."""

    state: int
    driven: dict[str, str]


@dataclass(frozen=True)
class SweepNow:
    """A sweep as it was at `state`; `changed` is the state at which its trials, or the score of its untrained
    base, were others than before."""

    record: SweepRecord
    state: int
    changed: int
    trials: list[TrialRecord]
    progress: list[TrialProgress]
    rungs: list[RungScore]
    untrained: float | None


@dataclass
class Reader:
    """What pages are drawn from; several threads may ask. Raises LedgerError where nothing can be read."""

    ledger: Ledger
    clock: Callable[[], float] = time.monotonic
    _pulse: Pulse = Pulse(0, {})
    _mark: str = ""
    _next_at: float | None = None
    _leases_at: float = 0.0
    _sweeps: tuple[int, list[SweepRecord]] = (-1, [])
    _known: dict[str, SweepNow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch = Watch(self.ledger)
        self._lock = threading.Lock()

    def pulse(self) -> Pulse:
        """Look for a change, at most every `POLL_S`."""
        with self._lock:
            now = self.clock()
            if self._next_at is None or now >= self._next_at:
                self._next_at = now + POLL_S
                self._look(now)
            return self._pulse

    def sweeps(self) -> list[SweepRecord]:
        """Every sweep, oldest first."""
        with self._lock:
            if self._sweeps[0] != self._pulse.state:
                self._sweeps = (self._pulse.state, self.ledger.sweeps())
            return self._sweeps[1]

    def sweep(self, name: str) -> SweepNow:
        """The sweep of this name as of the last pulse; raises LedgerError naming the nearest where there is
        none."""
        with self._lock:
            known = self._known.get(name)
            if known is None or known.state != self._pulse.state:
                known = self._known[name] = self._read(name, known)
            return known

    def every_trial(self, name: str) -> list[TrialRecord]:
        """The sweep's results with all that is known of them now, read anew."""
        with self._lock:
            return self.ledger.results(name)

    def _look(self, now: float) -> None:
        try:
            mark = self._watch.mark()
            is_new = mark != self._mark
            if is_new or now >= self._leases_at:
                self._leases_at = now + LEASES_S
                driven = holders(self.ledger)
                self._pulse = Pulse(self._pulse.state + is_new, driven)
            self._mark = mark
        except LedgerError:
            # The next connection may count from elsewhere.
            self._mark = ""
            raise

    def _read(self, name: str, known: SweepNow | None) -> SweepNow:
        state = self._pulse.state
        record = self.ledger.sweep(name)
        if record is None:
            raise LedgerError(unknown_name("sweep", name, [each.name for each in self.ledger.sweeps()]))
        trials = newer_results(self.ledger, name, known.trials if known else ())
        untrained = untrained_scores(self.ledger, name).get(record.metric)
        is_same = known is not None and (known.trials, known.untrained) == (trials, untrained)
        now = SweepNow(
            record=record,
            state=state,
            changed=state,
            trials=trials,
            progress=progress_of(self.ledger, name),
            rungs=rung_scores(self.ledger, name, only_running=True),
            untrained=untrained,
        )
        return replace(now, changed=known.changed) if known and is_same else now
