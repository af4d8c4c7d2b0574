"""The grid of heat maps of subspace similarity: a row for each layer, a column for each matrix and pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.points import plotly_text
from dashboards.subspace import RANDOM, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PANEL_PX, _MARGIN_PX, _TOP_PX = 150, 110, 110
_INK = "#2B2B2B"


def plot_subspaces(panels: Sequence[Panel], title: str, across: str, down: str) -> go.Figure:
    """Draw the panels with one colour scale from 0 to 1; `across` and `down` say what j and i count."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    columns = sorted(dict.fromkeys((p.matrix, p.pair) for p in panels), key=lambda c: c[0] == RANDOM)
    layers = list(dict.fromkeys(p.layer for p in panels))
    width = _PANEL_PX * max(len(columns), 3) + 2 * _MARGIN_PX
    height = _PANEL_PX * len(layers) + _TOP_PX + _MARGIN_PX
    figure = make_subplots(
        rows=len(layers),
        cols=len(columns),
        column_titles=[_heading(matrix, pair) for matrix, pair in columns],
        row_titles=[f"layer {layer}" for layer in layers],
        x_title=plotly_text(f"j: {across}"),
        y_title=plotly_text(f"i: {down}"),
        horizontal_spacing=min(0.04, 0.3 / len(columns)),
        vertical_spacing=min(0.06, 0.25 / len(layers)),
    )
    for panel in panels:
        place = {"row": layers.index(panel.layer) + 1, "col": columns.index((panel.matrix, panel.pair)) + 1}
        figure.add_trace(go.Heatmap(**_heat_map(panel)), **place)
        figure.update_yaxes(autorange="reversed", **place)
    figure.update_layout(**_layout(title, width, height))
    figure.update_xaxes(tickfont_size=10, nticks=6, ticks="outside", ticklen=3)
    figure.update_yaxes(tickfont_size=10, nticks=5, ticks="outside", ticklen=3)
    return figure


def _heading(matrix: str, pair: str) -> str:
    if matrix == RANDOM:
        return "random Gaussian"
    # A matrix's name as a subscript; names come from adapters, so they are escaped.
    return f"ΔW<sub>{plotly_text(matrix)}</sub>, {plotly_text(pair)}"


def _heat_map(panel: Panel) -> dict[str, object]:
    where = f"{plotly_text(panel.matrix)} of layer {panel.layer}"
    return {
        "z": panel.phi.round(4),
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
        "title": {"text": plotly_text(title), "x": 0.0, "xref": "paper", "xanchor": "left", "font_size": 19},
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
