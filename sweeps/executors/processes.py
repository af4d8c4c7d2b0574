"""The executor of one machine: a spawned process for each device."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from sweeps.executors.base import MakeRunner
from sweeps.executors.crew import Crew
from sweeps.executors.devices import confined
from sweeps.executors.messages import Close, Command, Gone, Message, Room
from sweeps.executors.staff import Hand
from sweeps.executors.withheld import withheld
from sweeps.executors.worker_process import work


class ProcessHand:
    """One worker's process, and the pipe to it."""

    # It takes seconds to start; the first trial's plan need not wait for that.
    first_room = Room(1)

    def __init__(self, name: str, log: Path, process: SpawnProcess, pipe: Connection) -> None:
        self._name, self._log, self._process, self.pipe = name, log, process, pipe

    @property
    def name(self) -> str:
        return self._name

    def send(self, command: Command) -> None:
        with suppress(OSError):
            self.pipe.send(command)

    def end(self, patience_s: float) -> None:
        if patience_s > 0:
            self.send(Close())
            self._process.join(patience_s)
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def heard(self) -> list[Message]:
        """All that is in the pipe."""
        messages: list[Message] = []
        try:
            while self.pipe.poll():
                messages.append(self.pipe.recv())
        except (EOFError, OSError, pickle.UnpicklingError):
            messages.append(Gone(self._how_it_ended()))
        return messages

    def _how_it_ended(self) -> str:
        self._process.join(1)
        code = self._process.exitcode
        if code is None:
            return f"closed its pipe; its log is {self._log}"
        if code == -signal.SIGKILL:
            return f"was killed, as by a system that is out of memory; its log is {self._log}"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}; its log is {self._log}"
        return f"ended with exit code {code}; its log is {self._log}"


class ProcessStaff:
    """Spawns workers, one for each of `devices`; each writes what it prints to `logs`/worker-N.log."""

    def __init__(self, make_runner: MakeRunner, devices: Sequence[str], logs: Path) -> None:
        # Spawned, not forked: neither CUDA nor torch's threads survive a fork.
        self._context = get_context("spawn")
        # Pickled once, and unpickled where the environment is ready: it may load torch.
        self._maker = pickle.dumps(make_runner)
        self._devices, self._logs = list(devices), logs

    def places(self) -> Sequence[int]:
        return range(len(self._devices))

    def hire(self, place: int) -> ProcessHand:
        device, environment = confined(self._devices, place)
        log = self._logs / f"worker-{place}.log"
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=work,
            args=(theirs, self._maker, device, environment, withheld(os.environ), str(log)),
            name=f"frontune-worker-{place}",
            daemon=True,
        )
        with _sigint_blocked():
            process.start()
        # With our copy open the pipe would not end when the worker does.
        theirs.close()
        return ProcessHand(f"worker {place} on {self._devices[place]}", log, process, mine)

    def listen(self, hands: Sequence[Hand], timeout_s: float) -> Mapping[Hand, list[Message]]:
        by_pipe = {hand.pipe: hand for hand in hands if isinstance(hand, ProcessHand)}
        ready = wait(list(by_pipe), timeout_s)
        return {hand: hand.heard() for pipe, hand in by_pipe.items() if pipe in ready}


def process_crew(make_runner: MakeRunner, devices: Sequence[str], logs: Path, timeout_s: float) -> Crew:
    """Return an executor with a worker for each device."""
    logs.mkdir(parents=True, exist_ok=True)
    return Crew(ProcessStaff(make_runner, devices, logs), timeout_s)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """A child inherits the mask: Ctrl-C does not reach it before it has said that it ignores it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
