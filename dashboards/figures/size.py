"""Score against rank, bottleneck or prefix length within each method: does more of it help?"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.appearance import appearance, method_order
from dashboards.figure_layout import BOTTOM_PX, TOP_OF_PANELS_PX, panels, say, score_axis, score_scale
from dashboards.figure_source import Source
from dashboards.points import Point, points_of, with_subscripts
from dashboards.printing import print_score
from dashboards.replicates import replicates
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff import MOST_DRAWN_AS_SVG
from storage.records import TrialRecord, Value

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Score by rank, bottleneck or length"
_RANK = re.compile(r"\br_[a-z]+$")
_NO_SIZES = frozenset(("alpha", "batch_size", "steps", "epochs", "warmup_steps", "warmup_tokens"))
_COLUMNS = 3
_PANEL_PX, _BETWEEN_PX, _MARGINS_PX = 280, 90, TOP_OF_PANELS_PX + BOTTOM_PX


@dataclass(frozen=True)
class SizePanel:
    """A method's points by one of its sizes; `sizes` goes with `points`.

    `best` holds the best point at each size, as (size, score as stored).
    """

    method: str
    title: str
    size: str
    sizes: tuple[int, ...]
    points: tuple[Point, ...]
    best: tuple[tuple[int, float], ...]

    @property
    def peak(self) -> int:
        """The size with the best score of all, the smallest of several."""
        return max(self.best, key=lambda each: (each[1], -each[0]))[0]


def size_panels(trials: Sequence[TrialRecord]) -> list[SizePanel]:
    """Return a panel for each method and whole-number hyperparameter that varies, in the paper's order.

    LoRA's ranks are one size, the largest of its matrices'; of a sum, each part's sizes are its own.
    """
    groups = replicates(trials)
    sizes = {g.first.config_hash: sizes_of(g.first.hyperparameters) for g in groups}
    found: dict[tuple[str, str], list[tuple[int, Point]]] = {}
    for point in points_of(groups):
        for name, size in sizes[point.config_hash].items():
            found.setdefault((point.method, name), []).append((size, point))
    return [
        _panel(name, drawn)
        for (_, name), drawn in sorted(found.items(), key=lambda item: (method_order(item[0][0]), item[0][1]))
        if len({size for size, _ in drawn}) > 1
    ]


def sizes_of(hyperparameters: Mapping[str, Value]) -> dict[str, int]:
    """Return what makes a configuration large, by name: ``{"r": 8}``, ``{"l_p": 4, "l_i": 0}``."""
    sizes: dict[str, int] = {}
    for key, value in hyperparameters.items():
        if isinstance(value, int) and not isinstance(value, bool) and key.split(".")[-1] not in _NO_SIZES:
            name = _RANK.sub("r", key)
            sizes[name] = max(sizes.get(name, 0), value)
    return sizes


def draw(source: Source) -> go.Figure:
    """Draw the panels of a sweep."""
    return plot_sizes(size_panels(source.own), TITLE)


def in_words(source: Source) -> TextAlternative:
    """Say at which size each method is best."""
    found = size_panels(source.own)
    peaks = [f"{panel.title} at {panel.size} = {panel.peak}" for panel in found]
    n_panels = several(len(found), "panel")
    sentence = f"The score by size within each method, in {n_panels}. Best are {', '.join(peaks)}."
    rows = [
        (panel.title, panel.size, str(size), print_score(score, None, panel.points[0].metric))
        for panel in found
        for size, score in panel.best
    ]
    return TextAlternative(sentence, ("Method", "Size", "Value", "Best mean score"), rows)


def plot_sizes(found: Sequence[SizePanel], title: str) -> go.Figure:
    """Draw a panel for each size: all configurations, and a line through the best at each size, its peak
    ringed."""
    import plotly.graph_objects as go

    if not found:
        return say(panels(title, 1, 1, []), "no method has configurations of different size yet")
    rows, columns = math.ceil(len(found) / _COLUMNS), min(_COLUMNS, len(found))
    names = [f"{panel.title}, best at {panel.size} = {panel.peak}" for panel in found]
    height = max(420, _MARGINS_PX + _PANEL_PX * rows)
    spacing = {"vertical_spacing": _BETWEEN_PX / (height - _MARGINS_PX), "horizontal_spacing": 0.05}
    figure = panels(title, rows, columns, names, shared_yaxes="all", **spacing)
    for at, panel in enumerate(found):
        place = {"row": at // _COLUMNS + 1, "col": at % _COLUMNS + 1}
        every, best = _traces(panel)
        marks = go.Scatter
        if len(panel.points) > MOST_DRAWN_AS_SVG:
            marks, every["error_y"] = go.Scattergl, None
        figure.add_traces(
            [marks(**every), go.Scatter(**best)],
            rows=[place["row"]] * 2,
            cols=[place["col"]] * 2,
        )
        figure.update_xaxes(title=with_subscripts(panel.size), **_axis(panel), **place)
        figure.update_yaxes(showticklabels=place["col"] == 1, **place)
    first = found[0].points[0]
    for row in range(1, rows + 1):
        figure.update_yaxes(title=score_axis(first.task, first.metric), row=row, col=1)
    figure.update_layout(showlegend=False, height=height)
    return figure


def _panel(name: str, drawn: Sequence[tuple[int, Point]]) -> SizePanel:
    best: dict[int, float] = {}
    for size, point in drawn:
        best[size] = max(best.get(size, -math.inf), point.score)
    first = drawn[0][1]
    return SizePanel(
        method=first.method,
        title=first.title,
        size=name,
        sizes=tuple(size for size, _ in drawn),
        points=tuple(point for _, point in drawn),
        best=tuple(sorted(best.items())),
    )


def _traces(panel: SizePanel) -> list[dict[str, object]]:
    look, scale = appearance(panel.method), score_scale(panel.points[0].metric)
    every: dict[str, object] = {
        "x": panel.sizes,
        "y": [scale * point.score for point in panel.points],
        "error_y": {
            "array": [None if p.std is None else scale * p.std for p in panel.points],
            # Caps would be drawn, as a dash, also where there is no deviation.
            "width": 0,
            "thickness": 1.5,
        },
        "mode": "markers",
        "marker": {"symbol": look.symbol, "color": look.color, "size": 7, "opacity": 0.5},
        "hoverinfo": "text",
        "hovertext": [point.hover for point in panel.points],
    }
    at_best = [size == panel.peak for size, _ in panel.best]
    line: dict[str, object] = {
        "x": [size for size, _ in panel.best],
        "y": [scale * score for _, score in panel.best],
        "mode": "lines+markers",
        "line": {"color": look.color, "width": 2},
        "marker": {
            "symbol": look.symbol,
            "color": look.color,
            "size": [12 if best else 7 for best in at_best],
            "opacity": 1.0,
            "line": {"color": "black", "width": [1.5 if best else 0 for best in at_best]},
        },
        "hoverinfo": "skip",
    }
    return [every, line]


def _axis(panel: SizePanel) -> dict[str, object]:
    """Doubling sizes stand evenly; 0 has no logarithm."""
    values = sorted(set(panel.sizes))
    if values[0] < 1 or values[-1] / values[0] < 4:
        return {"dtick": 1} if values[-1] - values[0] <= 10 else {}
    doublings = [2**n for n in range(math.floor(math.log2(values[-1])) + 1) if 2**n >= values[0]]
    ticks = doublings[:: math.ceil(len(doublings) / 6)] if len(values) > 6 else values
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks]}
