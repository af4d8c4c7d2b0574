"""A ledger for watching: it cannot be written, holds up nobody who writes it, and says when it changed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from storage.ledger import Ledger
from storage.migrations import HEAD
from storage.schema import (
    LedgerAway,
    LedgerError,
    NoLedger,
    begin_sqlite,
    is_missing_file,
    known_revision,
    location,
    opening,
    prepare_sqlite,
)

PATIENCE_S = 1.0
"""A reader of a write-ahead log waits for nobody, but for one who is about to end or to begin it."""


def open_read_only(url: str) -> Ledger:
    """Open the ledger at `url` through one connection that cannot write; nothing is made or upgraded.

    Raises NoLedger where there is none, LedgerError where its schema is another than this code's.
    """
    engine = _engine(url)
    with opening(engine):
        revision = None if is_missing_file(engine) else known_revision(engine)
        if revision is None:
            raise NoLedger(f"no ledger in {location(engine)}; 'frontune run' makes one")
        if revision != HEAD:
            raise LedgerError(
                f"the ledger {location(engine)} was written by an older Frontune (schema {revision}, this "
                f"one reads {HEAD}); 'frontune list' brings it up to date"
            )
    return Ledger(engine)


@dataclass
class Watch:
    """Tells whether anybody has committed to a ledger that was opened by `open_read_only`, reading no row."""

    ledger: Ledger
    _place: tuple[int, int] | None = None

    def mark(self) -> str:
        """Return what is another once something was committed; raises LedgerAway where it cannot be read."""
        if self.ledger.engine.dialect.name != "sqlite":
            # Any transaction of the server that wrote moves it, those of other databases, too.
            return self._asked("SELECT CAST(pg_current_snapshot() AS text)")
        place = self._where()
        if place != self._place:
            # Another file of this name: the connection would go on reading the one that is gone.
            self.ledger.close()
            self._place = place
        return f"{place} {self._asked('PRAGMA data_version')}"

    def _asked(self, query: str) -> str:
        with self.ledger.session() as session:
            return str(session.connection().exec_driver_sql(query).scalar_one())

    def _where(self) -> tuple[int, int]:
        file = Path(str(self.ledger.engine.url.database))
        try:
            found = file.stat()
        except OSError as error:
            raise LedgerAway(f"the ledger {file} cannot be used now: {error.strerror}") from error
        return found.st_dev, found.st_ino


def _engine(url: str) -> Engine:
    """One connection, for SQLite tells of a change only the connection that asked before."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        engine = create_engine(parsed, pool_size=1, max_overflow=0, pool_pre_ping=True)
        event.listen(engine, "connect", _read_only_server)
        return engine

    def connect() -> sqlite3.Connection:
        file = f"file:{quote(str(parsed.database))}?mode=ro"
        return sqlite3.connect(file, uri=True, timeout=PATIENCE_S, check_same_thread=False)

    engine = create_engine(parsed, creator=connect, pool_size=1, max_overflow=0)
    event.listen(engine, "connect", prepare_sqlite)
    event.listen(engine, "connect", _only_query)
    event.listen(engine, "begin", begin_sqlite)
    return engine


def _only_query(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    connection.cursor().execute("PRAGMA query_only = ON")


def _read_only_server(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    connection.cursor().execute("SET default_transaction_read_only = on")
    connection.commit()
