"""What an executor is: it takes trials and gives back events, and knows nothing of studies or stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sweeps.trial import Finished, TrialEvent, TrialSpec


class DeviceLost(Exception):
    """A process can use its device no more; another one may."""


class Runner(Protocol):
    """Trains trials on one device, side by side where it can; what an executor has for each device."""

    @property
    def capacity(self) -> int:
        """How many more trials it would take now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it holds a trial."""
        ...

    def submit(self, trial: TrialSpec) -> None:
        """Take a trial; raises RuntimeError where capacity is 0."""
        ...

    def cancel(self, number: int) -> None:
        """End a trial early, if it is here; it gives no more events."""
        ...

    def at_most(self, slots: int) -> None:
        """Train no more trials side by side than so many, where their number is its own to choose."""
        ...

    def advance(self) -> Iterator[TrialEvent]:
        """Train everything by one step, and yield what happened; trials may come and go in between.

        Raises DeviceLost where nothing will ever train here again.
        """
        ...

    def close(self) -> None:
        """End everything that is here, and leave the base as it was found."""
        ...


MakeRunner = Callable[[str], Runner]
"""Given a device (``cpu``, ``cuda:0``), returns what trains there. It is called where the trials run, and
travels there pickled: what it holds are plain values."""


class Executor(Protocol):
    """Trains the trials submitted to it; a trial's events come in order and end with Finished or Failed."""

    @property
    def capacity(self) -> int:
        """How many more trials it would take now."""
        ...

    def submit(self, trial: TrialSpec) -> None:
        """Take a trial; raises RuntimeError where capacity is 0."""
        ...

    def events(self) -> Iterator[TrialEvent]:
        """Yield events as they come; trials may be submitted and cancelled in between.

        Ends when no trial runs, or when nothing came for a second, so that the driver can look at its clock.
        The files that an event tells of are there, on the driver's machine, when it comes.
        """
        ...

    def cancel(self, number: int) -> None:
        """End a trial early, if it still runs; it gives no more events."""
        ...

    def close(self) -> Sequence[Finished]:
        """End what runs and let go of workers and devices; more than once is as good as once.

        Returns what had finished by then and was not read: it need not be trained again.
        """
        ...
