"""A panel's running trials, a line for each with what is left of it, and their learning curves so far."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dash import Dash, Input, Output, html, no_update

from dashboards.live.choices import FILTERS, filters_of
from dashboards.live.layout import LOOK, PANELS
from dashboards.live.reading import Reader
from dashboards.live.running import RunningTrial, how_far, plot_running, running_trials
from dashboards.live.scheme import IS_DARK, in_scheme
from dashboards.printing import one_line

MOST_LISTED = 64


def register(app: Dash, reader: Reader) -> None:
    """Have both panels show what runs."""

    def show(_: Any, name: str | None, is_dark: bool, *chosen: Any) -> tuple[Any, ...]:
        if not name:
            return True, [], no_update
        sweep = reader.sweep(name)
        found = running_trials(sweep.trials, sweep.progress, sweep.rungs, datetime.now(UTC))
        filters = filters_of(*chosen)
        shown = {trial.number for trial in filters.shown([each.trial for each in found])}
        running = [each for each in found if each.trial.number in shown]
        if not running:
            return True, [], no_update
        lines = [_line(each) for each in running[-MOST_LISTED:]]
        return False, lines, in_scheme(_figure(running, name), is_dark)

    for panel in PANELS:
        app.callback(
            Output(f"runs-{panel}", "hidden"),
            Output(f"running-{panel}", "children"),
            Output(f"curves-{panel}", "figure"),
            Input("pulse", "data"),
            Input(f"sweep-{panel}", "value"),
            IS_DARK,
            *FILTERS,
            prevent_initial_call=True,
        )(show)


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
