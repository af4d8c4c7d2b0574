"""A worker in a process of its own; nothing here loads torch before the process sees its device alone."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from methods.errors import FrontuneError
from sweeps.executors.messages import Alive, Broken, Command, Message
from sweeps.executors.pulse import Pulse
from sweeps.executors.worker import Worker


class PipeLine:
    """The worker's end of its pipe; main thread and pulse both send."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def receive(self, timeout_s: float) -> Command | None:
        if not self._pipe.poll(timeout_s):
            return None
        command: Command = self._pipe.recv()
        return command

    def send(self, message: Message) -> None:
        with self._lock:
            self._pipe.send(message)


def work(
    pipe: Connection,
    maker: bytes,
    device: str,
    environment: Mapping[str, str],
    withheld: Sequence[str],
    log: str,
) -> None:
    """Be a worker until the driver closes the pipe; `maker` is a pickled `MakeRunner`.

    The variables `withheld` are forgotten before anything that a sweep brings with it is loaded. The driver
    itself cannot drop them while it starts a process: its threads may read them at any moment.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _write_to(log)
    for name in withheld:
        os.environ.pop(name, None)
    os.environ.update(environment)
    print(f"worker on {device}, process {os.getpid()}", flush=True)
    line, pulse = PipeLine(pipe), Pulse()
    beating = threading.Thread(target=_watch, args=(line, pulse), daemon=True)
    beating.start()
    try:
        Worker(line, pickle.loads(maker)(device), pulse).serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        line.send(broken(error))
        raise


def broken(error: Exception) -> Broken:
    """What an error that no trial is to blame for means: what Frontune says of it holds for every worker."""
    if isinstance(error, FrontuneError):
        return Broken(str(error), for_good=True)
    trace = "".join(traceback.format_exception(error))
    return Broken(f"{type(error).__name__}: {error}", trace)


def _write_to(log: str) -> None:
    """Send what is printed, by libraries in C too, to the worker's log."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _watch(line: PipeLine, pulse: Pulse) -> None:
    """Give signs of life; end the process with the driver, however that ended."""
    parent = parent_process()
    assert parent is not None
    try:
        pulse.beat(lambda: line.send(Alive()), lambda wait_s: bool(wait([parent.sentinel], wait_s)))
    finally:
        os._exit(1)
