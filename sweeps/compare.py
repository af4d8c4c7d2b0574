"""`frontune compare`: whether the difference of two methods of a sweep is more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing

import click
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from dashboards.comparison import best_candidate, compare, render
from dashboards.imported import imported_note, unmarked
from dashboards.printing import one_line
from methods.errors import FrontuneError, unknown_name
from storage.ledger import Ledger
from storage.records import TrialRecord
from storage.workspace import Workspace
from sweeps.line_breaks import broken
from sweeps.named_method import with_names
from sweeps.settings import ParamCount
from sweeps.shown import find

Values = dict[int, Sequence[float]]
"""For each trial, by number, what its score is the mean of, or its score alone."""


def compare_command(
    name: str, methods: tuple[str, str], at: str | None, metric: str | None, workspace_path: str
) -> None:
    """Print the comparison; of a file that made several sweeps, each sweep's own."""
    most = None if at is None else _count(at)
    workspace = Workspace.open(workspace_path, create=False)
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        found = find(ledger, name)
        for sweep in found.sweeps:
            trials = found.results[sweep.name]
            one, other = (best_candidate(trials, method, most) for method in _names(methods, trials))
            used = [*one.best.trials, *other.best.trials]
            values = (
                row_values(used, ledger, workspace)
                if metric in (None, sweep.metric)
                else _measured(used, str(metric), ledger)
            )
            if len(found.sweeps) > 1:
                click.echo(sweep.name)
            said = render(compare(one, other, metric or sweep.metric, values), most)
            if note := imported_note(used):
                said += f"\n{one_line(note)}"
            click.echo(broken(said, Console()))


def _names(methods: Iterable[str], trials: Sequence[TrialRecord]) -> list[str]:
    titles = {(trial.method, unmarked(trial.title)) for trial in trials}
    names = [with_names(method, titles) for method in methods]
    if names[0] == names[1]:
        raise FrontuneError(f"got {names[0]} twice, wanted two methods to compare")
    return names


def _count(text: str) -> int:
    try:
        return TypeAdapter[int](ParamCount).validate_python(text)
    except ValidationError as error:
        raise FrontuneError(f"--at {text}: wanted a number of parameters such as 350k or 1.2M") from error


def row_values(trials: Iterable[TrialRecord], ledger: Ledger, workspace: Workspace) -> Values:
    """Return the outcomes row by row where all trials have kept as many, else each one's score."""
    trials = list(trials)
    outcomes = {t.number: _outcomes(t, ledger, workspace) for t in trials}
    if len({len(rows) for rows in outcomes.values()}) == 1 and all(outcomes.values()):
        return dict(outcomes)
    return {t.number: [t.score or 0.0] for t in trials}


def _outcomes(trial: TrialRecord, ledger: Ledger, workspace: Workspace) -> list[float]:
    kept = [a.path for a in ledger.artifacts(trial.sweep, trial.number) if a.kind == "outcomes"]
    files = [file for path in kept if (file := workspace.inside(path)).is_file()]
    return [float(line) for line in files[0].read_text(encoding="utf-8").splitlines()] if files else []


def _measured(trials: Iterable[TrialRecord], metric: str, ledger: Ledger) -> Values:
    """Another metric of the validation split, one number a trial."""
    found: Values = {}
    for trial in trials:
        measured = {
            m.metric: m.value
            for m in ledger.measurements(trial.sweep, trial.number)
            if m.split == "validation" and m.step == trial.steps
        }
        if metric not in measured:
            raise FrontuneError(f"trial {trial.number}: {unknown_name('metric', metric, sorted(measured))}")
        found[trial.number] = [measured[metric]]
    return found
