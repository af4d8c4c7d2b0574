"""Where the ledger's models and its migrations describe different tables, on any database; and a workspace
that says that another version wrote it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from storage import models
from storage.migrations import HEAD, VERSION_TABLE


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


@contextmanager
def schema_of(workspace: Path, revision: str) -> Iterator[None]:
    """Within it the workspace's ledger says that it has another schema than it has."""
    _mark(workspace, revision)
    yield
    _mark(workspace, HEAD)


def _mark(workspace: Path, revision: str) -> None:
    with closing(sqlite3.connect(workspace / "frontune.db")) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
