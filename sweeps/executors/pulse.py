"""A worker's signs of life, from a thread, for as long as its main thread gets on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

BEAT_S = 1.0


class Pulse:
    """Beats where the main thread has moved since the last beat.

    It has where its stack is at another place, or `turned` was called in between: a step may take long, but
    within it one function calls the next. A thread that waits for what never comes stands still, and a
    process that is stopped does not beat at all.
    """

    def __init__(self, thread: int | None = None) -> None:
        self._thread = threading.get_ident() if thread is None else thread
        self._turns = 0
        self._last: object = None

    def turned(self) -> None:
        """The main thread has gone round its loop."""
        self._turns += 1

    def moved(self) -> bool:
        """Whether the main thread has moved since this was last asked."""
        now = (self._turns, self._stack())
        moved, self._last = now != self._last, now
        return moved

    def beat(self, send: Callable[[], None], ended: Callable[[float], bool]) -> None:
        """Call `send` about once a second while the main thread gets on, until `ended(seconds to wait)`."""
        while not ended(BEAT_S):
            if self.moved():
                send()

    def _stack(self) -> tuple[tuple[int, int], ...]:
        frame = sys._current_frames().get(self._thread)
        places = []
        while frame is not None:
            places.append((id(frame.f_code), frame.f_lasti))
            frame = frame.f_back
        return tuple(places)
