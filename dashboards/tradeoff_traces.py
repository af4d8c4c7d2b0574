"""What the trade-off plot is made of, as plotly's traces: methods, pruned trials, the paper, the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dashboards.appearance import Appearance, appearance, hollow
from dashboards.figure_layout import GREY, INK, score_scale
from dashboards.front_band import SHARE, BandStep
from dashboards.points import Point, front_steps, plotly_text

FRONT_SIZE_PX = 12


def front_line(drawn: Sequence[Point]) -> dict[str, Any]:
    """The best score that each budget buys."""
    steps = front_steps(drawn)
    scale = score_scale(drawn[0].metric)
    return {
        "x": [params for params, _ in steps],
        "y": [scale * score for _, score in steps],
        "mode": "lines",
        "name": "Pareto front",
        "legendgroup": "front",
        "line": {"shape": "hv", "color": GREY, "width": 1.8},
        "hoverinfo": "skip",
    }


def band_traces(band: Sequence[BandStep], drawn: Sequence[Point]) -> list[dict[str, Any]]:
    """Two steps with what lies between them filled; nothing where no seed was repeated."""
    steps = [step for step in band if step.trainable_params > 0]
    if not steps:
        return []
    scale, widest = score_scale(drawn[0].metric), max(p.trainable_params for p in drawn)
    x = [*(step.trainable_params for step in steps), widest]
    shared = {"x": x, "mode": "lines", "hoverinfo": "skip", "legendgroup": "front"}
    line = {"shape": "hv", "width": 0, "color": GREY}
    edges = [[scale * getattr(step, edge) for step in (*steps, steps[-1])] for edge in ("low", "high")]
    filled = {"fill": "tonexty", "fillcolor": "rgba(110, 110, 110, 0.18)"}
    name = f"{SHARE:.0%} of resampled fronts"
    return [
        shared | {"y": edges[0], "line": line, "showlegend": False},
        shared | {"y": edges[1], "line": line, "name": name, **filled},
    ]


def method_traces(points: Sequence[Point], crowd: bool) -> list[dict[str, Any]]:
    """Return one method's error bars, points and entry in the legend, which switches all of them; of its own
    trials, or of what was imported.

    In a crowd only the front's points have error bars: the others' would hide everything.
    """
    look = look_of(points[0])
    scale = score_scale(points[0].metric)
    repeated = [p for p in points if p.std is not None and (p.is_pareto or not crowd)]
    is_hollow = points[0].imported_from is not None
    # An outline is so thin that it may not fade as much.
    faded = 0.2 if crowd else 0.9 if is_hollow else 0.6
    shared = {"legendgroup": _legend_group(points[0]), "mode": "markers", "showlegend": False}
    spread = {
        "x": [p.trainable_params for p in repeated],
        "y": [scale * p.score for p in repeated],
        "marker": {"opacity": 0},
        "hoverinfo": "skip",
        "opacity": 0.6,
        "error_y": {"array": [scale * (p.std or 0.0) for p in repeated], "color": look.color, "width": 3},
    }
    markers = {
        "x": [p.trainable_params for p in points],
        "y": [scale * p.score for p in points],
        "hoverinfo": "text",
        "hovertext": [p.hover for p in points],
        "customdata": [p.numbers for p in points],
        "marker": {
            "symbol": look.symbol,
            "color": look.color,
            "size": [FRONT_SIZE_PX if p.is_pareto else 6 if crowd else 9 for p in points],
            "opacity": [1.0 if p.is_pareto else faded for p in points],
            "line": {"color": INK, "width": [_edge_px(p, is_hollow) for p in points]},
        },
    }
    # Without an entry of its own the legend shows the method's first point, faded if it is not on the front.
    name = f"{points[0].title} (imported)" if is_hollow else points[0].title
    marker = {"symbol": look.symbol, "color": look.color, "size": FRONT_SIZE_PX}
    entry = legend_entry(name, {**marker, "line": {"width": 2.0 if is_hollow else 0.0}})
    return [shared | spread, shared | markers, shared | entry]


def _edge_px(point: Point, is_hollow: bool) -> float:
    """A hollow marker is nothing but its edge."""
    if is_hollow:
        return 2.2 if point.is_pareto else 1.8
    return 1.4 if point.is_pareto else 0.0


def _legend_group(point: Point) -> str:
    return point.method if point.imported_from is None else f"imported/{point.method}"


def look_of(point: Point) -> Appearance:
    """Its method's colour and marker, which of what was imported is hollow."""
    look = appearance(point.method)
    return look if point.imported_from is None else replace(look, symbol=hollow(look.symbol))


def pruned_traces(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Trials that were stopped, small and faint, switched with their method and by an entry of their own."""
    if not points:
        return []
    traces = []
    for method in dict.fromkeys(p.method for p in points):
        mine, look = [p for p in points if p.method == method], appearance(method)
        traces.append(
            {
                "x": [p.trainable_params for p in mine],
                "y": [score_scale(p.metric) * p.score for p in mine],
                "mode": "markers",
                "legendgroup": "pruned",
                "showlegend": False,
                "hoverinfo": "text",
                "hovertext": [p.hover for p in mine],
                "customdata": [p.numbers for p in mine],
                "marker": {"symbol": look.symbol, "color": look.color, "size": 5, "opacity": 0.25},
            }
        )
    entry = legend_entry("pruned, score when stopped", {"symbol": "circle", "color": GREY, "size": 5})
    return [*traces, {"mode": "markers", "legendgroup": "pruned", "opacity": 0.5, **entry}]


def paper_trace(points: Sequence[Point]) -> dict[str, Any]:
    """Other people's points: hollow, and no part of the front."""
    first, look, scale = points[0], appearance(points[0].method), score_scale(points[0].metric)
    return {
        "x": [p.trainable_params for p in points],
        "y": [scale * p.score for p in points],
        "mode": "markers",
        "name": plotly_text(f"{first.title} ({first.source})"),
        "legendgroup": f"{first.source}/{first.method}",
        "hoverinfo": "text",
        "hovertext": [p.hover for p in points],
        "marker": {"symbol": f"{look.symbol}-open", "color": look.color, "size": 8, "opacity": 0.7},
    }


def legend_entry(name: str, marker: dict[str, Any]) -> dict[str, Any]:
    """An entry in the legend that draws no point."""
    return {"x": [None], "y": [None], "name": plotly_text(name), "showlegend": True, "marker": marker}
