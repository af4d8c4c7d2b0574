"""A panel's running trials, a line for each with what is left of it, and their learning curves so far."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dash import Dash, Input, Output, html, no_update

from dashboards.live.choices import FILTERS, filters_of
from dashboards.live.layout import LOOK, PANELS
from dashboards.live.reading import Reader
from dashboards.live.running import MOST_DRAWN, RunningTrial, how_far, plot_running, running_trials
from dashboards.live.scheme import IS_DARK, in_scheme
from dashboards.printing import one_line

MOST_LISTED = 64


def register(app: Dash, reader: Reader) -> None:
    """Have both panels show what runs: the curves as they change, the lines also as time goes by."""

    def running_of(name: str, chosen: tuple[Any, ...]) -> list[RunningTrial]:
        sweep, is_driven = reader.sweep(name), name in reader.pulse().driven
        now = datetime.now(UTC)
        found = running_trials(sweep.trials, sweep.progress, sweep.rungs, now, is_driven=is_driven)
        shown = {trial.number for trial in filters_of(*chosen).shown([each.trial for each in found])}
        return [each for each in found if each.trial.number in shown]

    def show_lines(_: Any, __: Any, name: str | None, *chosen: Any) -> list[Any]:
        return lines(running_of(name, chosen)) if name else []

    def show_curves(_: Any, name: str | None, is_dark: bool, *chosen: Any) -> tuple[Any, ...]:
        running = running_of(name, chosen) if name else []
        if name is None or not running:
            return True, no_update
        return False, in_scheme(_figure(running, name), is_dark)

    for panel in PANELS:
        asked = (Input("pulse", "data"), Input(f"sweep-{panel}", "value"))
        # A sweep whose driver was killed changes no more, and what is said of its trials does.
        app.callback(
            Output(f"running-{panel}", "children"),
            Input("tick", "n_intervals"),
            *asked,
            *FILTERS,
            prevent_initial_call=True,
        )(show_lines)
        app.callback(
            Output(f"runs-{panel}", "hidden"),
            Output(f"curves-{panel}", "figure"),
            *asked,
            IS_DARK,
            *FILTERS,
            prevent_initial_call=True,
        )(show_curves)


def lines(running: list[RunningTrial]) -> list[Any]:
    """Return a line for each of the latest trials, and what is said of those that are not shown."""
    shown = [_line(each) for each in running[-MOST_LISTED:]]
    if len(running) <= MOST_DRAWN:
        return shown
    earlier = f"and {len(running) - MOST_LISTED:,} earlier ones; " if len(running) > MOST_LISTED else ""
    return [*shown, html.Li(f"{earlier}the curves are those of the latest {MOST_DRAWN}")]


def _line(running: RunningTrial) -> Any:
    trial = running.trial
    what = one_line(f"trial {trial.number} {trial.title} {trial.label}, seed {trial.seed}")
    share = 100.0 * running.step / running.steps if running.steps else 0.0
    named: Any = {"aria-label": what}
    bar = html.Progress(value=f"{share:.1f}", max="100", title=f"{share:.0f}%", **named)
    return html.Li([html.Span(what), bar, html.Span(how_far(running))])


def _figure(running: list[RunningTrial], name: str) -> Any:
    figure = plot_running(running, "")
    figure.update_layout(uirevision=name, **LOOK)
    return figure
