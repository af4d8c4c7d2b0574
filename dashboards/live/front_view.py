"""A panel's sweep: how far it is, and its trade-off plot with what is picked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from dash import Dash, Input, Output, State, no_update

from dashboards.imported import imported_ones, trained_here
from dashboards.live.choices import FILTERS, filters_of
from dashboards.live.filters import Filters, front_figure
from dashboards.live.layout import LOOK, PANELS
from dashboards.live.picked import mark_picked, numbers_of
from dashboards.live.reading import Reader, SweepNow
from dashboards.live.scheme import IS_DARK, in_scheme
from dashboards.printing import one_line
from methods.errors import FrontuneError

Range = tuple[float, float]


def register(app: Dash, reader: Reader) -> None:
    """Have both panels show their sweep, drawn anew only where its trials or what is asked have changed."""
    for own, other in (PANELS, PANELS[::-1]):
        _register(app, reader, own, other)


def _register(app: Dash, reader: Reader, own: str, other: str) -> None:
    def show(
        _: Any, name: str | None, beside: str | None, picked: str, is_dark: bool, *rest: Any
    ) -> tuple[Any, ...]:
        if not name:
            return True, "", "", no_update, None
        *chosen, drawn = rest
        sweep = reader.sweep(name)
        second = reader.sweep(beside) if beside else None
        asked = [name, sweep.changed, beside, second and second.changed, picked, is_dark, chosen]
        said = summary(sweep, reader.pulse().driven.get(name))
        if asked == drawn:
            return False, one_line(name), said, no_update, no_update
        figure = in_scheme(_figure(sweep, second, picked, filters_of(*chosen)), is_dark)
        return False, one_line(name), said, figure, asked

    app.callback(
        Output(f"panel-{own}", "hidden"),
        Output(f"title-{own}", "children"),
        Output(f"summary-{own}", "children"),
        Output(f"front-{own}", "figure"),
        Output(f"drawn-{own}", "data"),
        Input("pulse", "data"),
        Input(f"sweep-{own}", "value"),
        Input(f"sweep-{other}", "value"),
        Input(f"picked-{own}", "value"),
        IS_DARK,
        *FILTERS,
        State(f"drawn-{own}", "data"),
        prevent_initial_call=True,
    )(show)


def summary(sweep: SweepNow, driver: str | None) -> str:
    """Say how far a sweep is, and whether anybody runs it."""
    own, n_imported = trained_here(sweep.trials), len(imported_ones(sweep.trials))
    record, states = sweep.record, Counter(trial.state for trial in own)
    budget = record.spec.get("trials")
    of = f" of {budget}" if isinstance(budget, int) and budget >= len(own) else ""
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    parts = [f"{record.task} on {record.base}", f"{len(own)}{of} trials"]
    said = ", ".join(parts) + (f": {counts}. " if counts else ". ")
    if n_imported:
        said += f"Beside them {n_imported} imported. "
    if driver:
        said += f"Run by {driver.partition(' since ')[0]}."
    elif states["running"] or states["interrupted"]:
        said += f"Nobody runs it now; frontune resume {record.name} goes on."
    return one_line(said)


def _figure(sweep: SweepNow, second: SweepNow | None, picked: str, filters: Filters) -> Any:
    figure = front_figure(sweep.trials, "", filters, sweep.untrained)
    if second is not None and _are_comparable(sweep, second):
        share_axes(figure, front_figure(second.trials, "", filters, second.untrained))
    # What cannot be read as numbers `picking` says.
    with suppress(FrontuneError):
        mark_picked(figure, numbers_of(picked or ""))
    # What the reader of the page has zoomed into or switched off stays while the front grows.
    figure.update_layout(uirevision=sweep.record.name, dragmode="select", **LOOK)
    # What was picked is marked; the outline that picked it goes.
    figure.update_layout(selections=[], selectionrevision=picked or "")
    return figure


def share_axes(figure: Any, other: Any) -> None:
    """Have the figure's axes hold what both need, where both have points."""
    for axis in ("xaxis", "yaxis"):
        own, others = figure.layout[axis], other.layout[axis]
        if own.range and others.range:
            own.range = widest((own.range, others.range))
    ticks = [each.layout.xaxis.nticks for each in (figure, other) if each.layout.xaxis.nticks]
    figure.layout.xaxis.nticks = max(ticks, default=None)


def widest(ranges: Sequence[Range]) -> Range:
    """The range that holds all of these."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _are_comparable(one: SweepNow, other: SweepNow) -> bool:
    return (one.record.task, one.record.metric) == (other.record.task, other.record.metric)
