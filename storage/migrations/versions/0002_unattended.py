"""Sweeps that run unattended: leases, rungs, what trials cost, and which of them MLflow knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("frontune_trials", sa.Column("train_tokens", sa.BigInteger()))
    # Whatever ended under the first schema had been told to MLflow by the end of that run.
    op.add_column(
        "frontune_trials", sa.Column("mirrored", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.create_table(
        "frontune_rungs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("loss", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_frontune_rungs"),
        sa.UniqueConstraint("trial_id", "rung", name="uq_frontune_rungs_trial_id_rung"),
        sa.ForeignKeyConstraint(["trial_id"], ["frontune_trials.id"], name="fk_frontune_rungs_trial_id"),
    )
    op.create_table(
        "frontune_leases",
        sa.Column("sweep", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sweep", name="pk_frontune_leases"),
    )


def downgrade() -> None:
    op.drop_table("frontune_leases")
    op.drop_table("frontune_rungs")
    op.drop_column("frontune_trials", "mirrored")
    op.drop_column("frontune_trials", "train_tokens")
