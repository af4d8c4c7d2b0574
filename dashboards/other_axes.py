"""The front by another metric than the score, or against another cost than trainable parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dashboards.fitted_table import FittedTable
from dashboards.imported import trial_names
from dashboards.pareto import front_of
from dashboards.printing import one_line, print_score, score_title
from dashboards.replicates import Cost, Replicates, replicates
from dashboards.table15 import MARK
from methods.errors import FrontuneError, unknown_name
from storage.records import Measurement, TrialRecord

COST_TITLES: dict[Cost, str] = {
    "trainable_params": "# Trainable Parameters",
    "stored_params": "# Stored Parameters",
    "peak_memory_bytes": "Peak memory (MB)",
    "train_seconds": "Training time (s)",
    "train_tokens": "Training tokens",
}


def scored_by(
    metric: str, trials: Sequence[TrialRecord], measured: Mapping[int, Sequence[Measurement]]
) -> list[TrialRecord]:
    """Return the trials with a metric that was measured on validation as their score, None where it was not.

    Raises FrontuneError where no trial has it, naming those that some have.
    """
    values = {
        number: {each.metric: each.value for each in some if each.split == "validation"}
        for number, some in measured.items()
    }
    known = {name for some in values.values() for name in some} - {"rows_cut"}
    if metric not in known:
        raise FrontuneError(unknown_name("metric", metric, known))
    return [replace(t, metric=metric, score=values.get(t.number, {}).get(metric)) for t in trials]


def render_front(trials: Sequence[TrialRecord], cost: Cost, every: bool = False) -> FittedTable:
    """Return the front's configurations for a terminal, or all whose cost is known, seeds averaged, ordered
    by cost."""
    groups = replicates(trials)
    front = front_of(groups, cost)
    score = score_title(front[0].first.task, front[0].first.metric) if front else "Score"
    headings = ["Trial", "Method", "Hyperparameters", COST_TITLES[cost], one_line(score)]
    if cost != "trainable_params":
        headings.insert(3, COST_TITLES["trainable_params"])
    best = {group.first.config_hash for group in front}
    known = [group for group in groups if group.cost(cost) is not None]
    rows = []
    for group in sorted(known, key=lambda g: g.cost(cost) or 0.0) if every else front:
        mark = MARK if group.first.config_hash in best else ""
        rows.append([*_cells(group, cost), *([mark] if every else [])])
    return FittedTable([*headings, *(["Front"] if every else [])], rows, set(), n_names=3)


def _cells(group: Replicates, cost: Cost) -> list[str]:
    first = group.first
    some = f" ({group.seeds} seeds)" if group.n_failed else ""
    return [
        trial_names(trial.number for trial in group.trials),
        one_line(first.title),
        one_line(first.label) or "-",
        *([] if cost == "trainable_params" else [f"{first.trainable_params:,}"]),
        _print_cost(group.cost(cost) or 0.0, cost),
        print_score(group.score, group.std, first.metric) + some,
    ]


def _print_cost(value: float, cost: Cost) -> str:
    if cost == "peak_memory_bytes":
        return f"{value / 1e6:,.1f}"
    return f"{value:,.1f}" if cost == "train_seconds" else f"{value:,.0f}"
