"""Who may have ended a worker: trials that were lost together are dealt in halves, until it shows."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.failures import POLICIES
from sweeps.trial import FailureKind, Finished, Rung


class Suspects:
    """What is remembered of trials whose worker was lost, and of where that was."""

    def __init__(self) -> None:
        self._company: dict[int, int] = {}
        self._furthest: dict[int, int] = {}
        self._largest: dict[int, int] = {}

    def company(self, number: int) -> int | None:
        """Among how many a trial may be on a worker, itself counted; None where that does not matter."""
        return self._company.get(number)

    def largest(self, place: int) -> int | None:
        """How many trials a place's workers should have at most; None where nothing speaks against more."""
        return self._largest.get(place)

    def lost(self, place: int, numbers: Sequence[int], kind: FailureKind) -> None:
        """A worker was lost with these trials.

        Their number may have been too much for its machine, until one of them is found to end it alone.
        """
        if POLICIES[kind].again != "in less company" or not numbers:
            return
        half = max(1, len(numbers) // 2)
        self._company |= dict.fromkeys(numbers, half)
        if len(numbers) > 1:
            self._largest[place] = half
        else:
            self._largest.clear()

    def got_on(self, event: Rung | Finished) -> bool:
        """A trial ended, or passed a rung; return whether it got further than ever, and is no suspect more.

        A rung that it had passed before does not count: its state may not have been kept.
        """
        number = event.number
        if isinstance(event, Rung):
            if event.step <= self._furthest.get(number, 0):
                return False
            self._furthest[number] = event.step
        self._company.pop(number, None)
        return True
