"""What there is to choose: sweeps, and the methods, states and seeds of the sweeps that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dash import Dash, Input, Output, State, no_update

from dashboards.appearance import method_order
from dashboards.imported import shown_state, unmarked
from dashboards.live.filters import Filters
from dashboards.live.reading import Reader
from dashboards.printing import one_line
from methods.errors import FrontuneError
from storage.records import TrialRecord

FILTERS = tuple(Input(name, "value") for name in ("methods", "states", "seeds", "least", "most"))
Option = dict[str, Any]


def filters_of(methods: Any, states: Any, seeds: Any, least: Any, most: Any) -> Filters:
    """Return the filters that the page's controls hold, in the order of `FILTERS`."""
    return Filters(
        methods=frozenset(methods or ()),
        states=frozenset(states or ()),
        seeds=frozenset(int(seed) for seed in seeds or ()),
        least_params=_whole(least),
        most_params=_whole(most),
    )


def register(app: Dash, reader: Reader) -> None:
    """Have the page look for changes, and offer what there is."""

    def beat(_: int, before: Any) -> tuple[Any, Any]:
        try:
            pulse = reader.pulse()
        except FrontuneError as error:
            return no_update, str(error)
        now = [pulse.state, sorted(pulse.driven)]
        said = f"as of {datetime.now(UTC):%H:%M:%S} UTC"
        return (no_update if now == before else now), said

    def offer_sweeps(_: Any, shown: str | None, before: Any) -> tuple[Any, ...]:
        names = [sweep.name for sweep in reversed(reader.sweeps())]
        options = [{"label": one_line(name), "value": name} for name in names]
        first = next((name for name in names if name in reader.pulse().driven), names[0] if names else None)
        # A list that is open would be drawn anew.
        offered = no_update if options == before else options
        said = f"Drawing {one_line(first)} …" if first else "No sweep in this workspace yet"
        return offered, offered, no_update if shown in names else first, said

    def offer_filters(_: Any, first: str | None, second: str | None, *before: Any) -> tuple[Any, ...]:
        trials = [trial for name in (first, second) if name for trial in reader.sweep(name).trials]
        options = (methods_of(trials), states_of(trials), seeds_of(trials))
        return tuple(no_update if a == b else a for a, b in zip(options, before, strict=True))

    app.callback(
        Output("pulse", "data"),
        Output("status", "children"),
        Input("tick", "n_intervals"),
        State("pulse", "data"),
    )(beat)
    app.callback(
        Output("sweep-a", "options"),
        Output("sweep-b", "options"),
        Output("sweep-a", "value"),
        Output("loading", "children"),
        Input("pulse", "data"),
        State("sweep-a", "value"),
        State("sweep-a", "options"),
        prevent_initial_call=True,
    )(offer_sweeps)
    app.callback(
        Output("methods", "options"),
        Output("states", "options"),
        Output("seeds", "options"),
        Input("pulse", "data"),
        Input("sweep-a", "value"),
        Input("sweep-b", "value"),
        State("methods", "options"),
        State("states", "options"),
        State("seeds", "options"),
        prevent_initial_call=True,
    )(offer_filters)


def methods_of(trials: Sequence[TrialRecord]) -> list[Option]:
    """The methods, in the paper's order, by their titles."""
    titles = {trial.method: unmarked(trial.title) for trial in trials}
    ordered = sorted(titles, key=method_order)
    return [{"label": one_line(titles[method]), "value": method} for method in ordered]


def states_of(trials: Sequence[TrialRecord]) -> list[Option]:
    """The states that there are."""
    return [{"label": state, "value": state} for state in sorted({shown_state(trial) for trial in trials})]


def seeds_of(trials: Sequence[TrialRecord]) -> list[Option]:
    """The seeds; as text, for a browser rounds large numbers."""
    return [{"label": str(seed), "value": str(seed)} for seed in sorted({trial.seed for trial in trials})]


def _whole(value: Any) -> int | None:
    return None if value in (None, "") else int(value)
