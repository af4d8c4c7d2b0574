"""Rows of sweeps and trials, found and saved within a transaction of the ledger."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from methods.errors import unknown_name
from storage.models import SweepRow, TrialRow, row_values
from storage.records import TrialRecord
from storage.schema import LedgerError


def sweep_row(session: Session, name: str) -> SweepRow:
    """Return the sweep's row; raises LedgerError naming the nearest where none is known by this name."""
    row = session.get(SweepRow, name)
    if row is None:
        raise LedgerError(unknown_name("sweep", name, session.scalars(select(SweepRow.name))))
    return row


def trial_row(session: Session, sweep: str, number: int) -> TrialRow | None:
    """Return the trial's row."""
    return session.scalars(select(TrialRow).where(TrialRow.sweep == sweep, TrialRow.number == number)).first()


def _check_same(row: TrialRow, trial: TrialRecord) -> None:
    """A number belongs to one point and seed for good: what was trained is never written over."""
    known, given = (row.study, row.point, row.seed), (trial.study, trial.point, trial.seed)
    if known != given:
        was, wanted = (f"{study}, point {point}, seed {seed}" for study, point, seed in (known, given))
        raise LedgerError(f"trial {trial.sweep}/{trial.number} is {was}, and cannot become {wanted}")


def saved_trial_row(session: Session, trial: TrialRecord) -> TrialRow:
    """Insert the trial's row, or update it; raises LedgerError where it is of another point or seed."""
    row = trial_row(session, trial.sweep, trial.number)
    if row is None:
        sweep_row(session, trial.sweep)
        row = TrialRow(**row_values(trial))
        session.add(row)
    else:
        _check_same(row, trial)
        for name, value in row_values(trial).items():
            setattr(row, name, value)
    session.flush()
    return row
