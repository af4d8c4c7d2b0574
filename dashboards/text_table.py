"""Tables 14 and 18 of the LoRA paper (Hu et al. 2021): every metric of a text, a row a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.appearance import method_order
from dashboards.pareto import direction
from dashboards.pareto_csv import csv_cell, csv_text
from dashboards.printing import one_line, print_count, print_score
from dashboards.replicates import Replicates, replicates
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


@dataclass(frozen=True)
class TextRow:
    """A configuration, its replicates averaged; `values` holds (mean, deviation or None) by metric."""

    group: Replicates
    values: Mapping[str, tuple[float, float | None]]


def text_rows(
    trials: Sequence[TrialRecord], measured: Mapping[str, Mapping[int, float]], layout: str
) -> list[TextRow]:
    """Return a row for each configuration, in the paper's order; `measured` holds values by metric and
    trial number. A metric that some replicate lacks is left out of its row."""
    rows = []
    for group in replicates(trials):
        values = {}
        for metric in LAYOUTS[layout]:
            found = [measured.get(metric, {}).get(t.number) for t in group.trials]
            known = [value for value in found if value is not None]
            if len(known) == group.n:
                mean = sum(known) / len(known)
                spread = sum((v - mean) ** 2 for v in known) / max(len(known) - 1, 1)
                values[metric] = (mean, spread**0.5 if len(known) > 1 else None)
        rows.append(TextRow(group, values))
    return sorted(rows, key=lambda r: (*method_order(r.group.first.method), r.group.first.trainable_params))


def text_cells(
    rows: Sequence[TextRow], layout: str
) -> tuple[list[str], list[list[str]], set[tuple[int, int]]]:
    """Return the headings, the cells of each row, and the (row, column) of each column's best."""
    columns = LAYOUTS[layout]
    headings = ["Method", "Hyperparameters", "# Trainable Parameters", *columns.values()]
    cells, best = [], set()
    for row in rows:
        first = row.group.first
        line = [one_line(first.title), one_line(first.label) or "-", print_count(first.trainable_params)]
        line += [print_score(*row.values[m], m) if m in row.values else "-" for m in columns]
        cells.append(line)
    for at, metric in enumerate(columns, start=3):
        sign = direction(metric)
        known = {n: sign * row.values[metric][0] for n, row in enumerate(rows) if metric in row.values}
        top = max(known.values(), default=None)
        best |= {(n, at) for n, value in known.items() if value == top}
    return headings, cells, best


def text_csv(rows: Sequence[TextRow], layout: str) -> str:
    """Return the rows for a spreadsheet, numbers as stored, a column of deviations beside each metric."""
    metrics = list(LAYOUTS[layout])
    lines = [
        ["method", "label", "trainable_params", "n", *(f"{m}{s}" for m in metrics for s in ("", "_std"))]
    ]
    for row in rows:
        first = row.group.first
        fixed = [csv_cell(v) for v in (first.title, first.label, first.trainable_params, row.group.n)]
        values = [csv_cell(v) for m in metrics for v in row.values.get(m, (None, None))]
        lines.append([*fixed, *values])
    return csv_text(lines)
