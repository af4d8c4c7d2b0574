"""What many trials measured, read at once: a metric along their way, or the names of all."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from storage.ledger import Ledger
from storage.models import MeasurementRow, TrialRow

AT_ONCE = 500
"""Trials of one query; SQLite takes 32,766 values, older ones 999."""
Curve = list[tuple[int, float]]


def curves(ledger: Ledger, sweep: str, numbers: Sequence[int], metric: str, split: str) -> dict[int, Curve]:
    """Return (step, value) of a metric for each of these trials that measured it, ordered by step."""
    found: dict[int, Curve] = {}
    for start in range(0, len(numbers), AT_ONCE):
        query = (
            select(TrialRow.number, MeasurementRow.step, MeasurementRow.value)
            .join(TrialRow, TrialRow.id == MeasurementRow.trial_id)
            .where(TrialRow.sweep == sweep, TrialRow.number.in_(numbers[start : start + AT_ONCE]))
            .where(MeasurementRow.metric == metric, MeasurementRow.split == split)
            .order_by(TrialRow.number, MeasurementRow.step)
        )
        with ledger.session() as session:
            for number, step, value in session.execute(query):
                found.setdefault(number, []).append((step, value))
    return found


def metric_names(ledger: Ledger, sweep: str, split: str) -> dict[int, set[str]]:
    """Return the names of what each trial measured on a split, by its number."""
    found: dict[int, set[str]] = {}
    query = (
        select(TrialRow.number, MeasurementRow.metric)
        .join(TrialRow, TrialRow.id == MeasurementRow.trial_id)
        .where(TrialRow.sweep == sweep, MeasurementRow.split == split)
    )
    with ledger.session() as session:
        for number, metric in session.execute(query):
            found.setdefault(number, set()).add(metric)
    return found
