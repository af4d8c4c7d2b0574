"""`frontune table` and `frontune plot`: a sweep, or those that one file made, with the paper beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from dashboards.beside import paper_low_data, paper_rows
from dashboards.figure_source import Source
from dashboards.files import check_writable
from dashboards.imported import trained_here
from dashboards.latex import latex_text
from dashboards.low_data import (
    LowDataPoint,
    low_data_points,
    render_low_data_csv,
    render_low_data_latex,
    render_low_data_markdown,
    render_low_data_rich,
)
from dashboards.markdown import markdown_text
from dashboards.printing import one_line
from dashboards.table15 import (
    TableRow,
    not_shown,
    render_csv,
    render_markdown,
    render_rich,
    render_table15_latex,
    table_rows,
)
from dashboards.text_table import LAYOUTS
from methods.errors import FrontuneError, SeveralSweeps, unknown_name
from storage.ledger import Ledger
from storage.records import SweepRecord, TrialRecord
from sweeps.text_layout import (
    is_wide_enough,
    measured_rows,
    print_text_csv,
    print_text_table,
    print_whole,
    text_layout,
)

if TYPE_CHECKING:
    from dashboards.figure_source import Importance


@dataclass(frozen=True)
class Found:
    """What a name stands for: one sweep, or the sweeps of one file in its order, with their trials and what
    was imported beside them."""

    name: str
    sweeps: list[SweepRecord]
    results: dict[str, list[TrialRecord]]

    @property
    def trials(self) -> dict[str, list[TrialRecord]]:
        """The sweeps' own trials."""
        return {name: trained_here(results) for name, results in self.results.items()}

    @property
    def only(self) -> SweepRecord:
        """The one sweep; raises SeveralSweeps where the name stands for several."""
        if len(self.sweeps) > 1:
            raise SeveralSweeps(self.name, [sweep.name for sweep in self.sweeps])
        return self.sweeps[0]

    @property
    def is_low_data(self) -> bool:
        """Whether the sweeps differ in the number of training examples alone."""
        shared = {(s.base, s.task, s.metric) for s in self.sweeps}
        sizes = {_examples(s) for s in self.sweeps}
        return len(self.sweeps) > 1 and len(shared) == 1 and len(sizes) == len(self.sweeps)


def find(ledger: Ledger, name: str) -> Found:
    """Return what is known by this name; raises FrontuneError naming the nearest."""
    every = ledger.sweeps()
    sweeps = [s for s in every if s.name == name] or [s for s in every if s.spec.get("part_of") == name]
    if not sweeps:
        files = {str(s.spec["part_of"]) for s in every if s.spec.get("part_of")}
        raise FrontuneError(unknown_name("sweep", name, [*(s.name for s in every), *sorted(files)]))
    return Found(name, sweeps, {s.name: ledger.results(s.name) for s in sweeps})


def print_table(ledger: Ledger, name: str, form: str, paper: bool, layout: str | None = None) -> None:
    """Print the table in this layout, else as Table 16 where sweeps differ in the number of examples, as
    Table 14 or 18 where their task is of one and the terminal wide enough, and as Table 15 of all others."""
    found = find(ledger, name)
    if layout == "16" and not found.is_low_data:
        raise FrontuneError(f"layout 16 is for sweeps of several numbers of examples; {name} is not such")
    if found.is_low_data and layout in (None, "16"):
        _print_low_data(_low_data(ledger, found, paper), form)
        return
    fitting = layout or text_layout(found.sweeps)
    if fitting in LAYOUTS and _print_text(ledger, found, form, paper, fitting, is_asked_for=bool(layout)):
        return
    if form == "csv":
        click.echo(_csv(found, paper), nl=False)
        return
    for sweep in found.sweeps:
        _print_heading(found, sweep, form)
        trials = found.trials[sweep.name]
        rows = _rows(found, sweep, paper)
        render = {"rich": render_rich, "markdown": render_markdown, "latex": render_table15_latex}[form]
        _print(render(rows, not_shown(trials)))


def _print_text(
    ledger: Ledger, found: Found, form: str, paper: bool, layout: str, is_asked_for: bool
) -> bool:
    """Print all metrics of generated text; return whether they were, which in a terminal that is too narrow
    they are only where they were asked for."""
    tables = {
        sweep.name: measured_rows(ledger, sweep, found.results[sweep.name], layout, paper)
        for sweep in found.sweeps
    }
    if form == "csv":
        print_text_csv(tables, layout)
        return True
    fits = form != "rich" or all(is_wide_enough(rows, layout, Console()) for rows in tables.values())
    if not (fits or is_asked_for):
        click.echo(f"too narrow for Table {layout} with all metrics: --layout {layout} prints it anyway")
        return False
    for sweep in found.sweeps:
        _print_heading(found, sweep, form)
        print_text_table(tables[sweep.name], found.trials[sweep.name], layout, form)
    return True


