"""A sweep's results laid out like Table 15 of the LoRA paper (Hu et al. 2021)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from dashboards.appearance import method_order
from dashboards.fitted_table import FittedTable
from dashboards.front_probability import front_probabilities
from dashboards.imported import note_of_files
from dashboards.latex import render_latex
from dashboards.markdown import markdown_table, markdown_text
from dashboards.pareto import direction, front_of
from dashboards.pareto_csv import csv_cell, csv_text
from dashboards.printing import one_line, print_count, print_lr, print_score, print_seeds, score_title
from dashboards.replicates import Replicates, partly_pruned, replicates, scored
from storage.records import TrialRecord, TrialState

MARK = "✓"
_NOT_SHOWN: tuple[TrialState, ...] = ("failed", "infeasible", "pruned", "interrupted", "running")


@dataclass(frozen=True)
class TableRow:
    """One configuration, its replicates averaged: `score` and `std` (None with one seed) as stored.

    `source` is empty for one's own, else whose number it is. `front_probability` is None where no seed was
    repeated. The mean is over the `n` seeds that did not fail, of the `trials` of these numbers.
    `imported_from` is the file of what was trained elsewhere, whose title bears a mark.
    """

    method: str
    title: str
    label: str
    trainable_params: int
    task: str
    metric: str
    score: float
    std: float | None
    n: int
    learning_rates: tuple[float, ...]
    is_pareto: bool
    is_best: bool
    config_hash: str
    source: str = ""
    front_probability: float | None = None
    n_failed: int = 0
    imported_from: str | None = None
    trials: tuple[int, ...] = ()


def table_rows(trials: Sequence[TrialRecord]) -> list[TableRow]:
    """Return one row for each configuration: methods in the paper's order, what was imported last in each,
    then parameters, then label.

    `is_pareto` is the front of the averaged rows. Raises FrontuneError if tasks or metrics are mixed.
    """
    groups = replicates(trials)
    front = {group.first.config_hash for group in front_of(groups)}
    best = max((direction(g.first.metric) * g.score for g in groups), default=None)
    chances = front_probabilities(groups)
    rows = [
        _table_row(
            g,
            g.first.config_hash in front,
            direction(g.first.metric) * g.score == best,
            chances.get(g.first.config_hash),
        )
        for g in groups
    ]
    return sorted(rows, key=_order)


def _order(row: TableRow) -> tuple[object, ...]:
    own = row.imported_from is None
    return *method_order(row.method), not own, row.trainable_params, row.label, row.learning_rates


def not_shown(trials: Iterable[TrialRecord]) -> str:
    """Return ``2 failed, 1 pruned, not shown`` for the trials that are no rows; empty if there are none."""
    trials = list(trials)
    states = Counter(t.state for t in trials)
    counts: dict[str, int] = {state: states[state] for state in _NOT_SHOWN}
    counts["without a score"] = states["complete"] - len(scored(trials))
    flattered = partly_pruned(trials)
    counts["with another seed pruned"] = sum(t.config_hash in flattered for t in scored(trials))
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    return f"{', '.join(parts)}, not shown" if parts else ""


def render_rich(rows: Sequence[TableRow], footer: str = "") -> FittedTable:
    """Return the table for a terminal; a line divides the methods, the best score is bold."""
    return FittedTable(*table_cells(rows), "\n".join(lines_under(rows, footer)))


def render_markdown(rows: Sequence[TableRow], footer: str = "") -> str:
    """Return the table in GitHub's Markdown; the best score is ``**bold**``."""
    table = markdown_table(*table_cells(rows), n_names=2)
    # A line alone would be one with the line before it.
    return "\n".join([table, *(f"{markdown_text(line)}\n" for line in lines_under(rows, footer))])


def render_table15_latex(rows: Sequence[TableRow], footer: str = "") -> str:
    """Return the table in LaTeX with booktabs; the best score is bold."""
    return render_latex(*table_cells(rows), footer, note_of(rows))


def note_of(rows: Iterable[TableRow]) -> str:
    """Return the line under a table that says what its mark means; empty where no row bears it."""
    return note_of_files(row.imported_from for row in rows)


def lines_under(rows: Sequence[TableRow], footer: str) -> list[str]:
    """Return what stands under a table: what its mark means, and the footer, where there are any."""
    return [one_line(line) for line in (note_of(rows), footer) if line]


