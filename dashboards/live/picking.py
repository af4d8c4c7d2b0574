"""Picking points in a panel's figure, and getting the CSV of exactly these trials."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, ctx, no_update

from dashboards.imported import trial_names
from dashboards.live.layout import PANELS
from dashboards.live.picked import numbers_at, numbers_of, picked_csv
from dashboards.live.reading import Reader
from methods.errors import FrontuneError


def register(app: Dash, reader: Reader) -> None:
    """Let points be picked in both panels."""
    for panel in PANELS:
        _register(app, reader, panel)


def _register(app: Dash, reader: Reader, panel: str) -> None:
    def pick(selected: Any, clicked: Any, _: Any, name: Any, picked: str) -> tuple[Any, Any, Any]:
        if ctx.triggered_id in (f"clear-{panel}", f"sweep-{panel}"):
            return "", None, None
        return after(selected, clicked, picked or ""), None, None

    def count(picked: str, name: str | None) -> str:
        return said_of(picked or "", {trial.number for trial in reader.sweep(name).trials} if name else set())

    def download(_: Any, name: str | None, picked: str) -> Any:
        try:
            numbers = numbers_of(picked or "")
            if not name or not numbers:
                return no_update, "pick points in the figure, or write numbers of trials, first"
            content = picked_csv(reader.every_trial(name), numbers)
        except FrontuneError as error:
            return no_update, str(error)
        return {"content": content, "filename": f"{name}-picked.csv", "type": "text/csv"}, no_update

    text, graph = f"picked-{panel}", f"front-{panel}"
    app.callback(
        Output(text, "value"),
        Output(graph, "selectedData"),
        Output(graph, "clickData"),
        Input(graph, "selectedData"),
        Input(graph, "clickData"),
        Input(f"clear-{panel}", "n_clicks"),
        Input(f"sweep-{panel}", "value"),
        State(text, "value"),
        prevent_initial_call=True,
    )(pick)
    app.callback(
        Output(f"count-{panel}", "children"),
        Input(text, "value"),
        Input(f"sweep-{panel}", "value"),
        prevent_initial_call=True,
    )(count)
    app.callback(
        Output(f"file-{panel}", "data"),
        Output(f"count-{panel}", "children", allow_duplicate=True),
        Input(f"csv-{panel}", "n_clicks"),
        State(f"sweep-{panel}", "value"),
        State(text, "value"),
        prevent_initial_call=True,
    )(download)


def after(selected: Any, clicked: Any, picked: str) -> str:
    """Return what is picked then: a lasso or a box adds its points, a click adds or takes back its own."""
    try:
        before = numbers_of(picked)
    except FrontuneError:
        before = frozenset()
    at = numbers_at(clicked)
    return trial_names((before | numbers_at(selected) | at) - (at if at <= before else frozenset()))


def said_of(picked: str, known: set[int]) -> str:
    """Say how many trials are picked, or why none are."""
    try:
        numbers = numbers_of(picked)
    except FrontuneError as error:
        return str(error)
    n, missing = len(numbers & known), numbers - known
    said = f"{n} trial{'' if n == 1 else 's'} picked"
    return f"{said}, {len(missing)} not of this sweep" if missing else said
