"""What a sweep leaves in its report folder, and hands to MLflow: the front, the table and the plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dashboards.files import write_atomically
from dashboards.pareto_csv import write_csv
from dashboards.table15 import not_shown, render_markdown, table_rows
from methods.errors import FrontuneError
from storage.records import TrialRecord


def write_results(
    folder: Path, name: str, trials: Sequence[TrialRecord], untrained: float | None = None
) -> list[Path]:
    """Write pareto.csv, trials.csv, table.md and tradeoff.html; return their paths.

    `untrained` is the score of the base alone.
    """
    from dashboards.figure_layout import of_sweep, say_whose
    from dashboards.figures.tradeoff import TITLE
    from dashboards.plot_files import write_plot
    from dashboards.tradeoff import tradeoff_figure

    folder.mkdir(parents=True, exist_ok=True)
    front, every = folder / "pareto.csv", folder / "trials.csv"
    table, plot = folder / "table.md", folder / "tradeoff.html"
    write_csv(front, [trials], front_only=True)
    write_csv(every, [trials], front_only=False)
    markdown = render_markdown(table_rows(trials), not_shown(trials))
    write_atomically(table, markdown.encode(), "the table")
    figure = tradeoff_figure(trials, TITLE, untrained=untrained)
    if trials:
        say_whose(figure, of_sweep(name, trials[0].task, trials[0].base))
    write_plot(figure, plot)
    return [front, every, table, plot]


def results_if_possible(
    folder: Path,
    name: str,
    trials: Sequence[TrialRecord],
    untrained: Callable[[], float | None],
    say: Callable[[str], None],
) -> list[Path]:
    """Write the same, or say why not: they follow from the ledger, and can be written at any time, and a
    full disk should not end a run."""
    try:
        return write_results(folder, name, trials, untrained())
    except (FrontuneError, OSError) as error:
        say(f"the results are not written: {error}; the next run of the sweep does so")
        return []