def table_cells(
    rows: Sequence[TableRow], every_title: bool = False, score: str = "Score"
) -> tuple[list[str], list[list[str]], set[tuple[int, int]]]:
    """Return the headings, the cells of each row, and the (row, column) of the best scores; a method's title
    stands in its first row, or in every one; `score` heads the scores where no row tells their metric."""
    edges = _with_group_edges(rows)
    cells = [_cells(row, starts or every_title, _has_replicates(rows)) for row, starts, _ in edges]
    best = {(at, 3) for at, row in enumerate(rows) if row.is_best}
    return _headings(rows, score), cells, best


def render_csv(rows: Sequence[TableRow], sweeps: Sequence[str] = ()) -> str:
    """Return the table for a spreadsheet: every row whole, counts unrounded, scores as stored (fractions).

    `sweeps` names the sweep of each row, for a first column, where there are several.
    """
    headings = ["Method", "Hyperparameters", "# Trainable Parameters", _score_heading(rows)]
    others = ["Source"] if any(row.source or row.imported_from for row in rows) else []
    first = ["Sweep"] if sweeps else []
    lines = [[csv_cell(text) for text in (*first, *headings, "Std", "Seeds", "lr", "Front", *others)]]
    for row, sweep in zip_longest(rows, sweeps):
        values = (
            *([sweep] if sweeps else []),
            row.title,
            _label(row),
            row.trainable_params,
            row.score,
            row.std,
            row.n,
            row.learning_rates[0] if len(row.learning_rates) == 1 else _print_rates(row),
            row.is_pareto,
            *([row.imported_from or row.source] if others else []),
        )
        # A lone "-" is no formula, and the paper prints it so.
        lines.append([value if value == "-" else csv_cell(value) for value in values])
    return csv_text(lines)


def _table_row(group: Replicates, is_pareto: bool, is_best: bool, chance: float | None) -> TableRow:
    first = group.first
    return TableRow(
        method=first.method,
        title=first.title,
        label=first.label,
        trainable_params=first.trainable_params,
        task=first.task,
        metric=first.metric,
        score=group.score,
        std=group.std,
        n=group.n,
        learning_rates=learning_rates(first),
        is_pareto=is_pareto,
        is_best=is_best,
        config_hash=first.config_hash,
        front_probability=chance,
        n_failed=group.n_failed,
        imported_from=first.imported_from,
        trials=tuple(trial.number for trial in group.trials),
    )


def _headings(rows: Sequence[TableRow], score: str) -> list[str]:
    seeds = ["Seeds"] if _has_replicates(rows) else []
    first = ["Method", "Hyperparameters", "# Trainable Parameters", _score_heading(rows, score)]
    return [*first, *seeds, "lr", "Front"]


def _score_heading(rows: Sequence[TableRow], otherwise: str = "Score") -> str:
    titles = {score_title(row.task, row.metric) for row in rows}
    return one_line(titles.pop()) if len(titles) == 1 else one_line(otherwise)


def _has_replicates(rows: Sequence[TableRow]) -> bool:
    return any(row.n + row.n_failed > 1 for row in rows)


def learning_rates(trial: TrialRecord) -> tuple[float, ...]:
    """Return the parts' own learning rates in a sum, then the common one, where there are such."""
    parts = [v for key, v in trial.hyperparameters.items() if key.endswith(".lr") and isinstance(v, float)]
    return (*parts, *([] if trial.lr is None else [trial.lr]))


def _print_rates(row: TableRow) -> str:
    return ", ".join(print_lr(lr) for lr in row.learning_rates) or "-"


def _label(row: TableRow) -> str:
    return one_line(row.label) or "-"


def _cells(row: TableRow, with_title: bool, with_seeds: bool) -> list[str]:
    return [
        one_line(f"{row.title} ({row.source})" if row.source else row.title) if with_title else "",
        _label(row),
        print_count(row.trainable_params),
        print_score(row.score, row.std, row.metric),
        *(["-" if row.source else print_seeds(row.n, row.n_failed)] if with_seeds else []),
        _print_rates(row),
        _front_cell(row),
    ]


def _front_cell(row: TableRow) -> str:
    """``✓ 87%`` on the front, ``12%`` off it; no percentage where it rounds to 0 or 100, or is not known."""
    chance = "" if row.front_probability is None else f"{100 * row.front_probability:.0f}%"
    return f"{MARK if row.is_pareto else ''} {'' if chance in ('0%', '100%') else chance}".strip()


def _with_group_edges(rows: Sequence[TableRow]) -> list[tuple[TableRow, bool, bool]]:
    """Return each row with whether it is the first and whether it is the last of its method."""
    methods = [None, *((row.method, row.title, row.source) for row in rows), None]
    return [
        (row, methods[i] != methods[i + 1], methods[i + 2] != methods[i + 1]) for i, row in enumerate(rows)
    ]
