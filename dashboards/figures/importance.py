"""How much each hyperparameter matters within its method: bars of the share of the score's variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.appearance import appearance
from dashboards.figure_layout import layout, say
from dashboards.figure_source import Importance, Source
from dashboards.points import plotly_text, with_subscripts
from dashboards.text_alternative import TextAlternative

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Which hyperparameters matter"


def draw(source: Source) -> go.Figure:
    """Draw what `sweeps.importances` found."""
    return plot_importances(source.importances() if source.sweep else [], TITLE)


def in_words(source: Source) -> TextAlternative:
    """Say what matters most in each method."""
    found = source.importances()
    most: dict[str, Importance] = {}
    for each in found:
        most.setdefault(each.title, each)
    parts = [f"{title} {each.hyperparameter} ({each.share:.0%})" for title, each in most.items()]
    sentence = (
        "How much of the score's variance within a method each hyperparameter explains alone. Most: "
        f"{', '.join(parts)}."
    )
    rows = [(each.title, each.hyperparameter, f"{each.share:.0%}", f"{each.n:,}") for each in found]
    return TextAlternative(sentence, ("Method", "Hyperparameter", "Share", "Configurations"), rows)


def plot_importances(importances: Sequence[Importance], title: str) -> go.Figure:
    """Draw a bar for each hyperparameter, the methods below each other, their largest shares on top."""
    import plotly.graph_objects as go

    figure = go.Figure(
        layout=layout(title, "Share of the variance of the score that it explains alone (%)", "")
    )
    if not importances:
        return say(figure, "no method has eight completed configurations that differ in what was searched")
    for method in dict.fromkeys(each.method for each in importances):
        mine = [(at, each) for at, each in enumerate(importances) if each.method == method]
        first = mine[0][1]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[at for at, _ in mine],
                x=[100 * each.share for _, each in mine],
                name=plotly_text(f"{first.title} ({first.n} configurations)"),
                text=[f"{100 * each.share:.0f}" for _, each in mine],
                textposition="outside",
                cliponaxis=False,
                marker={"color": appearance(method).color},
                hovertemplate="%{x:.1f}%<extra></extra>",
            )
        )
    labels = [f"{plotly_text(each.title)}  {with_subscripts(each.hyperparameter)}" for each in importances]
    figure.update_xaxes(type="linear", range=(0, 105))
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        automargin=True,
        tickvals=[*range(len(labels))],
        ticktext=labels,
    )
    figure.update_layout(height=max(360, 160 + 34 * len(labels)))
    return figure
