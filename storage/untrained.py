"""What the base of a sweep scores before anything is trained, by metric."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from storage.ledger import Ledger
from storage.models import UntrainedRow


def save_untrained(ledger: Ledger, sweep: str, identity: str, scores: Mapping[str, float]) -> None:
    """Remember the scores of a sweep's base in place of what was known; sweeps with one `identity` have the
    same."""
    with ledger.session(write=True) as session:
        session.execute(delete(UntrainedRow).where(UntrainedRow.sweep == sweep))
        session.add_all(
            UntrainedRow(sweep=sweep, identity=identity, metric=metric, value=value)
            for metric, value in scores.items()
        )


def untrained_scores(ledger: Ledger, sweep: str) -> dict[str, float]:
    """Return what is known of the sweep's base; empty where nothing is."""
    query = select(UntrainedRow.metric, UntrainedRow.value).where(UntrainedRow.sweep == sweep)
    with ledger.session() as session:
        return {row.metric: row.value for row in session.execute(query.order_by(UntrainedRow.id))}


def untrained_elsewhere(ledger: Ledger, identity: str) -> dict[str, float]:
    """Return what is known of the same base, task and data from any sweep."""
    query = select(UntrainedRow.sweep).where(UntrainedRow.identity == identity).order_by(UntrainedRow.id)
    with ledger.session() as session:
        sweep = session.scalars(query.limit(1)).first()
    return {} if sweep is None else untrained_scores(ledger, sweep)
