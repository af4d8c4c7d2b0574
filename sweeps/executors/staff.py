"""What a crew consists of: workers wherever they run, who hires them, and what the driver knows of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sweeps.executors.messages import Broken, Cancel, Command, Message, Room, Submit
from sweeps.trial import TrialSpec


class Hand(Protocol):
    """The driver's end of its connection with one worker."""

    @property
    def name(self) -> str:
        """Such as ``worker 0 on cuda:0``."""
        ...

    @property
    def first_room(self) -> Room:
        """How many trials it gets before it has said how many it takes."""
        ...

    def send(self, command: Command) -> None:
        """Tell the worker; where it is gone, nothing happens, and `Staff.listen` says so."""
        ...

    def end(self, patience_s: float) -> None:
        """See to it that the worker is no more; so long it may take to end by itself."""
        ...


class Staff(Protocol):
    """Hires workers and listens to them."""

    def places(self) -> Sequence[int]:
        """The numbers of the places where there is room for a worker now."""
        ...

    def hire(self, place: int) -> Hand:
        """Start a worker there; does not wait until it has."""
        ...

    def listen(self, hands: Sequence[Hand], timeout_s: float) -> Mapping[Hand, list[Message]]:
        """Return what workers told since, as soon as one tells something; at last `Gone` of one that is."""
        ...


@dataclass(frozen=True)
class Waiting:
    """A trial that a worker gets once it has less than `most` others."""

    ticket: int
    trial: TrialSpec
    most: int


@dataclass(eq=False)
class Member:
    """A worker as the driver knows it; `limits` says by ticket how many trials it may have with that one."""

    place: int
    hand: Hand
    room: Room
    submits: int = 0
    cancels: int = 0
    tickets: dict[int, TrialSpec] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    waiting: Waiting | None = None
    silent_s: float = 0.0
    last_words: Broken | None = None

    @property
    def capacity(self) -> int:
        """How many more it takes, commands under way considered; a cancel makes room at once."""
        if self.room.worn or self.waiting is not None:
            return 0
        taken, freed = self.submits - self.room.submits, self.cancels - self.room.cancels
        limits = [most - len(self.tickets) for most in self.limits.values()]
        return max(0, min([self.room.free - taken + freed, *limits]))

    def submit(self, ticket: int, trial: TrialSpec, most: int | None = None) -> None:
        """Give it to the worker, at once or when it will be among no more than `most` there."""
        if most is not None and len(self.tickets) >= most:
            self.waiting = Waiting(ticket, trial, most)
            return
        if most is not None:
            self.limits[ticket] = most
        self.submits += 1
        self.tickets[ticket] = trial
        self.hand.send(Submit(ticket, trial))

    def cancel(self, ticket: int) -> None:
        if self.waiting is not None and self.waiting.ticket == ticket:
            self.waiting = None
        elif ticket in self.tickets:
            self.cancels += 1
            self.hand.send(Cancel(ticket))
            self.forget(ticket)

    def forget(self, ticket: int) -> None:
        """That attempt is there no more; who waited for that is next."""
        del self.tickets[ticket]
        self.limits.pop(ticket, None)
        if (waiting := self.waiting) is not None and len(self.tickets) < waiting.most:
            self.waiting = None
            self.submit(waiting.ticket, waiting.trial, waiting.most)
