"""Opens a ledger's database: connection, schema version, creation and upgrade (Alembic, loaded only then)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from methods.errors import FrontuneError
from storage.migrations import HEAD, REVISIONS, VERSION_TABLE

BUSY_TIMEOUT_S = 30
WRITE = "frontune_write"
"""Execution option: this connection's transactions will write."""


class LedgerError(FrontuneError):
    """The ledger cannot do what was asked of it; one sentence says why."""


class LedgerAway(LedgerError):
    """The database cannot be used now, though it may later: it is locked, full, or not to be reached."""


class NoLedger(LedgerError):
    """The database holds no ledger yet."""


def open_engine(url: str, *, create: bool) -> Engine:
    """Return an engine on a database with the current schema; see `Ledger.open`."""
    try:
        engine = _engine(url)
    except (ArgumentError, ImportError) as error:
        # Not `error` itself: what cannot be parsed is quoted there whole, password included.
        shown = re.sub(r"//[^@/]*@", "//***@", url)
        reason = f": {error}" if isinstance(error, ImportError) else ""
        raise LedgerError(
            f"cannot use {shown!r} as a ledger{reason}; wanted sqlite:///PATH or postgresql+DRIVER://..."
        ) from error
    with opening(engine):
        _make_current(engine, create=create)
    return engine


@contextmanager
def opening(engine: Engine) -> Iterator[None]:
    """Within it a ledger is opened; where that fails nothing of the engine stays open, and one sentence says
    why."""
    try:
        yield
    except SQLAlchemyError as error:
        engine.dispose()
        raise LedgerError(f"cannot open the ledger {location(engine)}: {sentence(error)}") from error
    except FrontuneError:
        engine.dispose()
        raise


def location(engine: Engine) -> str:
    """Return where the database is, without its password."""
    url = engine.url
    is_file = url.get_backend_name() == "sqlite" and url.database
    return str(url.database) if is_file else url.render_as_string(hide_password=True)


def sentence(error: Exception) -> str:
    """Return what the database said, without the statement that made it say so."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(said).split())


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", prepare_sqlite)
    event.listen(engine, "begin", begin_sqlite)
    return engine


def prepare_sqlite(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    # Python's driver begins transactions at moments of its own, never before DDL: `begin_sqlite` does it.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def begin_sqlite(connection: Connection) -> None:
    # A transaction that first reads and then writes fails at once, without waiting out the busy timeout,
    # when Optuna wrote in between; taking the write lock at the start waits.
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_current(engine: Engine, *, create: bool) -> None:
    revision = None if is_missing_file(engine) else known_revision(engine)
    if revision is None and not create:
        raise NoLedger(f"no ledger in {location(engine)}; 'frontune run' makes one")
    if engine.dialect.name == "sqlite":
        _use_write_ahead_log(engine)
    if revision != HEAD:
        _upgrade(engine)


def _use_write_ahead_log(engine: Engine) -> None:
    # On the driver's connection: inside a transaction SQLite refuses to change the journal's mode.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def is_missing_file(engine: Engine) -> bool:
    database = engine.url.database
    is_file = engine.dialect.name == "sqlite" and database not in (None, "", ":memory:")
    return is_file and not Path(str(database)).exists()


def known_revision(engine: Engine) -> str | None:
    """Return the schema's revision, None without one; writes nothing and refuses one not known here."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        rows = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        found = [str(row.version_num) for row in rows]
    if not found:
        return None
    if found[0] not in REVISIONS or len(found) > 1:
        raise LedgerError(
            f"workspace {location(engine)} was written by a newer Frontune"
            f" (schema {', '.join(found)}, this one knows up to {HEAD}); upgrade frontune"
        )
    return found[0]


def _upgrade(engine: Engine, revision: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    # One transaction holding the write lock: of two first openings at once the second finds the work done.
    with engine.execution_options(**{WRITE: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": VERSION_TABLE})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
