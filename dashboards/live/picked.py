"""Picked trials: their numbers as text, their CSV, and their points in the figure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dashboards.pareto_csv import trial_values, values_csv
from methods.errors import FrontuneError
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_PICKED = 100_000


def numbers_of(text: str) -> frozenset[int]:
    """Return the numbers in ``3, 7-9, i1``, what was imported as negative ones; raises FrontuneError where it
    is no such list."""
    found: set[int] = set()
    for part in filter(None, re.split(r"[,\s]+", text.strip())):
        span = re.fullmatch(r"(i?)(\d{1,9})(?:[-–]\1(\d{1,9}))?", part)
        if span is None:
            raise FrontuneError(f"{part!r} is no trial's number; wanted numbers such as 3, 7-9")
        first, last = int(span[2]), int(span[3] or span[2])
        if last - first >= MOST_PICKED:
            raise FrontuneError(f"{part!r} are more than {MOST_PICKED:,} trials; wanted fewer")
        found.update(-n if span[1] else n for n in range(first, last + 1))
    return frozenset(found)


def numbers_at(event: Mapping[str, Any] | None) -> frozenset[int]:
    """Return the trials of the points in what the figure tells of a click or a selection."""
    points = (event or {}).get("points") or ()
    return frozenset(int(number) for point in points for number in point.get("customdata") or ())


def picked_csv(trials: Sequence[TrialRecord], numbers: Collection[int]) -> str:
    """Return the rows that `frontune pareto --all --csv` has for these trials, under its header.

    What a row says of its configuration is of all the sweep's trials, picked or not.
    """
    columns, rows = trial_values([trials], front_only=False)
    at = columns.index("trial")
    return values_csv(columns, [row for row in rows if row[at] in numbers])


def mark_picked(figure: go.Figure, numbers: Collection[int]) -> None:
    """Have the points of picked trials stand out, where there are any."""
    if not numbers:
        return
    for trace in figure.data:
        if trace.customdata is not None:
            trace.selectedpoints = list(_places(trace.customdata, numbers))


def _places(points: Sequence[Sequence[int]], numbers: Collection[int]) -> Iterator[int]:
    return (place for place, own in enumerate(points) if any(number in numbers for number in own))
