"""What driver and workers tell each other: plain values, received in the order they were sent."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.trial import TrialEvent, TrialSpec


@dataclass(frozen=True)
class Submit:
    """Train this; the ticket tells an attempt from earlier ones of the same trial.

    `state` is what its checkpoint file holds, for a worker that does not see the driver's disk.
    """

    ticket: int
    trial: TrialSpec
    state: bytes | None = None


@dataclass(frozen=True)
class Cancel:
    """End that attempt early."""

    ticket: int


@dataclass(frozen=True)
class AtMost:
    """Train no more trials side by side than so many, where their number is yours to choose."""

    slots: int


@dataclass(frozen=True)
class Close:
    """End everything, and then yourself."""


Command = Submit | Cancel | AtMost | Close


@dataclass(frozen=True)
class Room:
    """How many more trials a worker would take, after so many submits and cancels had reached it.

    The counts let the driver tell which of its commands are still under way. A worker that is worn takes
    no more and is replaced once it is empty.
    """

    free: int
    submits: int = 0
    cancels: int = 0
    worn: bool = False


@dataclass(frozen=True)
class Happened:
    """Something happened to a trial; `file` is what it wrote, from a worker that does not see the driver's
    disk."""

    ticket: int
    event: TrialEvent
    file: bytes | None = None


@dataclass(frozen=True)
class Alive:
    """Nothing else is to be told, but the worker gets on."""


@dataclass(frozen=True)
class Broken:
    """The worker ends because of an error; with `for_good` every other would, as where a base cannot be
    loaded."""

    reason: str
    traceback: str = ""
    for_good: bool = False


@dataclass(frozen=True)
class Gone:
    """The worker is no more, or no longer to be reached; said by whoever watches over it."""

    reason: str
    with_machine: bool = False


Message = Room | Happened | Alive | Broken | Gone
