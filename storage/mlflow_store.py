"""MLflow's store in a database: made whole or not at all, for MLflow refuses a half-made one."""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import OperationalError

from methods.errors import FrontuneError
from storage.making_tables import making_tables
from storage.schema import sentence
from storage.stores import shown


class StoreUnusable(FrontuneError):
    """What lies where MLflow's store should be is none."""


class StoreAway(FrontuneError):
    """MLflow's database cannot be reached now."""


def prepare_store(tracking_uri: str) -> None:
    """Make the store's tables where they are not there; of a SQLite file, let readers read while it is
    written. Raises StoreUnusable or StoreAway at once; MLflow would try again for a minute and a half."""
    if tracking_uri.startswith("postgresql"):
        _prepare_server(tracking_uri)
    elif tracking_uri.startswith("sqlite:") and (file := make_url(tracking_uri).database):
        _prepare_file(Path(file))


def refuse_what_is_no_store(tracking_uri: str) -> None:
    """Raise StoreUnusable for a file that MLflow could not open; loads nothing and makes none."""
    path = Path(make_url(tracking_uri).database or "") if tracking_uri.startswith("sqlite:") else None
    if path is not None and path.is_file() and path.stat().st_size > 0:
        _let_readers_read(path)


def _prepare_server(url: str) -> None:
    quiet_migrations()
    try:
        with making_tables(url):
            _make_tables(url, "")
    except OperationalError as error:
        raise StoreAway(f"cannot use {shown(url)} as MLflow's store: {sentence(error)}") from error


def _prepare_file(path: Path) -> None:
    try:
        if path.parent.is_dir() and (not path.exists() or path.stat().st_size == 0):
            _make(path)
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreUnusable(f"cannot use {path} as MLflow's store: {error}") from error
    _let_readers_read(path)


def _let_readers_read(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"cannot use {path} as MLflow's store: {error}") from error


def quiet_migrations() -> None:
    """MLflow and Alembic report the first migration of a new store, some eighty lines, on stderr."""
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _make(path: Path) -> None:
    """MLflow takes seconds for its migrations; who is killed in them leaves a file of another name."""
    quiet_migrations()
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    url = URL.create("sqlite", database=str(temporary)).render_as_string()
    try:
        with _not_waiting_for_the_disk(temporary.name):
            _make_tables(url, str(path.with_name("mlartifacts")))
        with temporary.open("rb") as made:
            os.fsync(made.fileno())
        with suppress(FileNotFoundError):
            if path.stat().st_size == 0:
                path.unlink()
        _put(temporary, path)
    finally:
        for file in path.parent.glob(f"{temporary.name}*"):
            file.unlink(missing_ok=True)


@contextmanager
def _not_waiting_for_the_disk(name: str) -> Iterator[None]:
    """Of a file that nobody uses before it is whole, the hundreds of statements of MLflow's migrations need
    not reach the disk one by one: 0.6 s instead of 3.5 on a busy disk."""

    def hurry(connection: Any, record: object) -> None:
        (_, _, file) = connection.execute("PRAGMA database_list").fetchone()
        if Path(file).name == name:
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _make_tables(url: str, artifact_root: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(url, artifact_root).engine.dispose()


def _put(temporary: Path, path: Path) -> None:
    """Unlike a rename, a link never replaces what another process has made meanwhile."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        temporary.rename(path)
