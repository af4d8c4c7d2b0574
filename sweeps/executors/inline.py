"""The executor of one process: one trial at a time, in the driver's own."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.executors.base import Train
from sweeps.trial import TrialEvent, TrialSpec


class InlineExecutor:
    """Runs `train` on the trial it was given while its events are read."""

    def __init__(self, train: Train) -> None:
        self._train = train
        self._waiting: TrialSpec | None = None
        self._cancelled: set[int] = set()

    @property
    def capacity(self) -> int:
        return 0 if self._waiting else 1

    def submit(self, trial: TrialSpec) -> None:
        if self._waiting:
            raise RuntimeError(f"trial {self._waiting.number} is still running")
        self._waiting = trial

    def events(self) -> Iterator[TrialEvent]:
        if self._waiting is None:
            return
        number, events = self._waiting.number, self._train(self._waiting)
        try:
            for event in events:
                if number not in self._cancelled:
                    yield event
                if number in self._cancelled:
                    break
        finally:
            # Closing the generator, also when the driver is interrupted, leaves the base as it was found.
            close = getattr(events, "close", None)
            if close:
                close()
            self._cancelled.discard(number)
            self._waiting = None

    def cancel(self, number: int) -> None:
        if self._waiting and self._waiting.number == number:
            self._cancelled.add(number)

    def close(self) -> None:
        self._waiting = None
