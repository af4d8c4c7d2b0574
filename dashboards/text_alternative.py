"""What a figure shows, for who cannot see it or wants its numbers: a sentence, and a table of its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TextAlternative:
    """A sentence made from the figure's data, and the data as a table, which may have no rows."""

    sentence: str
    headings: tuple[str, ...] = ()
    rows: Rows = ()


def several(n: int, what: str, many: str = "") -> str:
    """Return ``1 method`` or ``1,200 methods``."""
    return f"{n:,} {what if n == 1 else many or what + 's'}"
