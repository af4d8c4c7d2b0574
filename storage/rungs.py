"""What trials scored at their rungs, in the order in which they reached them."""

from __future__ import annotations

from sqlalchemy import select

from storage.ledger import Ledger, LedgerError
from storage.models import RungRow, TrialRow
from storage.records import RungScore


def add_rung(ledger: Ledger, sweep: str, found: RungScore) -> None:
    """Remember a rung's score; that of a trial which reaches the rung once more is left as it was."""
    with ledger.session(write=True) as session:
        trial = session.scalars(
            select(TrialRow.id).where(TrialRow.sweep == sweep, TrialRow.number == found.number)
        ).first()
        if trial is None:
            raise LedgerError(f"sweep {sweep!r} has no trial {found.number}")
        known = select(RungRow.id).where(RungRow.trial_id == trial, RungRow.rung == found.rung)
        if session.scalars(known).first() is None:
            session.add(
                RungRow(trial_id=trial, rung=found.rung, step=found.step, score=found.score, loss=found.loss)
            )


def rung_scores(ledger: Ledger, sweep: str, *, only_running: bool = False) -> list[RungScore]:
    """Return all rungs that the sweep's trials, or those that run, have reached, in the order they did."""
    query = (
        select(TrialRow.number, RungRow.rung, RungRow.step, RungRow.score, RungRow.loss)
        .join(TrialRow, TrialRow.id == RungRow.trial_id)
        .where(TrialRow.sweep == sweep)
        .order_by(RungRow.id)
    )
    if only_running:
        query = query.where(TrialRow.state == "running")
    with ledger.session() as session:
        return [RungScore(*row) for row in session.execute(query)]
