"""Parallel coordinates: each configuration of a method as a line through its hyperparameters to its score."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dashboards.figure_layout import (
    BOTTOM_PX,
    GREY,
    INK,
    TOP_OF_PANELS_PX,
    panels,
    say,
    score_axis,
    score_scale,
)
from dashboards.figure_source import Source
from dashboards.parallel_axes import Axis, MethodLines, heights, method_lines, round_ticks
from dashboards.points import plotly_text, with_subscripts
from dashboards.printing import print_score
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff import MOST_DRAWN_AS_SVG

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Configurations through their hyperparameters"
SCALE = ("#E16462", "#CC4778", "#A01A9C", "#6A00A8", "#0D0887")
"""The darker part of plasma: even steps of lightness, which also a black and white print shows, and even the
lightest has a contrast of 3 to white; the best is the darkest."""
_ROW_PX, _GAP_PX, _MARGINS_PX = 270, 95, TOP_OF_PANELS_PX + BOTTOM_PX
_SHADES = 12
_NAME_CHARACTERS = 14
_WRITTEN = {
    "showarrow": False,
    "xanchor": "right",
    "xshift": -5,
    "font": {"size": 11, "color": INK},
    "bgcolor": "rgba(255, 255, 255, 0.8)",
    "borderpad": 1,
}
"""How values stand at an axis: on a ground of their own, since lines cross them."""


def draw(source: Source) -> go.Figure:
    """Draw the lines of a sweep."""
    sweep = source.sweep
    return plot_parallel(method_lines(source.own), TITLE, sweep.task, sweep.metric)


def in_words(source: Source) -> TextAlternative:
    """Say what the best line of each method goes through."""
    found, metric = method_lines(source.own), source.sweep.metric
    n = sum(len(lines.scores) for lines in found)
    sentence = (
        f"{several(n, 'configuration')} of {several(len(found), 'method')}, each a line through its "
        "hyperparameters to its score."
    )
    rows = [
        (
            lines.title,
            f"{len(lines.scores):,}",
            ", ".join(f"{axis.name} from {axis.labels[0]} to {axis.labels[-1]}" for axis in lines.axes),
            print_score(min(lines.scores), None, metric),
            print_score(max(lines.scores), None, metric),
        )
        for lines in found
    ]
    headings = ("Method", "Configurations", "Axes", "Lowest score", "Highest score")
    return TextAlternative(sentence, headings, rows)


def plot_parallel(found: Sequence[MethodLines], title: str, task: str, metric: str) -> go.Figure:
    """Draw a row of axes for each method, below each other, all lines coloured by score on one scale, the
    best on top."""
    if not found:
        return say(panels(title, 1, 1, []), "no method has two completed configurations yet")
    height = _MARGINS_PX + len(found) * _ROW_PX
    names = [f"{lines.title}, {len(lines.scores):,} configurations" for lines in found]
    spacing = {"vertical_spacing": _GAP_PX / (height - _MARGINS_PX)} if len(found) > 1 else {}
    figure = panels(title, len(found), 1, names, **spacing)
    scale = score_scale(metric)
    every = [scale * score for lines in found for score in lines.scores]
    notes = [*figure.layout.annotations]
    for row, lines in enumerate(found, start=1):
        notes += _add_row(figure, row, lines, scale, (min(every), max(every)), score_axis(task, metric))
    figure.update_yaxes(visible=False, range=(-0.06, 1.06))
    figure.update_xaxes(showgrid=False, showline=False, ticks="", tickangle=0, tickfont_size=13)
    colors: dict[str, Any] = {"cmin": min(every), "cmax": max(every), "showscale": True, "opacity": 0}
    colors["colorscale"] = [[at / (len(SCALE) - 1), color] for at, color in enumerate(SCALE)]
    colors["colorbar"] = {
        "x": 1.06,
        "thickness": 16,
        "len": 240,
        "lenmode": "pixels",
        "y": 1,
        "yanchor": "top",
    }
    figure.add_scatter(
        x=[0], y=[0], mode="markers", marker={"color": [min(every)], **colors}, hoverinfo="skip", row=1, col=1
    )
    figure.update_layout(height=height, showlegend=False, annotations=notes)
    return figure


def _add_row(
    figure: go.Figure, row: int, lines: MethodLines, scale: float, ends: tuple[float, float], score: str
) -> list[dict[str, Any]]:
    """Add a method's lines and axes; return what is to be written at them."""
    import plotly.graph_objects as go

    drawn = [scale * each for each in lines.scores]
    ticks = round_ticks(*ends)
    axes = [*lines.axes, Axis(score, tuple(drawn), ticks, tuple(f"{tick:.3g}" for tick in ticks))]
    trace = go.Scattergl if len(drawn) > MOST_DRAWN_AS_SVG else go.Scatter
    places = [heights(axis, axis.ticks) for axis in axes]
    traces = [*(trace(**line) for line in _lines(axes, drawn, ends)), go.Scatter(**_uprights(places))]
    figure.add_traces(traces, rows=[row] * len(traces), cols=[1] * len(traces))
    names = [_heading(axis.name) for axis in axes]
    figure.update_xaxes(
        tickvals=[*range(len(axes))], ticktext=names, range=(-0.4, len(axes) - 0.8), row=row, col=1
    )
    where = {"xref": f"x{row}", "yref": f"y{row}"} if row > 1 else {"xref": "x", "yref": "y"}
    return [
        {"x": at, "y": height, "text": plotly_text(label), **where, **_WRITTEN}
        for at, axis in enumerate(axes)
        for height, label in zip(places[at], axis.labels, strict=True)
    ]


def _lines(
    axes: Sequence[Axis], scores: Sequence[float], ends: tuple[float, float]
) -> Iterator[dict[str, Any]]:
    """A trace for each shade: as many as there are configurations would be too many."""
    from plotly.colors import sample_colorscale

    crossed = [heights(axis, axis.values) for axis in axes]
    for shade, members in sorted(_shades(scores, ends).items()):
        x: list[float | None] = []
        y: list[float | None] = []
        for at in members:
            x += [*range(len(axes)), None]
            y += [*(values[at] for values in crossed), None]
        color = sample_colorscale(list(SCALE), [(shade + 0.5) / _SHADES])[0]
        yield {
            "x": x,
            "y": y,
            "mode": "lines",
            "line": {"color": color, "width": 2.2 if len(scores) <= 30 else 1.6},
            "opacity": max(0.15, min(0.9, 60 / len(scores))),
            "hoverinfo": "skip",
        }


def _uprights(places: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The axes themselves, with a tick at each place where something is written."""
    x: list[float | None] = []
    y: list[float | None] = []
    for at, upright in enumerate(places):
        x += [*([at] * len(upright)), None]
        y += [*upright, None]
    look = {"color": GREY, "width": 1.2}
    tick = {"symbol": "line-ew", "size": 7, "line": look}
    return {"x": x, "y": y, "mode": "lines+markers", "line": look, "marker": tick, "hoverinfo": "skip"}


def _heading(name: str) -> str:
    """A name on as many lines as it needs not to reach its neighbours; a part's name stands above its own."""
    return "<br>".join(map(with_subscripts, textwrap.wrap(name.replace(".", " "), _NAME_CHARACTERS)))


def _shades(scores: Sequence[float], ends: tuple[float, float]) -> dict[int, list[int]]:
    """The configurations of each shade, the worst first."""
    shades: dict[int, list[int]] = {}
    for at, score in enumerate(scores):
        share = (score - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5
        shades.setdefault(min(int(share * _SHADES), _SHADES - 1), []).append(at)
    return shades
