"""Score against the number of training examples, for a file that makes a sweep of each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.figure_source import Source
from dashboards.low_data import plot_low_data
from methods.errors import FrontuneError

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw(source: Source) -> go.Figure:
    """Draw each method's best configuration at each number of examples."""
    points = source.low_data()
    if not points:
        raise FrontuneError(f"{source.name} has no completed trial, or its numbers of examples are not known")
    return plot_low_data(points, source.name)
