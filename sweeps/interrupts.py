"""Ctrl-C and SIGTERM interrupt a sweep alike, and never in the middle of what must be done as a whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def terminable() -> Iterator[None]:
    """Within it SIGTERM raises KeyboardInterrupt, as Ctrl-C does."""
    with _handled((signal.SIGTERM,), _interrupt):
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Within it an interruption waits; KeyboardInterrupt comes at the end."""
    came: list[int] = []
    with _handled(SIGNALS, lambda number, frame: came.append(number)):
        yield
    if came:
        raise KeyboardInterrupt


@contextmanager
def kept() -> Iterator[None]:
    """Signals mean afterwards what they meant before, whatever a library makes of them within it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _handled(signals: tuple[signal.Signals, ...], handler: signal._HANDLER) -> Iterator[None]:
    # Python lets only the main thread set handlers, and runs them only there.
    mine = signals if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, handler) for number in mine}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
