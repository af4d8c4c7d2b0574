"""The look that all figures share: font, grid, legend, and the axis of scores."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from typing import TYPE_CHECKING, Any

from dashboards.points import plotly_text, with_subscripts
from dashboards.printing import is_percent, one_line, score_title

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK, GREY, GRID = "#2B2B2B", "#6E6E6E", "#ECECEC"
NOTE_SIZE_PX = 11
TOP_OF_PANELS_PX, BOTTOM_PX = 112, 65
"""The margins above and below panels that have names."""
TITLE_PLACE = {
    "x": 0.0,
    "xref": "paper",
    "xanchor": "left",
    "y": 1.0,
    "yref": "container",
    "yanchor": "top",
    "pad": {"t": 22},
    "font": {"size": 19},
}
"""From the top, and not from the middle of a margin that the names of panels share."""


def layout(title: str, x_title: str, y_title: str) -> dict[str, Any]:
    """The look of every figure: a logarithmic x axis, a light grid, the legend on the right."""
    axis = axis_look()
    return {
        "template": "plotly_white",
        "meta": title,
        "title": {**TITLE_PLACE, "text": plotly_text(title)},
        "font": {"family": "Helvetica, Arial, 'Liberation Sans', sans-serif", "size": 14, "color": INK},
        "xaxis": {
            **axis,
            "type": "log",
            "exponentformat": "B",
            "minexponent": 0,
            "title": {"text": x_title},
        },
        "yaxis": {**axis, "title": {"text": y_title}},
        "legend": {"x": 1.02, "y": 1.0, "tracegroupgap": 0},
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"size": 13, "color": INK}},
        "margin": {"l": 75, "r": 30, "t": 84, "b": BOTTOM_PX},
    }


def of_sweep(name: str, task: str, base: str) -> str:
    """Return what stands under a figure's title: ``sweep study, task mnli on base smollm2-135m``."""
    return f"sweep {name}, task {task} on base {base}"


def say_whose(figure: go.Figure, whose: str) -> go.Figure:
    """Write under a figure's title which sweep it is of; a page's title says both."""
    figure.update_layout(
        title_subtitle={"text": plotly_text(whose), "font": {"size": 13, "color": GREY}},
        meta=f"{figure.layout.meta}: {one_line(whose)}",
    )
    return figure


def axis_look() -> dict[str, Any]:
    """The look of any axis."""
    return {
        "gridcolor": GRID,
        "linecolor": GREY,
        "showline": True,
        "ticks": "outside",
        "tickcolor": GREY,
        "zeroline": False,
    }


def panels(title: str, rows: int, columns: int, names: Sequence[str], **options: Any) -> go.Figure:
    """Return a figure of several panels with linear axes, row by row, each under its name."""
    from plotly.subplots import make_subplots

    escaped = [with_subscripts(name) for name in names]
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=escaped, **options)
    look = layout(title, "", "")
    del look["xaxis"], look["yaxis"]
    if names:
        look["margin"] = {**look["margin"], "t": TOP_OF_PANELS_PX}
    figure.update_layout(**look)
    figure.update_annotations(font_size=14)
    figure.update_xaxes(**axis_look())
    figure.update_yaxes(**axis_look())
    return figure


def score_axis(task: str, metric: str) -> str:
    """Return the title of an axis of scores, with its unit."""
    unit = " (%)" if is_percent(metric) and not metric.startswith("bleu") else ""
    return plotly_text(score_title(task, metric)) + unit


def score_scale(metric: str) -> float:
    """What a stored score is multiplied with to be drawn."""
    return 100.0 if is_percent(metric) else 1.0


def say(figure: go.Figure, text: str) -> go.Figure:
    """Write a sentence into the middle of a figure that has nothing to draw."""
    middle = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    figure.add_annotation(text=plotly_text(text), **middle)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def said_in(figure: go.Figure) -> str:
    """Return what `say` wrote into a figure."""
    return unescape(figure.layout.annotations[0].text)
