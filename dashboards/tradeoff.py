"""The trade-off plot: score against trainable parameters, and the best score that each budget buys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dashboards.figure_layout import GREY, INK, NOTE_SIZE_PX, layout, say, score_axis, score_scale
from dashboards.front_band import BandStep, front_band
from dashboards.front_labels import GAP_PX, LABEL_SIZE_PX, PLOT_PX, Axes, Line, place_labels
from dashboards.points import Point, plotly_text, pruned_points, tradeoff_points
from dashboards.printing import is_percent, print_score
from dashboards.replicates import replicates
from dashboards.tradeoff_traces import (
    band_traces,
    front_line,
    method_traces,
    paper_trace,
    pruned_traces,
)
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_DRAWN_AS_SVG = 3000
"""With more points the browser draws them by WebGL: 100,000 elements of SVG cannot be panned."""


def tradeoff_figure(
    trials: Sequence[TrialRecord],
    title: str,
    others: Sequence[Point] = (),
    untrained: float | None = None,
) -> go.Figure:
    """Draw a sweep's trials, with `others`' points beside them; `untrained` is the base's own score."""
    points = [*tradeoff_points(trials), *others]
    return plot_tradeoff(points, title, pruned_points(trials), front_band(replicates(trials)), untrained)


def plot_tradeoff(
    points: Sequence[Point],
    title: str,
    pruned: Sequence[Point] = (),
    band: Sequence[BandStep] = (),
    untrained: float | None = None,
    plot_px: tuple[float, float] = PLOT_PX,
) -> go.Figure:
    """Draw the points on a logarithmic axis of parameters, with the Pareto front as a step line.

    `pruned` trials are faint; `band` is how far the front may move (`front_band`). Points of 0 parameters
    have no place on that axis: the best of them is a dotted horizontal line instead, and so is the score of
    the `untrained` base. Labels are those for which there is room in a plot of `plot_px`.
    """
    import plotly.graph_objects as go

    first = (*points, *pruned)[0] if points or pruned else None
    y_title = score_axis(first.task, first.metric) if first else "Score"
    figure = go.Figure(layout=layout(title, "Trainable parameters", y_title))
    if first is None:
        return say(figure, "no completed trial yet")
    y_range = _y_range(points, pruned, untrained)
    figure.update_yaxes(range=y_range)
    drawn, lines = [p for p in points if p.trainable_params > 0], _lines(points, first.metric, untrained)
    params = [p.trainable_params for p in (*drawn, *pruned)]
    if params:
        figure.update_xaxes(**x_scale(params))
        figure.add_traces(_traces(drawn, pruned, band))
    if any(p.is_pareto for p in drawn):
        axes = Axes(_x_range(params), y_range, score_scale(first.metric), plot_px)
        figure.add_scatter(**_front_text(drawn, pruned, lines, axes))
    for line in lines:
        _add_line(figure, line, score_scale(first.metric))
    return figure


def x_scale(params: Sequence[int]) -> dict[str, Any]:
    """The range and the ticks of a logarithmic axis of trainable parameters."""
    low, high = _x_range(params)
    # d3's format writes 20k in full but says G for a billion; plotly's own says B but writes 20k as "2".
    tick_format = "~s" if high < 9 else ""
    # nticks is what makes plotly choose 1-10-100 on a wide axis and 1-2-5 on a narrow one, zoomed or not.
    ticks = math.ceil(high - low) if high - low > 2.8 else 4
    return {"range": (low, high), "nticks": ticks, "tickformat": tick_format}


def _traces(drawn: Sequence[Point], pruned: Sequence[Point], band: Sequence[BandStep]) -> list[Any]:
    import plotly.graph_objects as go

    crowd = len(drawn) + len(pruned) > MOST_DRAWN_AS_SVG
    marks = go.Scattergl if crowd else go.Scatter
    own = [p for p in drawn if not p.source]
    lines = [*band_traces(band, own), front_line(own)] if own else []
    traces = [go.Scatter(**line) for line in lines]
    traces += [marks(**trace) for trace in pruned_traces(pruned)]
    groups: dict[tuple[str, str, bool], list[Point]] = {}
    for point in drawn:
        key = (point.source, point.method, point.imported_from is not None)
        groups.setdefault(key, []).append(point)
    for (source, _, _), mine in groups.items():
        of_group = [paper_trace(mine)] if source else method_traces(mine, crowd)
        traces += [marks(**trace) for trace in of_group]
    return traces


def _x_range(params: Sequence[int]) -> tuple[float, float]:
    low, high = math.log10(min(params)), math.log10(max(params))
    margin = max(0.05 * (high - low), 0.15, 0.6 - 0.5 * (high - low))
    return low - margin, high + margin


def _y_range(
    points: Sequence[Point], pruned: Sequence[Point], untrained: float | None
) -> tuple[float, float]:
    every = (*points, *pruned)
    scale = score_scale(every[0].metric)
    lines = [] if untrained is None else [scale * untrained]
    low = min([*(scale * (p.score - (p.std or 0.0)) for p in every), *lines])
    high = max([*(scale * (p.score + (p.std or 0.0)) for p in every), *lines])
    # Room for a label below and above.
    margin = max(0.08 * (high - low), 0.01 * scale)
    bottom, top = low - margin, high + margin
    if is_percent(every[0].metric):
        # What cannot be is no part of the axis, but for the markers' room.
        bottom, top = max(bottom, -0.08 * top), min(top, 100 + 0.08 * (100 - bottom))
    return bottom, top


def _front_text(
    drawn: Sequence[Point], pruned: Sequence[Point], lines: Sequence[Line], axes: Axes
) -> dict[str, Any]:
    own, others = [p for p in drawn if not p.source], [p for p in drawn if p.source]
    labels = place_labels(own, [*others, *pruned], axes, lines)
    return {
        "x": [label.point.trainable_params for label in labels],
        "y": [axes.scale * label.point.score for label in labels],
        # The invisible marker is what plotly keeps the text away from.
        "mode": "markers+text",
        "marker": {"opacity": 0, "size": GAP_PX},
        "text": [label.text for label in labels],
        "textposition": [label.side for label in labels],
        "textfont": {"size": LABEL_SIZE_PX, "color": INK},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _lines(points: Sequence[Point], metric: str, untrained: float | None) -> list[Line]:
    """What to compare with: the best full fine-tuning, and the base as it is."""
    found = []
    full = [p for p in points if p.method == "fine_tune" and not p.source]
    if full and len(full) < len(points):
        best = max(full, key=lambda p: p.score)
        found.append(Line(best.score, f"{best.title}: {_score(best)}", "dash", "top left"))
    of_nothing = max((p for p in points if p.trainable_params == 0), key=lambda p: p.score, default=None)
    if untrained is not None:
        text = f"Untrained base: {print_score(untrained, None, metric)}"
        found.append(Line(untrained, text, "dot", "bottom right"))
    elif of_nothing is not None:
        text = f"0 parameters: {_score(of_nothing)}"
        found.append(Line(of_nothing.score, text, "dot", "bottom right"))
    return found


def _add_line(figure: go.Figure, line: Line, scale: float) -> None:
    figure.add_hline(
        y=scale * line.score,
        line={"color": GREY, "width": 1.2, "dash": line.dash},
        annotation_text=plotly_text(line.text),
        annotation_position=line.position,
        annotation_font={"size": NOTE_SIZE_PX, "color": GREY},
    )


def _score(point: Point) -> str:
    return print_score(point.score, point.std, point.metric)
