"""A panel's trials as a table, the latest first: what the figure shows, for those who read or search.

What was imported comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, html

from dashboards.imported import imported_ones, shown_state, trained_here, trial_name
from dashboards.live.choices import FILTERS, filters_of
from dashboards.live.layout import PANELS
from dashboards.live.reading import Reader
from dashboards.pareto import pareto_front
from dashboards.printing import one_line, print_score, score_title
from storage.records import TrialRecord

MOST_LISTED = 200


def register(app: Dash, reader: Reader) -> None:
    """Have both panels list their trials."""

    def show(_: Any, name: str | None, *chosen: Any) -> Any:
        if not name:
            return []
        filters, trials = filters_of(*chosen), reader.sweep(name).trials
        front = {trial.number for trial in pareto_front(filters.of_any_state(trials))}
        return _table(filters.shown(trials), front)

    for panel in PANELS:
        app.callback(
            Output(f"trials-{panel}", "children"),
            Input("pulse", "data"),
            Input(f"sweep-{panel}", "value"),
            *FILTERS,
            prevent_initial_call=True,
        )(show)


def trial_cells(trial: TrialRecord, on_front: bool) -> tuple[str, ...]:
    """What the table says of a trial."""
    score = "" if trial.score is None else print_score(trial.score, None, trial.metric)
    state = shown_state(trial)
    what = (trial.title, trial.label, str(trial.seed), f"{trial.trainable_params:,}", score)
    endings = ["front"] if on_front else []
    if trial.imported_from is not None:
        endings.append(f"from {trial.imported_from}")
    ending = trial.reason.splitlines()[0] if trial.reason else ", ".join(endings)
    return tuple(map(one_line, (trial_name(trial.number), state, *what, ending)))


def _table(trials: Sequence[TrialRecord], front: set[int]) -> list[Any]:
    if not trials:
        return [html.P("no such trial")]
    first = trials[0]
    names = ["Trial", "State", "Method", "Configuration", "Seed", "Parameters"]
    heads = [*names, score_title(first.task, first.metric), ""]
    latest = [*reversed(trained_here(trials)), *imported_ones(trials)][:MOST_LISTED]
    rows = [html.Tr([html.Td(cell) for cell in trial_cells(t, t.number in front)]) for t in latest]
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in heads]))
    table = html.Table([head, html.Tbody(rows)])
    more = len(trials) - len(latest)
    return [table, html.P(f"and {more:,} earlier ones")] if more else [table]
