"""How far running trials are: written by the driver now and then, gone with the trial's end."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select

from storage.ledger import Ledger
from storage.models import ProgressRow, TrialRow, row_values
from storage.records import TrialProgress


def save_progress(ledger: Ledger, sweep: str, found: Iterable[TrialProgress]) -> None:
    """Write down how far these trials are, in place of what was known; one that the ledger does not have, or
    that has ended, is left out."""
    by_number = {each.number: each for each in found}
    running = select(TrialRow.number, TrialRow.id).where(
        TrialRow.sweep == sweep, TrialRow.state == "running", TrialRow.number.in_(by_number)
    )
    with ledger.session(write=True) as session:
        ids = {row.number: row.id for row in session.execute(running)}
        rows = [_row(by_number[number]) | {"trial_id": trial_id} for number, trial_id in ids.items()]
        session.execute(delete(ProgressRow).where(ProgressRow.trial_id.in_(ids.values())))
        if rows:
            session.execute(insert(ProgressRow), rows)


def progress_of(ledger: Ledger, sweep: str) -> list[TrialProgress]:
    """Return how far the sweep's running trials are, by number."""
    query = (
        select(TrialRow.number, ProgressRow)
        .join(TrialRow, TrialRow.id == ProgressRow.trial_id)
        .where(TrialRow.sweep == sweep, TrialRow.state == "running")
        .order_by(TrialRow.number)
    )
    with ledger.session() as session:
        return [
            TrialProgress(
                number=number,
                step=row.step,
                steps=row.steps,
                at=row.at,
                first_step=row.first_step,
                first_at=row.first_at,
                losses=tuple((step, loss) for step, loss in row.losses),
            )
            for number, row in session.execute(query)
        ]


def _row(progress: TrialProgress) -> dict[str, object]:
    values = row_values(progress)
    del values["number"]
    return values | {"losses": [list(each) for each in progress.losses]}
