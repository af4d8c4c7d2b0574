"""Results trained elsewhere, among the rows of a sweep's trials: numbered downwards from -1, never trials."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import delete, func, select

from storage.ledger import Ledger
from storage.models import TrialRow, row_values
from storage.records import TrialRecord
from storage.rows import sweep_row


def add_imported(
    ledger: Ledger, sweep: str, found: Sequence[TrialRecord], instead_of: Collection[int] = ()
) -> None:
    """Add results to the sweep, in the order given and under new numbers, in place of those imported ones
    whose numbers are `instead_of`; all or none.

    A number is not given again at once: who watches the ledger tells results apart by them.
    """
    imported = TrialRow.sweep == sweep, TrialRow.imported_from.is_not(None)
    with ledger.session(write=True) as session:
        sweep_row(session, sweep)
        lowest = session.scalar(select(func.min(TrialRow.number)).where(*imported)) or 0
        session.execute(delete(TrialRow).where(*imported, TrialRow.number.in_(instead_of)))
        numbered = [replace(each, number=lowest - place) for place, each in enumerate(found, start=1)]
        session.add_all(TrialRow(**row_values(each)) for each in numbered)
