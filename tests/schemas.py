"""Where the ledger's models and its migrations describe different tables, on any database."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from storage import models
from storage.migrations import VERSION_TABLE


def schema_differences(engine: Engine) -> list[Any]:
    """What a migration would have to change in the database for it to be as the models say."""
    options = {
        "version_table": VERSION_TABLE,
        "include_name": models.is_ours,
        "compare_type": True,
        "target_metadata": models.Base.metadata,
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, models.Base.metadata))
