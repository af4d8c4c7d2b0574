"""`frontune table` of tasks that generate text: laid out as Table 14 or 18 of the LoRA paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table

from dashboards.beside_text import paper_text_rows
from dashboards.fitted_table import FittedTable
from dashboards.imported import imported_ones, trained_here
from dashboards.latex import render_latex
from dashboards.markdown import markdown_table, markdown_text
from dashboards.replicates import score_of, scored
from dashboards.rich_table import rich_table, table_width
from dashboards.table15 import lines_under, not_shown, note_of
from dashboards.text_table import LAYOUTS, TASKS, TextRow, text_cells, text_csv, text_rows
from methods.errors import FrontuneError
from storage.curves import curves
from storage.ledger import Ledger
from storage.records import SweepRecord, TrialRecord


def text_layout(sweeps: Sequence[SweepRecord]) -> str | None:
    """Return the layout that fits all these sweeps' task; None where none does."""
    tasks = {sweep.task for sweep in sweeps}
    return next((layout for layout, task in TASKS.items() if tasks == {task}), None)


def measured_rows(
    ledger: Ledger, sweep: SweepRecord, results: Sequence[TrialRecord], layout: str, paper: bool
) -> list[TextRow]:
    """Return a row for each configuration, of the validation split, and the paper's below; of what was
    imported the score alone is known.

    Raises FrontuneError if the sweep has measured nothing of the layout, or the paper's table is of another
    task.
    """
    if paper and sweep.task != TASKS[layout]:
        raise FrontuneError(f"the paper's Table {layout} is of {TASKS[layout]}, not of {sweep.task}")
    measured, numbers = {}, [trial.number for trial in trained_here(results)]
    for metric in LAYOUTS[layout]:
        found = curves(ledger, sweep.name, numbers, metric, "validation")
        measured[metric] = {number: values[-1][1] for number, values in found.items()}
        if sweep.task == TASKS[layout] and metric in (sweep.metric, f"{sweep.metric}/all"):
            measured[metric] |= {each.number: score_of(each) for each in scored(imported_ones(results))}
    rows = text_rows(results, measured, layout)
    if rows and not any(row.values for row in rows):
        raise FrontuneError(
            f"layout {layout} has the metrics of {TASKS[layout]}, and sweep {sweep.name!r}, "
            f"of {sweep.task}, has measured none of them"
        )
    return rows + (paper_text_rows(layout) if paper else [])


def print_text_csv(tables: Mapping[str, Sequence[TextRow]], layout: str) -> None:
    """Print the rows of all sweeps under one header."""
    names = [name for name, rows in tables.items() for _ in rows] if len(tables) > 1 else []
    click.echo(text_csv([row for rows in tables.values() for row in rows], layout, names), nl=False)


def print_text_table(rows: Sequence[TextRow], trials: Sequence[TrialRecord], layout: str, form: str) -> None:
    """Print one sweep's table as rich, markdown or latex."""
    plain, cells, footer = [row.row for row in rows], text_cells(rows, layout), not_shown(trials)
    under = lines_under(plain, footer)
    if form == "rich":
        print_whole(rich_table(*cells, "\n".join(under)))
    elif form == "markdown":
        lines = (f"\n{markdown_text(line)}\n" for line in under)
        click.echo("".join([markdown_table(*cells, n_names=2), *lines]), nl=False)
    else:
        click.echo(render_latex(*cells, footer, note_of(plain)), nl=False)


def print_whole(table: Table | FittedTable) -> None:
    """Print a table with its numbers whole, however narrow a terminal is; in a file a row is a line."""
    console = Console()
    if isinstance(table, FittedTable):
        if console.is_terminal:
            console.print(table)
            return
        table = table.whole()
    fewest, all_on_a_line = table_width(table, console)
    wanted = fewest if console.is_terminal else all_on_a_line
    Console(width=max(console.width, wanted)).print(table)


def is_wide_enough(rows: Sequence[TextRow], layout: str, console: Console) -> bool:
    """Whether the table goes into a terminal without breaking its numbers; into a file everything does."""
    table = rich_table(*text_cells(rows, layout))
    return not console.is_terminal or table_width(table, console).minimum <= console.width
