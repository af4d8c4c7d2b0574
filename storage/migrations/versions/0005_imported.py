"""Results that were trained elsewhere stand beside a sweep's trials, and say which file they came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("frontune_trials", sa.Column("imported_from", sa.String()))


def downgrade() -> None:
    op.drop_column("frontune_trials", "imported_from")
