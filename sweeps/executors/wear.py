"""When a worker has grown too large: what leaks in a library must not end a sweep in its second night."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

MOST_TIMES = 2.0
MOST_MORE_BYTES = 2**30
"""A worker may hold twice what it held after its first trial, and a GiB more. By then the base and the
libraries are loaded, so that a steady worker stays near that; twice leaves room for the larger trials that
come later (allocators keep what they once had), the GiB for small bases, whose trials differ by more than
they weigh. A leak passes any bound, and a fresh worker costs one loading of the base: rarely enough."""


def resident_bytes() -> int:
    """This process's resident memory; 0 where the system does not tell."""
    try:
        # proc(5): the second number is the resident set, in pages.
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


class Wear:
    """Compares a worker's memory after each trial with that after its first."""

    def __init__(self, measure: Callable[[], int] = resident_bytes) -> None:
        self._measure = measure
        self._first: int | None = None
        self.is_worn = False

    def trial_ended(self) -> None:
        """Measure again."""
        now = self._measure()
        if self._first is None:
            self._first = now
        self.is_worn = now > MOST_TIMES * self._first + MOST_MORE_BYTES
