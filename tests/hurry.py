"""What a test need not wait for: the disk, and migrations that were read before."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import ModuleType

import pytest


@contextmanager
def hurrying() -> Iterator[None]:
    """Within it nothing waits until what was written has reached the disk: no test pulls the plug, and what a
    process that is killed has written outlives it. Files of migrations, the same for every database, are read
    once."""
    import alembic.util
    from sqlalchemy import Engine, event

    real = alembic.util.load_python_file
    read_once = cache(real)

    def load(folder: str, name: str) -> ModuleType:
        # env.py is no migration: running it is what brings a database up to date.
        return real(folder, name) if name == "env.py" else read_once(folder, name)

    event.listen(Engine, "connect", _do_not_wait)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        monkeypatch.setattr(alembic.util, "load_python_file", load)
        yield
    event.remove(Engine, "connect", _do_not_wait)


def _do_not_wait(connection: object, entry: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        # A file that is no database says so at the first statement that is asked of it.
        with suppress(sqlite3.DatabaseError):
            connection.execute("PRAGMA synchronous = OFF")
