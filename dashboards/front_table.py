"""Configurations for a terminal: rows of Table 15 with the numbers of their trials, which commands take."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.fitted_table import FittedTable
from dashboards.imported import trial_names
from dashboards.table15 import MARK, TableRow, lines_under, table_cells

Cells = tuple[list[str], list[list[str]], set[tuple[int, int]]]


def front_cells(rows: Sequence[TableRow], score: str = "Score") -> Cells:
    """Return headings, cells and the places of the best scores; where all are on the front for certain there
    is no column of marks."""
    headings, cells, best = table_cells(rows, score=score)
    shown = len(headings) - all(line[-1] == MARK for line in cells)
    lines = [[trial_names(row.trials), *line[:shown]] for row, line in zip(rows, cells, strict=True)]
    return ["Trial", *headings[:shown]], lines, {(row, column + 1) for row, column in best}


def render_front_rows(rows: Sequence[TableRow], score: str = "Score") -> FittedTable:
    """Return the table, a line between methods."""
    return FittedTable(*front_cells(rows, score), "\n".join(lines_under(rows, "")), n_names=3)
