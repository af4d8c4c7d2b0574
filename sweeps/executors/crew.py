"""The executor of several workers, wherever they run: who does what, who is gone, and who takes its place."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from methods.errors import FrontuneError
from sweeps.executors.messages import AtMost, Broken, Close, Gone, Happened, Message, Room
from sweeps.executors.staff import Member, Staff
from sweeps.executors.suspects import Suspects
from sweeps.trial import Failed, FailureKind, Finished, Rung, TrialEvent, TrialSpec

QUIET_S = 1.0
"""So long `events` waits for one."""
CLOSE_S = 5.0
"""So long workers may take to end by themselves; then they are killed."""
MOST_IN_VAIN = 5
"""So many workers in a row that end with no trial that ended or passed a rung, and the place is given up."""


class Crew:
    """Deals trials to workers. One that ends, or gives no sign of life for `timeout_s`, is replaced, and its
    trials fail with the kind ``lost``, ``lost_in_company`` where they were several, or ``machine_lost`` where
    its machine is gone, too. What `sweeps.failures` wants in less company is dealt so until it gets on.
    """

    def __init__(self, staff: Staff, timeout_s: float) -> None:
        self._staff, self._timeout_s = staff, timeout_s
        self._members: list[Member] = []
        self._running: dict[int, tuple[int, Member]] = {}
        self._came: deque[tuple[int, TrialEvent]] = deque()
        self._tickets = itertools.count()
        self._in_vain: Counter[int] = Counter()
        self._suspects = Suspects()
        self._last_loss = ""
        self._closed = False
        try:
            self._fill_places()
            self._await_room()
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        return sum(member.capacity for member in self._members)

    def submit(self, trial: TrialSpec) -> None:
        """Give the trial to whom has most room; where workers have died lately, rather not there, and where
        it may not be among so many, rather elsewhere than later."""
        able = [member for member in self._members if member.capacity > 0]
        if not able:
            raise RuntimeError(f"no worker has room for trial {trial.number}")
        most = self._suspects.company(trial.number)

        def fitness(each: Member) -> tuple[bool, int, bool, int]:
            fits = most is None or len(each.tickets) < most
            return fits, -self._in_vain[each.place], not self._suspects.largest(each.place), each.capacity

        member = max(able, key=fitness)
        ticket = next(self._tickets)
        self._running[trial.number] = (ticket, member)
        member.submit(ticket, trial, most)

    def events(self) -> Iterator[TrialEvent]:
        quiet_since = time.monotonic()
        while self._running:
            left_s = quiet_since + QUIET_S - time.monotonic()
            if not self._came and left_s <= 0:
                return
            if not self._came:
                self._listen(left_s)
            while self._came:
                ticket, event = self._came.popleft()
                if not self._is_current(event.number, ticket):
                    continue
                if isinstance(event, Finished | Failed):
                    del self._running[event.number]
                    self._await_room()
                yield event
                quiet_since = time.monotonic()

    def cancel(self, number: int) -> None:
        if number in self._running:
            ticket, member = self._running.pop(number)
            member.cancel(ticket)
            self._retire_if_worn(member)
            self._await_room()

    def close(self) -> Sequence[Finished]:
        if self._closed:
            return ()
        self._closed = True
        unread = self._unread()
        for member in self._members:
            member.hand.send(Close())
        latest = time.monotonic() + CLOSE_S
        for member in self._members:
            member.hand.end(max(0.0, latest - time.monotonic()))
        self._members.clear()
        self._running.clear()
        self._came.clear()
        return unread

    def _unread(self) -> list[Finished]:
        """What workers have told by now of trials that finished."""
        heard = self._staff.listen([member.hand for member in self._members], 0.0)
        for member in self._members:
            for message in heard.get(member.hand, []):
                if isinstance(message, Happened) and message.ticket in member.tickets:
                    self._came.append((message.ticket, message.event))
        return [
            event
            for ticket, event in self._came
            if isinstance(event, Finished) and self._is_current(event.number, ticket)
        ]

    def _is_current(self, number: int, ticket: int) -> bool:
        """Whether that attempt was neither cancelled nor has ended."""
        return number in self._running and self._running[number][0] == ticket

    def _listen(self, timeout_s: float) -> float:
        """Hear what workers have to tell; return how long that took in seconds, at most `timeout_s`."""
        before = time.monotonic()
        heard = self._staff.listen([member.hand for member in self._members], timeout_s)
        # Silence counts only while it is listened to, and no longer than was meant: a driver that was busy,
        # or a machine that slept, makes no worker suspect.
        waited = min(time.monotonic() - before, timeout_s)
        for member in list(self._members):
            messages = heard.get(member.hand, [])
            member.silent_s = 0.0 if messages else member.silent_s + waited
            for message in messages:
                self._hear(member, message)
            if member in self._members and member.silent_s > self._timeout_s:
                self._lose(member, f"gave no sign of life for {self._timeout_s:g} s")
        self._fill_places()
        return waited

    def _hear(self, member: Member, message: Message) -> None:
        if isinstance(message, Room):
            member.room = message
            self._retire_if_worn(member)
        elif isinstance(message, Happened):
            self._happened(member, message)
        elif isinstance(message, Broken):
            if message.for_good:
                raise FrontuneError(message.reason)
            member.last_words = message
        elif isinstance(message, Gone) and member in self._members:
            self._lose(member, message.reason, "machine_lost" if message.with_machine else "lost")

    def _happened(self, member: Member, message: Happened) -> None:
        if message.ticket not in member.tickets:
            return
        self._came.append((message.ticket, message.event))
        if isinstance(message.event, Rung | Finished) and self._suspects.got_on(message.event):
            self._in_vain[member.place] = 0
            member.limits.pop(message.ticket, None)
        if isinstance(message.event, Finished | Failed):
            member.forget(message.ticket)
        self._retire_if_worn(member)

    def _retire_if_worn(self, member: Member) -> None:
        if member.room.worn and not member.tickets and member in self._members:
            self._members.remove(member)
            member.hand.end(CLOSE_S)
            self._fill_places()

    def _await_room(self) -> None:
        """Where nothing runs there is room for a trial, or the driver would think the sweep done."""
        left_s = self._timeout_s
        while not self._running and not self.capacity:
            if left_s <= 0:
                raise FrontuneError(
                    f"no worker was ready within {self._timeout_s:g} s {self._last_loss}".rstrip()
                )
            left_s -= self._listen(QUIET_S)

    def _lose(self, member: Member, reason: str, kind: FailureKind = "lost") -> None:
        self._members.remove(member)
        member.hand.end(0)
        words = member.last_words
        self._last_loss = f"{member.hand.name} {reason}"
        if words is not None:
            self._last_loss = f"{words.reason} ({self._last_loss})"
        if kind == "lost" and len(member.tickets) > 1:
            kind = "lost_in_company"
        trials = dict(member.tickets)
        self._suspects.lost(member.place, [trial.number for trial in trials.values()], kind)
        if (waiting := member.waiting) is not None:
            trials[waiting.ticket] = waiting.trial
        for ticket, trial in trials.items():
            its_kind: FailureKind = kind if ticket in member.tickets else "lost_in_company"
            failed = Failed(trial.number, self._last_loss, words.traceback if words else "", its_kind)
            self._came.append((ticket, failed))
        self._in_vain[member.place] += kind == "lost"

    def _fill_places(self) -> None:
        """Put a worker where there is none, but not where one after the other came to nothing."""
        taken, places = {member.place for member in self._members}, self._staff.places()
        for place in places:
            if place not in taken and self._in_vain[place] < MOST_IN_VAIN:
                hand = self._staff.hire(place)
                if largest := self._suspects.largest(place):
                    hand.send(AtMost(largest))
                self._members.append(Member(place, hand, hand.first_room))
        if places and not self._members:
            raise FrontuneError(
                f"no worker is left: {MOST_IN_VAIN} in a row ended with no trial that got on, the last one "
                f"because {self._last_loss}"
            )
