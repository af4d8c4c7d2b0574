"""The ledger's tables (SQLAlchemy 2), and the two functions between a record and its row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    UniqueConstraint,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX = "frontune_"
Record = TypeVar("Record", bound="DataclassInstance")


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(
                f"a time without a zone cannot be stored: {value.isoformat()}; wanted an aware one"
            )
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return None if value is None else value.astimezone(UTC)


class NanFloat(TypeDecorator[float]):
    """A number that may be NaN, as the loss of a diverged trial is; SQLite keeps NaN as NULL."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else value

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else value


class Base(DeclarativeBase):
    """The root of our tables; Optuna's, which may live in the same database, hang from another."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it as a class attribute)
        datetime: UtcDateTime,
        float: Double,
        dict[str, Any]: JSON,
        str: String,
    }


class SweepRow(Base):
    __tablename__ = "frontune_sweeps"

    name: Mapped[str] = mapped_column(primary_key=True)
    base: Mapped[str]
    task: Mapped[str]
    metric: Mapped[str]
    spec: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    mlflow_run_id: Mapped[str | None]


class TrialRow(Base):
    __tablename__ = "frontune_trials"
    __table_args__ = (UniqueConstraint("sweep", "number"), Index(None, "config_hash", "seed"))

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[str] = mapped_column(ForeignKey("frontune_sweeps.name"))
    study: Mapped[str]
    number: Mapped[int]
    state: Mapped[str]
    method: Mapped[str]
    title: Mapped[str]
    label: Mapped[str]
    hyperparameters: Mapped[dict[str, Any]]
    config_hash: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    base: Mapped[str]
    task: Mapped[str]
    metric: Mapped[str]
    trainable_params: Mapped[int] = mapped_column(BigInteger)
    stored_params: Mapped[int] = mapped_column(BigInteger)
    base_params: Mapped[int] = mapped_column(BigInteger)
    point: Mapped[int]
    created_at: Mapped[datetime]
    score: Mapped[float | None]
    lr: Mapped[float | None]
    batch_size: Mapped[int | None]
    steps: Mapped[int | None]
    train_seconds: Mapped[float | None]
    eval_seconds: Mapped[float | None]
    wall_seconds: Mapped[float | None]
    tokens_per_second: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    device: Mapped[str | None]
    mlflow_run_id: Mapped[str | None]
    git_commit: Mapped[str | None]
    reason: Mapped[str | None]
    reused_from: Mapped[str | None]
    train_tokens: Mapped[int | None] = mapped_column(BigInteger)
    mirrored: Mapped[bool] = mapped_column(server_default=true())
    imported_from: Mapped[str | None]


class MeasurementRow(Base):
    __tablename__ = "frontune_measurements"
    __table_args__ = (UniqueConstraint("trial_id", "metric", "split", "step"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("frontune_trials.id"))
    metric: Mapped[str]
    split: Mapped[str]
    step: Mapped[int]
    value: Mapped[float] = mapped_column(NanFloat, nullable=True)


class RungRow(Base):
    __tablename__ = "frontune_rungs"
    __table_args__ = (UniqueConstraint("trial_id", "rung"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("frontune_trials.id"))
    rung: Mapped[int]
    step: Mapped[int]
    score: Mapped[float]
    loss: Mapped[float | None]


class ProgressRow(Base):
    __tablename__ = "frontune_progress"

    trial_id: Mapped[int] = mapped_column(ForeignKey("frontune_trials.id"), primary_key=True)
    step: Mapped[int]
    steps: Mapped[int]
    at: Mapped[datetime]
    first_step: Mapped[int]
    first_at: Mapped[datetime]
    losses: Mapped[list[Any]] = mapped_column(JSON)


class LeaseRow(Base):
    __tablename__ = "frontune_leases"

    sweep: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    process: Mapped[str]
    since: Mapped[datetime]
    renewed_at: Mapped[datetime]


class ArtifactRow(Base):
    __tablename__ = "frontune_artifacts"
    __table_args__ = (
        ForeignKeyConstraint(["sweep", "number"], ["frontune_trials.sweep", "frontune_trials.number"]),
        Index(None, "sweep", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[str] = mapped_column(ForeignKey("frontune_sweeps.name"))
    number: Mapped[int | None]
    kind: Mapped[str]
    path: Mapped[str]


class ProvenanceRow(Base):
    __tablename__ = "frontune_provenance"

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[str] = mapped_column(ForeignKey("frontune_sweeps.name"), index=True)
    created_at: Mapped[datetime]
    packages: Mapped[dict[str, Any]]
    git_commit: Mapped[str | None]
    git_dirty: Mapped[bool]
    base_fingerprint: Mapped[str]
    data_fingerprint: Mapped[str]
    prompt_fingerprint: Mapped[str]
    device: Mapped[str]


class UntrainedRow(Base):
    __tablename__ = "frontune_untrained"
    __table_args__ = (UniqueConstraint("sweep", "metric"), Index(None, "identity"))

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[str] = mapped_column(ForeignKey("frontune_sweeps.name"))
    identity: Mapped[str]
    metric: Mapped[str]
    value: Mapped[float]


class RefusalRow(Base):
    __tablename__ = "frontune_refusals"
    __table_args__ = (UniqueConstraint("sweep", "method", "label"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[str] = mapped_column(ForeignKey("frontune_sweeps.name"))
    method: Mapped[str]
    label: Mapped[str]
    reason: Mapped[str]


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Tell Alembic to look at our tables only (its `include_name`)."""
    return kind != "table" or (name is not None and name.startswith(PREFIX))


def row_values(record: DataclassInstance) -> dict[str, Any]:
    """Return the record's fields as its row's columns, which have the same names."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def record_of(kind: type[Record], row: Base) -> Record:
    """Return the record that `row` holds."""
    return kind(**{each.name: getattr(row, each.name) for each in fields(kind)})