def _print_heading(found: Found, sweep: SweepRecord, form: str) -> None:
    """Say which of several sweeps a table is of, on lines of its own; a CSV has no room for it."""
    if len(found.sweeps) > 1 and form != "csv":
        as_text = {"rich": one_line, "markdown": markdown_text, "latex": latex_text}[form]
        before = "" if sweep is found.sweeps[0] else "\n"
        click.echo(f"{before}{as_text(f'{sweep.name} ({sweep.task} on {sweep.base})')}\n")


def _rows(found: Found, sweep: SweepRecord, paper: bool) -> list[TableRow]:
    return table_rows(found.results[sweep.name]) + (paper_rows(sweep.task, sweep.metric) if paper else [])


def _csv(found: Found, paper: bool) -> str:
    """All sweeps of a file under one header."""
    tables = {sweep.name: _rows(found, sweep, paper) for sweep in found.sweeps}
    names = [name for name, rows in tables.items() for _ in rows] if len(tables) > 1 else []
    return render_csv([row for rows in tables.values() for row in rows], names)


def draw(ledger: Ledger, name: str, file: Path, paper: bool, kind: str | None = None) -> None:
    """Draw a figure; without a kind, score against examples where sweeps differ in their number, else against
    parameters. Raises FrontuneError where there is nothing to draw."""
    from dashboards.figure_layout import said_in
    from dashboards.figures import draw_figure, figure_in_words
    from dashboards.plot_files import write_plot

    check_writable(file, "the plot")
    found = find(ledger, name)
    source, kind = source_of(ledger, found, paper), kind or ("low_data" if found.is_low_data else "tradeoff")
    figure = draw_figure(kind, source)
    if not figure.data:
        raise FrontuneError(f"the figure {kind} has nothing to draw for {name}: {said_in(figure)}")
    write_plot(figure, file, figure_in_words(kind, source).sentence)
    click.echo(f"wrote {file}")


def source_of(ledger: Ledger, found: Found, paper: bool) -> Source:
    """Return what figures of these sweeps are drawn from."""
    return Source(
        name=found.name,
        sweeps=found.sweeps,
        results=found.results,
        ledger=ledger,
        paper=paper,
        # A figure and its words ask for them in turn.
        low_data=cache(lambda: _low_data(ledger, found, paper)),
        importances=cache(lambda: _importances(ledger, found)),
    )


def _importances(ledger: Ledger, found: Found) -> list[Importance]:
    from sweeps.importances import importances

    url = ledger.engine.url.render_as_string(hide_password=False)
    return [each for name, trials in found.trials.items() for each in importances(url, name, trials)]


def _low_data(ledger: Ledger, found: Found, paper: bool) -> list[LowDataPoint]:
    sized: dict[int, list[TrialRecord]] = {}
    for sweep in found.sweeps:
        trials = found.trials[sweep.name]
        n = _examples(sweep) or _rows_trained(ledger, trials)
        if n is not None:
            # All examples may be as many as one of the sizes.
            sized[n] = sized.get(n, []) + trials
    task, metric = found.sweeps[0].task, found.sweeps[0].metric
    if paper and (task, metric) != ("mnli", "accuracy"):
        raise FrontuneError(f"the paper's low-data table is of mnli (accuracy), not of {task} ({metric})")
    return low_data_points(sized) + (paper_low_data() if paper else [])


def _examples(sweep: SweepRecord) -> int | None:
    task = sweep.spec.get("task")
    n = task.get("train_examples") if isinstance(task, dict) else None
    return n if isinstance(n, int) else None


def _rows_trained(ledger: Ledger, trials: Sequence[TrialRecord]) -> int | None:
    """Of a sweep on all examples, how many these are."""
    for trial in trials:
        for each in ledger.measurements(trial.sweep, trial.number):
            if (each.metric, each.split) == ("rows", "train"):
                return int(each.value)
    return None


def _print_low_data(points: list[LowDataPoint], form: str) -> None:
    if form == "rich":
        print_whole(render_low_data_rich(points))
        return
    renders = {
        "csv": render_low_data_csv,
        "markdown": render_low_data_markdown,
        "latex": render_low_data_latex,
    }
    _print(renders[form](points))


def _print(table: object) -> None:
    if isinstance(table, str):
        click.echo(table, nl=not table.endswith("\n"))
    else:
        Console().print(table)
