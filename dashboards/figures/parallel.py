"""Parallel coordinates: each configuration of a method as a line through its hyperparameters to its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dashboards.appearance import method_order
from dashboards.figure_layout import GREY, INK, panels, say, score_axis, score_scale
from dashboards.figure_source import Source
from dashboards.points import plotly_text, with_subscripts
from dashboards.printing import print_count, print_lr, print_score
from dashboards.replicates import Replicates, replicates
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff import MOST_DRAWN_AS_SVG
from storage.records import TrialRecord, Value

if TYPE_CHECKING:
    import plotly.graph_objects as go

SCALE = "Viridis_r"
"""Even steps of lightness, which also a black and white print shows; the best is the darkest."""
_ROW_PX, _GAP_PX, _MARGINS_PX = 240, 75, 135
_MOST_TICKS, _SHADES = 6, 12
_MUTE = {"hoverinfo": "skip", "showlegend": False}


@dataclass(frozen=True)
class Axis:
    """A hyperparameter's axis: where each configuration crosses it, and what is written where."""

    name: str
    values: tuple[float, ...]
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class MethodLines:
    """A method's configurations: `scores` as stored go with the values of each axis."""

    method: str
    title: str
    axes: tuple[Axis, ...]
    scores: tuple[float, ...]


def method_lines(trials: Sequence[TrialRecord]) -> list[MethodLines]:
    """Return the lines of each method with two configurations or more, methods in the paper's order.

    An axis stands for what varies: hyperparameters by name, the learning rate, then trainable parameters.
    Numbers that span a factor of ten stand in their logarithm, texts and switches by their place.
    """
    by_method: dict[str, list[Replicates]] = {}
    for group in replicates(trials):
        by_method.setdefault(group.first.method, []).append(group)
    return [
        MethodLines(method, groups[0].first.title, tuple(_axes(groups)), tuple(g.score for g in groups))
        for method, groups in sorted(by_method.items(), key=lambda item: method_order(item[0]))
        if len(groups) > 1
    ]


def draw(source: Source) -> go.Figure:
    """Draw the lines of a sweep."""
    sweep = source.sweep
    return plot_parallel(method_lines(source.own), source.name, sweep.task, sweep.metric)


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
    for row, lines in enumerate(found, start=1):
        _add_row(figure, row, lines, scale, (min(every), max(every)), score_axis(task, metric))
    figure.update_yaxes(visible=False, range=(-0.06, 1.06))
    figure.update_xaxes(showgrid=False, showline=False, ticks="")
    colors = {"colorscale": SCALE, "cmin": min(every), "cmax": max(every), "showscale": True, "opacity": 0}
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
    figure.update_layout(height=height, showlegend=False)
    return figure


def _add_row(
    figure: go.Figure, row: int, lines: MethodLines, scale: float, ends: tuple[float, float], score: str
) -> None:
    import plotly.graph_objects as go
    from plotly.colors import sample_colorscale

    drawn = [scale * each for each in lines.scores]
    ticks = [ends[0] + (ends[1] - ends[0]) * i / 4 for i in range(5)]
    axes = [*lines.axes, Axis(score, tuple(drawn), tuple(ticks), tuple(f"{tick:.3g}" for tick in ticks))]
    heights = [_heights(axis, axis.ticks[0], axis.ticks[-1]) for axis in axes]
    trace = go.Scattergl if len(drawn) > MOST_DRAWN_AS_SVG else go.Scatter
    # As many lines as there are configurations would be too many traces: a trace for each shade.
    for shade, members in sorted(_shades(drawn, ends).items()):
        x: list[float | None] = []
        y: list[float | None] = []
        for at in members:
            x += [*range(len(axes)), None]
            y += [*(values[at] for values in heights), None]
        color = sample_colorscale(SCALE, [(shade + 0.5) / _SHADES])[0]
        opacity = max(0.15, min(0.8, 60 / len(drawn)))
        line = {"color": color, "width": 1.6}
        figure.add_trace(
            trace(x=x, y=y, mode="lines", line=line, opacity=opacity, hoverinfo="skip"), row=row, col=1
        )
    figure.add_trace(go.Scatter(**_ticks(axes)), row=row, col=1)
    names = [with_subscripts(axis.name) for axis in axes]
    figure.update_xaxes(
        tickvals=[*range(len(axes))], ticktext=names, range=(-0.35, len(axes) - 0.8), row=row, col=1
    )


def _ticks(axes: Sequence[Axis]) -> dict[str, Any]:
    """The axes themselves as vertical lines, what is written at them as text on their left."""
    x: list[float | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for at, axis in enumerate(axes):
        places = _heights(Axis(axis.name, axis.ticks, (), ()), axis.ticks[0], axis.ticks[-1])
        x += [*([at] * len(places)), None]
        y += [*places, None]
        text += [*(f"{plotly_text(label)}\u2002" for label in axis.labels), ""]
    look = {"line": {"color": GREY, "width": 1.2}, "textfont": {"size": 11, "color": INK}}
    return {
        "x": x,
        "y": y,
        "text": text,
        "mode": "lines+text",
        "textposition": "middle left",
        **look,
        **_MUTE,
    }


def _heights(axis: Axis, low: float, high: float) -> list[float]:
    """Where the values stand between the axis's ends, from 0 to 1."""
    return [(value - low) / (high - low) if high > low else 0.5 for value in axis.values]


def _shades(scores: Sequence[float], ends: tuple[float, float]) -> dict[int, list[int]]:
    """The configurations of each shade, the worst first."""
    shades: dict[int, list[int]] = {}
    for at, score in enumerate(scores):
        share = (score - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5
        shades.setdefault(min(int(share * _SHADES), _SHADES - 1), []).append(at)
    return shades


def _axes(groups: Sequence[Replicates]) -> list[Axis]:
    keys = sorted({key for group in groups for key in group.first.hyperparameters})
    columns: dict[str, list[Value]] = {
        key: [group.first.hyperparameters.get(key) for group in groups] for key in keys
    }
    columns.setdefault("lr", [group.first.lr for group in groups])
    columns["parameters"] = [group.first.trainable_params for group in groups]
    return [_axis(key, values) for key, values in columns.items() if len({repr(v) for v in values}) > 1]


def _axis(name: str, values: Sequence[Value]) -> Axis:
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not all(map(math.isfinite, numbers)):
        texts = sorted({str(v) for v in values})
        places = {text: float(place) for place, text in enumerate(texts)}
        return Axis(name, tuple(places[str(v)] for v in values), tuple(places.values()), tuple(texts))
    is_log = min(numbers) > 0 and max(numbers) / min(numbers) >= 10
    at = [math.log10(n) if is_log else n for n in numbers]
    known = sorted(set(at))
    if len(known) > _MOST_TICKS or _too_close(known):
        known = [known[0] + (known[-1] - known[0]) * i / (_MOST_TICKS - 1) for i in range(_MOST_TICKS)]
    shown = [10**tick if is_log else tick for tick in known]
    if all(n.is_integer() for n in numbers):
        shown = sorted({float(round(n)) for n in shown})
        known = [math.log10(n) if is_log else n for n in shown]
    return Axis(name, tuple(at), tuple(known), tuple(_label(name, n) for n in shown))


def _too_close(ticks: Sequence[float]) -> bool:
    nearest = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return nearest < 0.09 * (ticks[-1] - ticks[0])


def _label(name: str, value: float) -> str:
    if name == "parameters":
        return print_count(round(value))
    return print_lr(value) if name.split(".")[-1] == "lr" else f"{value:.3g}"
