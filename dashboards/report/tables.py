"""Tables of the report: cells as text, capped so that a sweep of 100,000 trials stays a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_ROWS = 50
_NUMBER = re.compile(r"[-+]?[\d.,]+(e-?\d+)?[%B,]*")
_BESIDE_NUMBERS = frozenset("± - ✓ to and more of M k G s min h days p = < p, not known".split())
"""What may stand in a column of numbers."""


@dataclass(frozen=True)
class Table:
    """`rows` are the first of `n_rows`; `bold` holds (row, column)."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_rows: int
    bold: frozenset[tuple[int, int]] = frozenset()
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds nothing but numbers, which stand on the right."""
        return [at > 0 and all(_is_number(row[at]) for row in self.rows) for at in range(len(self.headings))]


def table(
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    bold: set[tuple[int, int]] | None = None,
    note: str = "",
    most: int = MOST_ROWS,
) -> Table:
    """Return a table of the first rows, at most so many."""
    shown = tuple(tuple(row) for row in rows[:most])
    return Table(caption, tuple(headings), shown, len(rows), frozenset(bold or ()), note)


def _is_number(cell: str) -> bool:
    return all(word in _BESIDE_NUMBERS or _NUMBER.fullmatch(word) for word in cell.split())
