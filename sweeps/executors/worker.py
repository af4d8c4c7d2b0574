"""What a worker does, wherever it runs: obey the driver, train one step, tell what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sweeps.executors.base import Runner
from sweeps.executors.messages import AtMost, Cancel, Close, Command, Happened, Message, Room, Submit
from sweeps.executors.pulse import Pulse
from sweeps.executors.throttle import Throttle
from sweeps.executors.wear import Wear
from sweeps.trial import Failed, Finished, TrialEvent

IDLE_S = 0.5
"""How long an idle worker waits for a command before it goes round once more."""


class Line(Protocol):
    """A worker's end of its connection with the driver."""

    def receive(self, timeout_s: float) -> Command | None:
        """Return the next command, None where none came in time; raises EOFError where the driver is gone."""
        ...

    def send(self, message: Message) -> None:
        """Tell the driver; raises OSError where it is gone."""
        ...


@dataclass
class Worker:
    """Trains what it is given until it is told to close, or the driver is gone."""

    line: Line
    runner: Runner
    pulse: Pulse
    _inbox: list[Submit] = field(default_factory=list)
    _tickets: dict[int, int] = field(default_factory=dict)
    _room: Room = field(default_factory=lambda: Room(0))
    _submits: int = 0
    _cancels: int = 0
    _wear: Wear = field(default_factory=Wear)
    _throttle: Throttle = field(default_factory=Throttle)

    def serve(self) -> None:
        """Until the end; whatever is raised, the base is left as it was found."""
        try:
            self._tell_room()
            while self._obey():
                self.pulse.turned()
                self._take()
                self._tell_room()
                if self.runner.busy:
                    for event in self.runner.advance():
                        self._tell(event)
                        self.pulse.turned()
        finally:
            self.runner.close()

    def _obey(self) -> bool:
        """Do as the commands that are here say; False once one of them is to close."""
        wait_s = 0.0 if self.runner.busy else IDLE_S
        while (command := self.line.receive(wait_s)) is not None:
            if isinstance(command, Close):
                return False
            if isinstance(command, Submit):
                self._submits += 1
                self._inbox.append(command)
            elif isinstance(command, AtMost):
                self.runner.at_most(command.slots)
            else:
                self._cancel(command)
            wait_s = 0.0
        return True

    def _cancel(self, command: Cancel) -> None:
        self._cancels += 1
        self._inbox = [each for each in self._inbox if each.ticket != command.ticket]
        for number in [n for n, ticket in self._tickets.items() if ticket == command.ticket]:
            self.runner.cancel(number)
            self._forget(number)

    def _take(self) -> None:
        """Hand on what the runner takes; the driver may have counted on room that is no longer there."""
        while self._inbox and self.runner.capacity > 0:
            command = self._inbox.pop(0)
            self._tickets[command.trial.number] = command.ticket
            self.runner.submit(command.trial)

    def _tell(self, event: TrialEvent) -> None:
        ticket = self._tickets.get(event.number)
        if ticket is None:
            return
        messages = [Happened(ticket, each) for each in self._throttle.passed(event)]
        if isinstance(event, Finished | Failed):
            self._forget(event.number)
            self._wear.trial_ended()
            # Before the end itself, so that the driver finds the room when it hears of it.
            self._tell_room()
        for message in messages:
            self.line.send(message)

    def _forget(self, number: int) -> None:
        del self._tickets[number]
        self._throttle.forget(number)

    def _tell_room(self) -> None:
        worn = self._wear.is_worn
        free = 0 if worn else max(0, self.runner.capacity - len(self._inbox))
        room = Room(free, self._submits, self._cancels, worn)
        if room != self._room:
            self._room = room
            self.line.send(room)
