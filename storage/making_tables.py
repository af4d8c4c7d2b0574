"""One process at a time makes tables in a database: Optuna and MLflow look first and make them then, and of
two at once the second would fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from storage.schema import BUSY_TIMEOUT_S

VERSION_TABLE = "alembic_version"
"""Where Optuna and MLflow write, last of all, which schema they have made."""


@contextmanager
def making_tables(url: str) -> Iterator[None]:
    """Within it nobody else makes tables in this database; once they are made, nobody waits in SQLite.

    Raises OSError where the lock beside a SQLite file cannot be had, and what SQLAlchemy raises of a server.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('making tables'))"))
            yield
    elif parsed.database and not _are_made(Path(parsed.database)):
        with _lock_beside(Path(parsed.database)):
            yield
    else:
        yield


def _are_made(database: Path) -> bool:
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_S)) as connection:
        return bool(connection.execute(f"SELECT count(*) FROM {VERSION_TABLE}").fetchone()[0])
    return False


@contextmanager
def _lock_beside(database: Path) -> Iterator[None]:
    """SQLite's lock, on an empty file beside the database, whose own would keep the maker out, too.

    It ends with its process. The file stays: SQLite fails whoever waits for one that is deleted.
    """
    file = database.with_name(f".{database.name}.making")
    try:
        lock = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        raise OSError(f"cannot lock {file} to make tables: {error}") from error
    with closing(lock):
        yield
