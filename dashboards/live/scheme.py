"""Whether the reader's system is dark, which only the browser knows, and figures in the colours of that."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State

from dashboards.dark import dark_figure
from dashboards.live.reading import Reader

IS_DARK = Input("is-dark", "data")
_ASKED = """(tick, before) => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return isDark === before ? dash_clientside.no_update : isDark;
}"""


def register(app: Dash, _: Reader) -> None:
    """Have the page look, as often as it looks for anything, whether it is dark."""
    output, asked = Output("is-dark", "data"), (Input("tick", "n_intervals"), State("is-dark", "data"))
    app.clientside_callback(_ASKED, output, *asked)  # type: ignore[no-untyped-call]


def in_scheme(figure: Any, is_dark: bool) -> Any:
    """Return the figure as the page shows it."""
    return dark_figure(figure) if is_dark else figure
