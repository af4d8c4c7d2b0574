"""Trials as CSV for spreadsheets and data frames: one row a trial, numbers at full precision.

`is_pareto` and the four columns from `score_mean` on are of the trial's configuration, whose seeds are taken
together. What was imported has numbers below 0.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dashboards.files import check_writable, write_atomically
from dashboards.front_probability import front_probabilities
from dashboards.pareto import front_of
from dashboards.replicates import Cost, Replicates, replicates
from storage.records import TrialRecord

Cell = int | float | str | bool | datetime | None

BEFORE = ("sweep", "study", "trial", "state", "is_pareto", "method", "config_hash", "seed", "base", "task")
AFTER = (
    "score",
    "metric",
    "trainable_params",
    "stored_params",
    "trainable_pct",
    "lr",
    "batch_size",
    "steps",
    "train_seconds",
    "eval_seconds",
    "wall_seconds",
    "tokens_per_second",
    "peak_memory_bytes",
    "device",
    "mlflow_run_id",
    "created_at",
    "git_commit",
    "score_mean",
    "score_std",
    "n_seeds",
    "front_probability",
    "imported_from",
    "train_tokens",
    "reused_from",
    "reason",
)
# What Excel, LibreOffice and Google Sheets take for a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")


def write_csv(
    path: Path,
    sweeps: Sequence[Sequence[TrialRecord]],
    front_only: bool,
    cost: Cost = "trainable_params",
) -> None:
    """Write the trials of each sweep's front ordered by cost, or all its trials by number, atomically.

    Raises FrontuneError if `path` is a folder or lies in none.
    """
    check_writable(path, "the CSV")
    write_atomically(path, trials_csv(sweeps, front_only, cost), "the CSV")


def trials_csv(
    sweeps: Sequence[Sequence[TrialRecord]], front_only: bool, cost: Cost = "trainable_params"
) -> bytes:
    """Return the content of that file."""
    return values_csv(*trial_values(sweeps, front_only, cost)).encode("utf-8")


def trial_values(
    sweeps: Sequence[Sequence[TrialRecord]], front_only: bool, cost: Cost = "trainable_params"
) -> tuple[list[str], list[list[Cell]]]:
    """Return the names of the columns and a row of values for each trial.

    Fixed columns stand around one for each hyperparameter, sorted by name; one that has the name of a fixed
    column (``lr``) has no second. The front and all trials have the same columns, those of all trials, so
    that the two can be joined.
    """
    every = [trial for trials in sweeps for trial in trials]
    hyperparameters = _hyperparameters(every)
    rows: list[list[Cell]] = []
    for trials in sweeps:
        found = _Means.of(trials, cost)
        shown = found.front.values() if front_only else sorted(trials, key=lambda t: t.place)
        rows += [_row(trial, found, hyperparameters) for trial in shown]
    return [*BEFORE, *hyperparameters, *AFTER], rows


def values_csv(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return what `trial_values` returned, or some rows of it, as CSV."""
    return csv_text([[csv_cell(cell) for cell in row] for row in (columns, *rows)])


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as CSV with LF line ends."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def csv_cell(value: Cell) -> str:
    """Return one cell: integers unrounded, floats by repr, true/false, None empty, times ISO 8601 in UTC.

    Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers never do.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    text = str(value)
    if "\r" in text:
        # Python's writer quotes LF and not a lone CR, which readers take for the end of the row.
        text = re.sub(r"\r\n?", "\n", text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def text_in_csv(cell: str) -> str:
    """Return the text that `csv_cell` wrote."""
    escaped = cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS)
    return cell[1:] if escaped else cell


@dataclass(frozen=True)
class _Means:
    """A sweep's configurations, seeds taken together; `front` holds the trials of the best by number."""

    groups: Mapping[str, Replicates]
    front: Mapping[int, TrialRecord]
    front_probability: Mapping[str, float]

    @classmethod
    def of(cls, trials: Iterable[TrialRecord], cost: Cost) -> _Means:
        groups = replicates(trials)
        front = {trial.number: trial for group in front_of(groups, cost) for trial in group.trials}
        return cls({g.first.config_hash: g for g in groups}, front, front_probabilities(groups, cost))

    def columns(self, trial: TrialRecord) -> dict[str, Cell]:
        """What is known of the trial by its configuration; nothing where no seed of it has a score."""
        group = self.groups.get(trial.config_hash)
        return {
            "is_pareto": trial.number in self.front,
            "score_mean": group.score if group else None,
            "score_std": group.std if group else None,
            "n_seeds": group.n if group else None,
            "front_probability": self.front_probability.get(trial.config_hash),
        }


def _hyperparameters(trials: Iterable[TrialRecord]) -> list[str]:
    names = {name for trial in trials for name in trial.hyperparameters}
    return sorted(names.difference(BEFORE, AFTER))


def _row(trial: TrialRecord, found: _Means, hyperparameters: Sequence[str]) -> list[Cell]:
    computed: dict[str, Cell] = {"trial": trial.number, **found.columns(trial)}

    def fixed(name: str) -> Cell:
        value: Cell = computed[name] if name in computed else getattr(trial, name)
        return value

    return [
        *map(fixed, BEFORE),
        *(trial.hyperparameters.get(name) for name in hyperparameters),
        *map(fixed, AFTER),
    ]
