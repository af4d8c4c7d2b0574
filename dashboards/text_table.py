"""Tables 14 and 18 of the LoRA paper (Hu et al. 2021): every metric of a text, a row a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from dashboards.pareto import direction
from dashboards.pareto_csv import csv_cell, csv_text
from dashboards.printing import print_score
from dashboards.replicates import Replicates, replicates
from dashboards.table15 import TableRow, table_cells, table_rows
from storage.records import TrialRecord

PARTS = {"unseen": "U", "seen": "S", "all": "A"}
_OF_PARTS = [(metric, part) for metric in ("bleu", "meteor", "ter") for part in PARTS]
LAYOUTS = {
    "14": {f"{metric}/{part}": f"{metric.upper()} {PARTS[part]}" for metric, part in _OF_PARTS},
    "18": {
        "loss": "val_loss",
        "bleu": "BLEU",
        "nist": "NIST",
        "meteor": "METEOR",
        "rouge_l": "ROUGE-L",
        "cider": "CIDEr",
    },
}
"""The columns of each layout: metrics as they are stored, with their headings."""
TASKS = {"14": "webnlg", "18": "e2e"}
"""The task that each layout is of."""

Values = Mapping[str, tuple[float, float | None]]
"""(mean, deviation or None) by metric."""


@dataclass(frozen=True)
class TextRow:
    """A configuration as a row of Table 15 has it, and all its metrics."""

    row: TableRow
    values: Values


def text_rows(
    trials: Sequence[TrialRecord], measured: Mapping[str, Mapping[int, float]], layout: str
) -> list[TextRow]:
    """Return a row for each configuration, in the paper's order; `measured` holds values by metric and
    trial number. A metric that some replicate lacks is left out of its row."""
    groups = {group.first.config_hash: group for group in replicates(trials)}
    return [
        TextRow(row, _values(groups[row.config_hash], measured, LAYOUTS[layout]))
        for row in table_rows(trials)
    ]


def text_cells(
    rows: Sequence[TextRow], layout: str
) -> tuple[list[str], list[list[str]], set[tuple[int, int]]]:
    """Return the headings, the cells of each row, and the (row, column) of each of one's own columns' best.

    It is Table 15 with all metrics in place of the score.
    """
    columns = LAYOUTS[layout]
    headings, plain, _ = table_cells([row.row for row in rows])
    cells = [
        [*line[:3], *(print_score(*row.values[m], m) if m in row.values else "-" for m in columns), *line[4:]]
        for row, line in zip(rows, plain, strict=True)
    ]
    best = set()
    for at, metric in enumerate(columns, start=3):
        sign = direction(metric)
        own = {n: row.values for n, row in enumerate(rows) if metric in row.values and not row.row.source}
        known = {n: sign * values[metric][0] for n, values in own.items()}
        top = max(known.values(), default=None)
        best |= {(n, at) for n, value in known.items() if value == top}
    return [*headings[:3], *columns.values(), *headings[4:]], cells, best


def text_csv(rows: Sequence[TextRow], layout: str, sweeps: Sequence[str] = ()) -> str:
    """Return the rows for a spreadsheet, numbers as stored, a column of deviations beside each metric.

    `sweeps` names the sweep of each row, for a first column, where there are several.
    """
    metrics = [f"{m}{s}" for m in LAYOUTS[layout] for s in ("", "_std")]
    first = ["sweep"] if sweeps else []
    last = ["source"] if any(row.row.source or row.row.imported_from for row in rows) else []
    lines = [[*first, "method", "label", "trainable_params", "n", *metrics, "lr", "is_pareto", *last]]
    for text, sweep in zip_longest(rows, sweeps):
        row = text.row
        values = [v for m in LAYOUTS[layout] for v in text.values.get(m, (None, None))]
        rates = row.learning_rates
        lr = rates[0] if len(rates) == 1 else ", ".join(map(str, rates))
        cells = [*([sweep] if sweeps else []), row.title, row.label, row.trainable_params, row.n]
        cells += [*values, lr, row.is_pareto, *([row.imported_from or row.source] if last else [])]
        lines.append(list(map(csv_cell, cells)))
    return csv_text(lines)


def _values(
    group: Replicates, measured: Mapping[str, Mapping[int, float]], metrics: Mapping[str, str]
) -> Values:
    values: dict[str, tuple[float, float | None]] = {}
    for metric in metrics:
        found = [measured.get(metric, {}).get(trial.number) for trial in group.trials]
        known = [value for value in found if value is not None]
        if len(known) == group.n:
            mean = sum(known) / len(known)
            spread = sum((v - mean) ** 2 for v in known) / max(len(known) - 1, 1)
            values[metric] = (mean, spread**0.5 if len(known) > 1 else None)
    return values
