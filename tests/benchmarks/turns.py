"""What the benchmarks share: rounds taken in turn, medians with their spread, and rows of one table."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence

HEADINGS = "| what | measured | target | least to most |\n|---|---:|---|---|"


def rounds(default: int) -> int:
    """How often everything is measured: `default`, or $BENCH_ROUNDS for a quick look."""
    return int(os.environ.get("BENCH_ROUNDS") or default)


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(n: int, *ways: Callable[[], object]) -> list[list[float]]:
    """Seconds of each way in each of n rounds; every round takes all ways, so that what else the machine
    does meets all of them."""
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(n):
        for times, way in zip(found, ways, strict=True):
            times.append(seconds(way))
    return found


def over(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """The ratio of each round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def row(
    what: str,
    values: Sequence[float],
    unit: str = "",
    target: str = "-",
    digits: int = 2,
    counted: str = "rounds",
) -> None:
    """Print a line of the table: the median, and the least and the most of all rounds, or of what else is
    counted."""
    spread = f"{min(values):,.{digits}f} to {max(values):,.{digits}f}, {len(values)} {counted}"
    shown = f"{statistics.median(values):,.{digits}f}{unit}"
    print(f"| {what} | {shown} | {target} | {spread if len(values) > 1 else 'once'} |", flush=True)
