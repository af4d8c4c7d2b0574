"""The ledger: sweeps, trials and what they measured, in SQLite or PostgreSQL (SQLAlchemy 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from storage.collection import without_collection
from storage.models import (
    ArtifactRow,
    MeasurementRow,
    ProgressRow,
    ProvenanceRow,
    RefusalRow,
    SweepRow,
    TrialRow,
    record_of,
    row_values,
)
from storage.records import (
    Artifact,
    Measurement,
    Provenance,
    Refusal,
    SweepRecord,
    TrialOutcome,
    TrialRecord,
)
from storage.rows import saved_trial_row, sweep_row, trial_row
from storage.schema import WRITE, LedgerAway, LedgerError, NoLedger, location, open_engine, sentence

__all__ = ["Ledger", "LedgerAway", "LedgerError", "NoLedger"]


@dataclass(frozen=True)
class Ledger:
    """What Frontune remembers. Many may read at once; the driver of a sweep alone writes.

    Every method is one transaction. What the database refuses is raised as `LedgerError`. With a `guard` each
    transaction that writes begins with it; it raises where its writer may not write any more.
    """

    engine: Engine
    guard: Callable[[Session], None] | None = None

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Ledger:
        """Open the ledger at `url`, creating its tables or bringing them up to date.

        A schema that a newer Frontune wrote raises `LedgerError` and nothing is written; so does, with
        `create=False`, a database without a ledger.
        """
        return cls(open_engine(url, create=create))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def add_sweep(self, sweep: SweepRecord) -> None:
        """Add a sweep; its name must be new."""
        with self.session(write=True) as session:
            if session.get(SweepRow, sweep.name) is not None:
                raise LedgerError(
                    f"sweep {sweep.name!r} is in the ledger already; 'frontune run' goes on with it"
                )
            session.add(SweepRow(**row_values(sweep)))

    def sweep(self, name: str) -> SweepRecord | None:
        """Return the sweep of that name."""
        with self.session() as session:
            row = session.get(SweepRow, name)
            return None if row is None else record_of(SweepRecord, row)

    def sweeps(self) -> list[SweepRecord]:
        """Return every sweep, oldest first."""
        with self.session() as session:
            rows = session.scalars(select(SweepRow).order_by(SweepRow.created_at, SweepRow.name))
            return [record_of(SweepRecord, row) for row in rows]

    def set_sweep_spec(self, name: str, spec: Mapping[str, object]) -> None:
        """Remember the sweep file as it was read last; a later run may ask for more trials."""
        with self.session(write=True) as session:
            sweep_row(session, name).spec = dict(spec)

    def set_sweep_run(self, name: str, mlflow_run_id: str) -> None:
        """Remember which MLflow run is the sweep's."""
        with self.session(write=True) as session:
            sweep_row(session, name).mlflow_run_id = mlflow_run_id

    def add_provenance(self, sweep: str, provenance: Provenance) -> int:
        """Add where the numbers of one `frontune run` come from; return its identity in the ledger."""
        with self.session(write=True) as session:
            sweep_row(session, sweep)
            row = ProvenanceRow(sweep=sweep, **row_values(provenance))
            session.add(row)
            session.flush()
            return row.id

    def provenance(self, sweep: str) -> list[Provenance]:
        """Return the sweep's provenance, one for each `run`, oldest first."""
        with self.session() as session:
            rows = session.scalars(
                select(ProvenanceRow).where(ProvenanceRow.sweep == sweep).order_by(ProvenanceRow.id)
            )
            return [record_of(Provenance, row) for row in rows]

    def save_trial(self, trial: TrialRecord) -> None:
        """Insert the trial, or update the one with its sweep and number; raises LedgerError where that is of
        another point or seed."""
        with self.session(write=True) as session:
            saved_trial_row(session, trial)

    def save_outcome(self, outcome: TrialOutcome) -> None:
        """Save a trial with all it measured and left behind, or nothing of it.

        What an earlier outcome of the same trial held is replaced; of two measurements of the same
        metric, split and step the later counts.
        """
        trial = outcome.trial
        for each in outcome.artifacts:
            if (each.sweep, each.number) != (trial.sweep, trial.number):
                raise LedgerError(
                    f"artifact {each.path!r} belongs to {each.sweep}/{each.number},"
                    f" not to the trial {trial.sweep}/{trial.number} it was saved with"
                )
        with self.session(write=True) as session:
            row = saved_trial_row(session, trial)
            session.execute(delete(ProgressRow).where(ProgressRow.trial_id == row.id))
            session.execute(delete(MeasurementRow).where(MeasurementRow.trial_id == row.id))
            session.execute(
                delete(ArtifactRow).where(
                    ArtifactRow.sweep == trial.sweep, ArtifactRow.number == trial.number
                )
            )
            latest = {(each.metric, each.split, each.step): each for each in outcome.measurements}
            session.add_all(MeasurementRow(trial_id=row.id, **row_values(each)) for each in latest.values())
            session.add_all(ArtifactRow(**row_values(each)) for each in dict.fromkeys(outcome.artifacts))

    def trial(self, sweep: str, number: int) -> TrialRecord | None:
        """Return the sweep's trial of that number."""
        with self.session() as session:
            row = trial_row(session, sweep, number)
            return None if row is None else record_of(TrialRecord, row)

    def trials(self, sweep: str) -> list[TrialRecord]:
        """Return the sweep's trials by number, without what was imported."""
        return [trial for trial in self.results(sweep) if trial.imported_from is None]

    def results(self, sweep: str) -> list[TrialRecord]:
        """Return the sweep's trials by number, and after them what was imported, as it came."""
        # Past the ORM, whose object for each row would take three quarters of the time.
        table = TrialRow.__table__
        columns = [table.c[each.name] for each in fields(TrialRecord)]
        by_place = table.c.number < 0, func.abs(table.c.number)
        query = select(*columns).where(table.c.sweep == sweep).order_by(*by_place)
        with self.session() as session, without_collection():
            return [TrialRecord(*values) for values in session.connection().execute(query)]

    def set_mirrored(self, sweep: str, numbers: Sequence[int]) -> None:
        """Remember that MLflow knows how these trials ended."""
        if numbers:
            known = update(TrialRow).where(TrialRow.sweep == sweep, TrialRow.number.in_(numbers))
            with self.session(write=True) as session:
                session.execute(known.values(mirrored=True))

    def find_complete(self, config_hash: str, seed: int) -> TrialRecord | None:
        """Return the earliest complete trial of any sweep that trained this point and seed itself."""
        query = (
            select(TrialRow)
            .where(TrialRow.config_hash == config_hash, TrialRow.seed == seed)
            .where(TrialRow.state == "complete", TrialRow.reused_from.is_(None))
            .where(TrialRow.imported_from.is_(None))
            .order_by(TrialRow.created_at, TrialRow.id)
            .limit(1)
        )
        with self.session() as session:
            row = session.scalars(query).first()
            return None if row is None else record_of(TrialRecord, row)

    def measurements(self, sweep: str, number: int) -> list[Measurement]:
        """Return what the trial measured, in the order it was saved in."""
        query = (
            select(MeasurementRow)
            .join(TrialRow, TrialRow.id == MeasurementRow.trial_id)
            .where(TrialRow.sweep == sweep, TrialRow.number == number)
            .order_by(MeasurementRow.id)
        )
        with self.session() as session:
            return [record_of(Measurement, row) for row in session.scalars(query)]

    def add_measurements(self, sweep: str, number: int, measurements: Sequence[Measurement]) -> None:
        """Add what was measured of a trial after its end, such as its score on the test split; what is known
        of the same metric, split and step is replaced."""
        with self.session(write=True) as session:
            row = trial_row(session, sweep, number)
            if row is None:
                raise LedgerError(f"sweep {sweep!r} has no trial {number}")
            for each in measurements:
                same = {"metric": each.metric, "split": each.split, "step": each.step}
                session.execute(delete(MeasurementRow).filter_by(trial_id=row.id, **same))
            session.add_all(MeasurementRow(trial_id=row.id, **row_values(each)) for each in measurements)

    def artifacts(self, sweep: str, number: int | None = None) -> list[Artifact]:
        """Return the files of one trial, or, without a number, all of the sweep and its trials."""
        query = select(ArtifactRow).where(ArtifactRow.sweep == sweep).order_by(ArtifactRow.id)
        if number is not None:
            query = query.where(ArtifactRow.number == number)
        with self.session() as session:
            return [record_of(Artifact, row) for row in session.scalars(query)]

    def add_refusal(self, refusal: Refusal) -> None:
        """Add a configuration that was not trained; once is enough, and the latest reason counts."""
        with self.session(write=True) as session:
            sweep_row(session, refusal.sweep)
            values = row_values(refusal)
            reason = values.pop("reason")
            row = session.scalars(select(RefusalRow).filter_by(**values)).first()
            if row is None:
                session.add(RefusalRow(**row_values(refusal)))
            else:
                row.reason = reason

    def refusals(self, sweep: str) -> list[Refusal]:
        """Return the sweep's refusals, oldest first."""
        query = select(RefusalRow).where(RefusalRow.sweep == sweep).order_by(RefusalRow.id)
        with self.session() as session:
            return [record_of(Refusal, row) for row in session.scalars(query)]

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[Session]:
        """One transaction, for what else is remembered (`storage.lease`, `storage.rungs`)."""
        engine = self.engine.execution_options(**{WRITE: write})
        try:
            with Session(engine) as session, session.begin():
                if write and self.guard is not None:
                    self.guard(session)
                yield session
        except OperationalError as error:
            said = sentence(error)
            raise LedgerAway(f"the ledger {location(self.engine)} cannot be used now: {said}") from error
        except (SQLAlchemyError, OverflowError, UnicodeError) as error:
            # SQLite's driver raises the last two, for what no column can hold, past SQLAlchemy.
            raise LedgerError(f"the ledger {location(self.engine)} refused: {sentence(error)}") from error
