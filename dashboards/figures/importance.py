"""How much each hyperparameter matters within its method: bars of the share of the score's variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.appearance import appearance
from dashboards.figure_layout import layout, say
from dashboards.figure_source import Importance, Source
from dashboards.points import plotly_text

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw(source: Source) -> go.Figure:
    """Draw what `sweeps.importances` found."""
    return plot_importances(source.importances() if source.sweep else [], source.name)


def plot_importances(importances: Sequence[Importance], title: str) -> go.Figure:
    """Draw a bar for each hyperparameter, the methods below each other, their largest shares on top."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=layout(title, "Share of the variance of the score that it explains (%)", ""))
    if not importances:
        return say(figure, "no method has enough completed configurations")
    for method in dict.fromkeys(each.method for each in importances):
        mine = [each for each in importances if each.method == method]
        name = f"{mine[0].title} ({mine[0].n} configurations)"
        figure.add_trace(
            go.Bar(
                orientation="h",
                # The same name in two methods is two bars: the axis has two levels.
                y=[[plotly_text(mine[0].title)] * len(mine), [plotly_text(m.hyperparameter) for m in mine]],
                x=[100 * each.share for each in mine],
                name=plotly_text(name),
                text=[f"{100 * each.share:.0f}" for each in mine],
                textposition="outside",
                cliponaxis=False,
                marker={"color": appearance(method).color},
                hoverinfo="text",
                hovertext=[f"{plotly_text(m.hyperparameter)}: {100 * m.share:.1f}%" for m in mine],
            )
        )
    figure.update_xaxes(type="linear", range=(0, 105))
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, dividercolor="#ECECEC")
    return figure
