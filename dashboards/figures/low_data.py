"""Score against the number of training examples, for a file that makes a sweep of each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.figure_source import Source
from dashboards.low_data import low_data_cells, plot_low_data
from dashboards.text_alternative import TextAlternative, several
from methods.errors import FrontuneError

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Score by number of training examples"


def draw(source: Source) -> go.Figure:
    """Draw each method's best configuration at each number of examples; raises FrontuneError where there are
    not several."""
    points, sizes = source.low_data(), sizes_of(source)
    if not sizes:
        raise FrontuneError(f"{source.name} has no completed trial, or its numbers of examples are not known")
    if len(sizes) == 1:
        raise FrontuneError(
            "the figure low_data needs trials on two or more numbers of training examples, "
            f"{source.name} has them on {sizes[0]:,} alone; a list of task.train_examples makes a sweep "
            "of each"
        )
    return plot_low_data(points, TITLE)


def sizes_of(source: Source) -> list[int]:
    """Return the numbers of training examples that there are scores of."""
    return sorted({point.examples for point in source.low_data() if not point.source})


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
