"""The ledger's schema, step by step (Alembic); `REVISIONS` lists what this code knows, oldest first."""

from typing import Final

# Kept here beside the scripts, so that opening a current ledger need not load Alembic.
REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
HEAD: Final = REVISIONS[-1]
VERSION_TABLE: Final = "frontune_version"
"""Not `alembic_version`: Optuna owns that name, and its tables may live in the same database."""
