"""How far running trials are, for whoever watches a sweep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "frontune_progress",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_step", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("losses", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("trial_id", name="pk_frontune_progress"),
        sa.ForeignKeyConstraint(["trial_id"], ["frontune_trials.id"], name="fk_frontune_progress_trial_id"),
    )


def downgrade() -> None:
    op.drop_table("frontune_progress")
