"""Score against trainable parameters, with the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.beside import paper_points
from dashboards.figure_source import Source
from dashboards.tradeoff import tradeoff_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw(source: Source) -> go.Figure:
    """Draw all configurations of a sweep."""
    sweep = source.sweep
    paper = paper_points(sweep.task, sweep.metric) if source.paper else []
    return tradeoff_figure(source.own, source.name, paper)
