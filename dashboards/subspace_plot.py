"""The grid of heat maps of subspace similarity: a row for each layer, a column for each matrix and pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dashboards.figure_layout import TITLE_PLACE
from dashboards.points import plotly_text
from dashboards.subspace import RANDOM, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PANEL_PX, _MARGIN_PX, _TOP_PX = 150, 110, 130
_INK = "#2B2B2B"
Span = tuple[float, float]


def plot_subspaces(panels: Sequence[Panel], title: str, across: str, down: str) -> go.Figure:
    """Draw the panels with one colour scale from 0 to 1; `across` and `down` say what j and i count."""
    import plotly.graph_objects as go

    columns = sorted(dict.fromkeys((p.matrix, p.pair) for p in panels), key=lambda c: c[0] == RANDOM)
    layers = list(dict.fromkeys(p.layer for p in panels))
    width = _PANEL_PX * max(len(columns), 3) + 2 * _MARGIN_PX
    height = _PANEL_PX * len(layers) + _TOP_PX + _MARGIN_PX
    wide = _spans(len(columns), min(0.04, 0.3 / len(columns)))
    high = _spans(len(layers), min(0.06, 0.25 / len(layers)))[::-1]
    # plotly's make_subplots takes many seconds of the hundreds of axes of a deep model's grid.
    axes: dict[str, Any] = {}
    for at, panel in enumerate(panels, start=1):
        column, row = columns.index((panel.matrix, panel.pair)), layers.index(panel.layer)
        look = {"tickfont": {"size": 10}, "ticks": "outside", "ticklen": 3}
        axes[f"xaxis{at}"] = {**look, "nticks": 6, "anchor": f"y{at}", "domain": wide[column]}
        axes[f"yaxis{at}"] = {**look, "nticks": 5, "anchor": f"x{at}", "domain": high[row]}
        axes[f"yaxis{at}"]["autorange"] = "reversed"
    notes = [
        *_notes(_headings(columns), wide, {"y": 1.0, "yanchor": "bottom"}),
        *_notes([f"layer {layer}" for layer in layers], high, {"x": 1.0, "xanchor": "left", "textangle": 90}),
        _note(plotly_text(f"j: {across}"), {"x": 0.5, "y": 0.0, "yanchor": "top", "yshift": -30}),
        _note(
            plotly_text(f"i: {down}"),
            {"x": 0.0, "y": 0.5, "xanchor": "right", "xshift": -40, "textangle": -90},
        ),
    ]
    return go.Figure(
        {
            "data": [_heat_map(panel, at) for at, panel in enumerate(panels, start=1)],
            "layout": {**_layout(title, width, height), **axes, "annotations": notes},
        }
    )


def _spans(n: int, gap: float) -> list[Span]:
    """Equal parts of 0 to 1 with gaps between them."""
    size = (1 - gap * (n - 1)) / n
    return [(at * (size + gap), min(1.0, at * (size + gap) + size)) for at in range(n)]


def _notes(texts: Iterable[str], spans: Sequence[Span], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A text beside the middle of each part."""
    along = "x" if "y" in place else "y"
    for text, (low, high) in zip(texts, spans, strict=True):
        yield _note(text, {**place, along: (low + high) / 2})


def _note(text: str, place: dict[str, Any]) -> dict[str, Any]:
    shared = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 14}}
    return {"text": text, "xanchor": "center", "yanchor": "middle", **shared, **place}


def _headings(columns: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Of several controls each says of which matrices it has the sizes."""
    several = sum(matrix == RANDOM for matrix, _ in columns) > 1
    for matrix, pair in columns:
        if matrix == RANDOM:
            yield f"random Gaussian<br>{plotly_text(pair)}" if several else "random Gaussian"
        else:
            # A matrix's name as a subscript; names come from adapters, so they are escaped.
            yield f"ΔW<sub>{plotly_text(matrix)}</sub>, {plotly_text(pair)}"


def _heat_map(panel: Panel, at: int) -> dict[str, object]:
    where = f"{plotly_text(panel.matrix)} of layer {panel.layer}"
    return {
        "type": "heatmap",
        "z": panel.phi.round(4),
        "xaxis": f"x{at}",
        "yaxis": f"y{at}",
        # As texts each number i has a row of its own, however far apart they are.
        "y": [str(i) for i in panel.i],
        "x": [str(j + 1) for j in range(panel.phi.shape[1])],
        "coloraxis": "coloraxis",
        "hovertemplate": f"{where}<br>i = %{{y}}, j = %{{x}}<br>φ = %{{z:.3f}}<extra></extra>",
    }


def _layout(title: str, width: int, height: int) -> dict[str, object]:
    return {
        "template": "plotly_white",
        "meta": title,
        "width": width,
        "height": height,
        "title": {**TITLE_PLACE, "text": plotly_text(title)},
        "font": {"family": "Helvetica, Arial, 'Liberation Sans', sans-serif", "size": 13, "color": _INK},
        "coloraxis": {
            "cmin": 0.0,
            "cmax": 1.0,
            "colorscale": "Viridis",
            "colorbar": {
                "title": {"text": "φ(i, j)", "side": "right"},
                "len": min(1.0, 320 / height),
                "y": 1,
                "yanchor": "top",
            },
        },
        "margin": {"l": _MARGIN_PX - 20, "r": _MARGIN_PX, "t": _TOP_PX, "b": 70},
    }
