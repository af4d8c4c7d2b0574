"""Score against the number of training examples, for a file that makes a sweep of each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.figure_source import Source
from dashboards.low_data import low_data_cells, plot_low_data
from dashboards.text_alternative import TextAlternative, several
from methods.errors import FrontuneError

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw(source: Source) -> go.Figure:
    """Draw each method's best configuration at each number of examples."""
    points = source.low_data()
    if not points:
        raise FrontuneError(f"{source.name} has no completed trial, or its numbers of examples are not known")
    return plot_low_data(points, source.name)


def in_words(source: Source) -> TextAlternative:
    """Say which method is best with how many examples."""
    points = source.low_data()
    headings, rows, best = low_data_cells(points)
    sizes = sorted({point.examples for point in points})
    tops = [f"{rows[row][0]} {rows[row][at]} with {sizes[at - 1]:,}" for row, at in sorted(best, key=_column)]
    sentence = (
        f"The score of {several(len(rows), 'method')} by the number of training examples, a line for each. "
        f"Best are {', '.join(tops)}."
    )
    return TextAlternative(sentence, tuple(headings), rows)


def _column(cell: tuple[int, int]) -> int:
    return cell[1]
