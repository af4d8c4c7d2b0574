"""What the base scores before anything is trained."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "frontune_untrained",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sweep", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_frontune_untrained"),
        sa.UniqueConstraint("sweep", "metric", name="uq_frontune_untrained_sweep_metric"),
        sa.ForeignKeyConstraint(["sweep"], ["frontune_sweeps.name"], name="fk_frontune_untrained_sweep"),
    )
    op.create_index("ix_frontune_untrained_identity", "frontune_untrained", ["identity"])


def downgrade() -> None:
    op.drop_index("ix_frontune_untrained_identity", "frontune_untrained")
    op.drop_table("frontune_untrained")
