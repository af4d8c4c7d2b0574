"""A CSV of results that were trained elsewhere, read strictly: what another workspace wrote, or a hand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dashboards.pareto_csv import text_in_csv
from dashboards.printing import one_line
from methods.errors import FrontuneError

REQUIRED = ("method", "trainable_params", "score")
LARGEST = 2**63
"""No column of the ledger holds more."""


@dataclass(frozen=True)
class ResultRow:
    """A row's texts by column, empty ones left out; its number is a spreadsheet's, where the header is row 1.

    Every method raises FrontuneError, which names the row, for what is not there or not as it should be.
    """

    number: int
    cells: Mapping[str, str]

    def error(self, problem: str) -> FrontuneError:
        """Return what to raise."""
        return FrontuneError(f"row {self.number}: {problem}")

    def whole(self, column: str) -> int | None:
        """Return a count, None where the cell is empty; ``512.0``, as data frames write it, is one."""
        value = self.number_in(column)
        if value is not None and not value.is_integer():
            raise self.error(f"{column} is {self.cells[column]!r}, wanted a whole number")
        # Not by way of a float, which would round it.
        text = self.cells.get(column, "")
        return None if value is None else int(text) if text.isdecimal() else int(value)

    def number_in(self, column: str) -> float | None:
        """Return a number of at least 0 and less than `LARGEST`, None where the cell is empty."""
        text = self.cells.get(column)
        if text is None:
            return None
        value = as_number(text)
        if value is not None and value >= LARGEST:
            raise self.error(f"{column} is {text!r}, wanted a number below {LARGEST:,}")
        if value is None or value < 0:
            raise self.error(f"{column} is {text!r}, wanted a number of at least 0")
        return float(value)


def as_number(text: str) -> int | float | None:
    """Return the number that a text is; None where it is none, or not finite."""
    if not text.isascii() or not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?", text):
        return None
    if re.fullmatch(r"[-+]?\d{1,19}", text):
        return int(text)
    value = float(text)
    return value if abs(value) != float("inf") else None


def read_results(file: Path) -> list[ResultRow]:
    """Return the rows of a CSV in UTF-8 with a header; raises FrontuneError where it cannot be read as such,
    has no row, or lacks a column of `REQUIRED`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        lines = list(enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1))
    except UnicodeDecodeError as error:
        raise FrontuneError(f"it cannot be read: it is not in UTF-8, at byte {error.start}") from error
    except (OSError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FrontuneError(f"it cannot be read: {why}") from error
    if "\0" in text:
        raise FrontuneError("it cannot be read: it is no text")
    lines = [(number, line) for number, line in lines if any(line)]
    if not lines:
        raise FrontuneError(f"it is empty; wanted a header with {', '.join(REQUIRED)}, and rows")
    header = [text_in_csv(name.strip()) for name in lines[0][1]]
    _check(header)
    rows = [_row(number, header, line) for number, line in lines[1:]]
    if not rows:
        raise FrontuneError("it has a header and no row")
    return rows


def _check(header: list[str]) -> None:
    if len(header) == 1 and (other := next((each for each in ";\t|" if each in header[0]), None)):
        raise FrontuneError(f"its columns are parted by {other!r}; wanted commas")
    if missing := [name for name in REQUIRED if name not in header]:
        known = one_line(", ".join(header))
        raise FrontuneError(f"it has no column {' and no '.join(missing)}; its columns: {known}")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise FrontuneError(f"column {twice[0]!r} stands twice in it")


def _row(number: int, header: list[str], line: list[str]) -> ResultRow:
    if len(line) != len(header):
        raise FrontuneError(
            f"row {number}: it has {len(line)} cells, wanted {len(header)}, as the header has"
        )
    cells = {name: text_in_csv(cell.strip()) for name, cell in zip(header, line, strict=True)}
    row = ResultRow(number, {name: cell for name, cell in cells.items() if cell})
    if missing := [name for name in REQUIRED if name not in row.cells and _is_whole(row)]:
        raise row.error(f"{missing[0]} is missing")
    return row


def _is_whole(row: ResultRow) -> bool:
    """A trial that did not come to its end, as another workspace tells, may have no score."""
    return row.cells.get("state", "complete") == "complete"
