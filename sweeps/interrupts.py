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


class _HoldingBack:
    """A signal handler that notes that an interruption came."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True


@contextmanager
def held_back() -> Iterator[None]:
    """Within it an interruption waits; KeyboardInterrupt comes at the end, of the outermost of several."""
    if _holding_back() is not None:
        yield
        return
    handler = _HoldingBack()
    with _handled(SIGNALS, handler):
        yield
    if handler.came:
        raise KeyboardInterrupt


@contextmanager
def let_through() -> Iterator[None]:
    """Within it an interruption comes at once, also one that was held back before: for a wait between two
    attempts at what is done as a whole or not at all."""
    outer = _holding_back()
    if outer is None:
        yield
        return
    if outer.came:
        raise KeyboardInterrupt
    with _handled(SIGNALS, _interrupt):
        yield


def _holding_back() -> _HoldingBack | None:
    handler = signal.getsignal(signal.SIGINT)
    is_mine = threading.current_thread() is threading.main_thread()
    return handler if is_mine and isinstance(handler, _HoldingBack) else None


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
