"""What has become of a sweep's results since they were read last, without reading all of them again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from storage.curves import AT_ONCE
from storage.ledger import Ledger
from storage.models import TrialRow, record_of
from storage.records import TrialRecord

LASTING = ("complete", "pruned")
"""How such a trial ended stays as it is; one that failed may be trained anew under its number."""


def newer_results(ledger: Ledger, sweep: str, known: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the sweep's results, as `ledger.results` does; `known` is what it returned before.

    What MLflow was told of ended trials since (`mirrored`, `mlflow_run_id`) may be missing.
    """
    unsettled = [trial.number for trial in known if trial.state not in LASTING]
    if not known or len(unsettled) > AT_ONCE:
        return ledger.results(sweep)
    of_sweep = TrialRow.sweep == sweep
    numbers = [trial.number for trial in known]
    newer = or_(TrialRow.number > max(numbers), TrialRow.number < min(numbers))
    may_differ = or_(newer, TrialRow.number.in_(unsettled))
    with ledger.session() as session:
        rows = session.scalars(select(TrialRow).where(of_sweep, may_differ))
        changed = {row.number: record_of(TrialRecord, row) for row in rows}
        n = session.scalar(select(func.count()).select_from(TrialRow).where(of_sweep))
    merged = {trial.number: trial for trial in known} | changed
    if len(merged) != n:
        # The ledger is not the one that was read before.
        return ledger.results(sweep)
    return sorted(merged.values(), key=lambda trial: trial.place)
