"""What has become of a sweep's trials since they were read last, without reading all of them again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from storage.curves import AT_ONCE
from storage.ledger import Ledger
from storage.models import TrialRow, record_of
from storage.records import TrialRecord

UNENDED = ("running", "interrupted")
"""What may still change; how any other trial ended stays as it is."""


def newer_trials(ledger: Ledger, sweep: str, known: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the sweep's trials by number, as `ledger.trials` does; `known` is what it returned before.

    What MLflow was told of ended trials since (`mirrored`, `mlflow_run_id`) may be missing.
    """
    unended = [trial.number for trial in known if trial.state in UNENDED]
    if not known or len(unended) > AT_ONCE:
        return ledger.trials(sweep)
    of_sweep = TrialRow.sweep == sweep
    may_differ = or_(TrialRow.number > known[-1].number, TrialRow.number.in_(unended))
    with ledger.session() as session:
        rows = session.scalars(select(TrialRow).where(of_sweep, may_differ))
        changed = {row.number: record_of(TrialRecord, row) for row in rows}
        n = session.scalar(select(func.count()).select_from(TrialRow).where(of_sweep))
    merged = {trial.number: trial for trial in known} | changed
    if len(merged) != n:
        # The ledger is not the one that was read before.
        return ledger.trials(sweep)
    return [merged[number] for number in sorted(merged)]
