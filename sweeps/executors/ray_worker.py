"""A worker as a Ray actor: it shares no disk with the driver, so trials' files travel with what is told."""

from __future__ import annotations

import pickle
import queue
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sweeps.executors.base import MakeRunner
from sweeps.executors.messages import Alive, Cancel, Close, Command, Happened, Message, Submit
from sweeps.executors.pulse import Pulse
from sweeps.executors.worker import Worker
from sweeps.executors.worker_process import broken
from sweeps.trial import Failed, Finished, Rung, TrialEvent, TrialSpec


class FilesLine:
    """The worker's end: puts trials' files where this machine has room, and from there into messages."""

    def __init__(self, folder: Path) -> None:
        self.commands: queue.Queue[Command] = queue.Queue()
        self.messages: queue.Queue[Message] = queue.Queue()
        self._folder = folder
        self._trials: dict[int, TrialSpec] = {}

    def receive(self, timeout_s: float) -> Command | None:
        try:
            command = self.commands.get(timeout=timeout_s) if timeout_s else self.commands.get_nowait()
        except queue.Empty:
            return None
        if isinstance(command, Submit):
            return self._here(command)
        if isinstance(command, Cancel):
            self._forget(command.ticket)
        return command

    def send(self, message: Message) -> None:
        if isinstance(message, Happened):
            message = self._with_file(message)
        self.messages.put(message)

    def _here(self, command: Submit) -> Submit:
        """The trial with its files in this machine's folder, that of its last rung among them."""
        adapter, state = (self._folder / f"{kind}-{command.ticket}" for kind in ("adapter", "state"))
        if command.state is not None:
            # Without room for it the trial begins anew.
            with suppress(OSError):
                state.write_bytes(command.state)
        checkpoint = str(state) if command.trial.checkpoint_file else ""
        trial = replace(command.trial, adapter_file=str(adapter), checkpoint_file=checkpoint)
        self._trials[command.ticket] = trial
        return Submit(command.ticket, trial)

    def _with_file(self, message: Happened) -> Happened:
        trial, event = self._trials[message.ticket], message.event
        if isinstance(event, Rung):
            return replace(message, file=_content(trial.checkpoint_file))
        if isinstance(event, Finished):
            message = replace(message, file=_content(trial.adapter_file))
        if isinstance(event, Finished | Failed):
            self._forget(message.ticket)
        return replace(message, event=_told_elsewhere(event))

    def _forget(self, ticket: int) -> None:
        if trial := self._trials.pop(ticket, None):
            for file in (trial.adapter_file, trial.checkpoint_file):
                if file:
                    Path(file).unlink(missing_ok=True)


class RayWorker:
    """What Ray runs: the worker in a thread of its own, and who passes on commands and messages."""

    def __init__(self, maker: bytes, device: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="frontune-")
        self._line = FilesLine(Path(self._folder.name))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(maker, device), daemon=True)
        self._thread.start()

    def tell(self, command: Command) -> None:
        """A command, in the order given."""
        self._line.commands.put(command)

    def listen(self, timeout_s: float) -> list[Message]:
        """Return what the worker said since; where it said nothing, wait so long."""
        messages: list[Message] = []
        try:
            messages.append(self._line.messages.get(timeout=timeout_s))
            while True:
                messages.append(self._line.messages.get_nowait())
        except queue.Empty:
            return messages

    def end(self, patience_s: float) -> None:
        """Close, and return once the worker has ended."""
        self._line.commands.put(Close())
        self._thread.join(patience_s)
        self._folder.cleanup()

    def _work(self, maker: bytes, device: str) -> None:
        pulse = Pulse()
        beating = threading.Thread(target=self._beat, args=(pulse,), daemon=True)
        beating.start()
        try:
            make_runner: MakeRunner = pickle.loads(maker)
            Worker(self._line, make_runner(device), pulse).serve()
        except Exception as error:
            self._line.send(broken(error))
        finally:
            self._ended.set()

    def _beat(self, pulse: Pulse) -> None:
        pulse.beat(lambda: self._line.send(Alive()), self._ended.wait)


def _content(file: str) -> bytes | None:
    """What a trial wrote; None where this machine had no room for it."""
    path = Path(file)
    return path.read_bytes() if path.is_file() else None


def _told_elsewhere(event: TrialEvent) -> TrialEvent:
    """The driver can wait for room on its own disk, not on this one: it should try elsewhere."""
    if isinstance(event, Failed) and event.kind == "no_space":
        return replace(event, reason=f"on its worker's machine: {event.reason}", kind="error")
    return event
