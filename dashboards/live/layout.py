"""The page before anything is known: filters, and two panels that each show a sweep."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboards.figure_layout import GREY, INK

PANELS = ("a", "b")
LEGEND = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
# Room for three lines of legend, so that two sweeps beside each other have axes of one height.
MARGIN = {"l": 65, "r": 20, "t": 30, "b": 125}
# What figures stand on is the page's.
CLEAR = "rgba(0, 0, 0, 0)"
LOOK = {
    "margin": MARGIN,
    "legend": LEGEND,
    "paper_bgcolor": CLEAR,
    "plot_bgcolor": CLEAR,
    "modebar": {"bgcolor": CLEAR, "color": GREY, "activecolor": INK},
}
TICK_MS = 2000
GRAPH: Any = {
    "displaylogo": False,
    "displayModeBar": True,
    # plotly.js 4 offers to upload the chart to plotly's servers unless it is told not to.
    "showSendToCloud": False,
    "modeBarButtonsToAdd": ["select2d", "lasso2d"],
}
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
  <body>
    {%app_entry%}<p class="loading" role="status">The page is loading; then it reads the ledger …</p>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def page(workspace: str) -> Any:
    """Return the whole page."""
    return html.Main(
        [
            html.Header([html.H1("Frontune"), html.P(workspace), html.P(id="status", role="status")]),
            html.Div([_sweep("a", "Sweep"), _sweep("b", "Beside it"), *_filters()], className="controls"),
            html.Div([_loading(), *(_panel(panel) for panel in PANELS)], className="panels"),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="pulse"),
            dcc.Store(id="is-dark", data=False),
        ]
    )


def _sweep(panel: str, label: str) -> Any:
    choice = dcc.Dropdown(id=f"sweep-{panel}", placeholder="none", clearable=panel == "b")
    return _labelled(label, f"sweep-{panel}", choice)


def _loading() -> Any:
    """Stands there until a panel is shown."""
    return html.P("Reading the ledger …", id="loading", className="loading", role="status")


def _filters() -> list[Any]:
    return [
        _labelled("Methods", "methods", dcc.Dropdown(id="methods", multi=True, placeholder="all")),
        _labelled("States", "states", dcc.Dropdown(id="states", multi=True, placeholder="all")),
        _labelled("Seeds", "seeds", dcc.Dropdown(id="seeds", multi=True, placeholder="all")),
        html.Div(
            [
                _labelled("Parameters from", "least", _number("least")),
                _labelled("to", "most", _number("most")),
            ],
            className="range",
        ),
    ]


def _number(name: str) -> Any:
    return dcc.Input(id=name, type="number", min=0, step=1, debounce=True, placeholder="any")


def _labelled(text: str, name: str, control: Any) -> Any:
    # Dash names a dropdown by its value alone; the group says what it is the value of.
    named: Any = {"aria-label": text}
    return html.Div([html.Label(text, htmlFor=name), control], className="control", role="group", **named)


def _panel(panel: str) -> Any:
    return html.Section(
        [
            html.H2(id=f"title-{panel}"),
            html.P(id=f"summary-{panel}", role="status"),
            _figure(f"front-{panel}", "Score against trainable parameters; the trials are listed below"),
            _picks(panel),
            html.Div(
                [
                    html.H3("Running"),
                    html.Ul(id=f"running-{panel}", className="running"),
                    _figure(f"curves-{panel}", "Learning curves of the running trials"),
                ],
                id=f"runs-{panel}",
                hidden=True,
            ),
            html.Details([html.Summary("Trials"), html.Div(id=f"trials-{panel}", className="trials")]),
            dcc.Store(id=f"drawn-{panel}"),
        ],
        id=f"panel-{panel}",
        hidden=True,
    )


def _figure(name: str, what: str) -> Any:
    described: Any = {"aria-label": what}
    # A responsive graph is as high as what it is in.
    graph = dcc.Graph(id=name, config=GRAPH, responsive=True)
    return html.Div(graph, className="figure", role="group", **described)


def _picks(panel: str) -> Any:
    name = f"picked-{panel}"
    numbers = dcc.Input(id=name, type="text", value="", debounce=True, placeholder="such as 3, 7-9")
    return html.Div(
        [
            _labelled("Picked trials", name, numbers),
            html.Button("Download CSV", id=f"csv-{panel}", type="button"),
            html.Button("Clear", id=f"clear-{panel}", type="button"),
            html.Span(id=f"count-{panel}", role="status"),
            dcc.Download(id=f"file-{panel}"),
        ],
        className="picks",
    )
