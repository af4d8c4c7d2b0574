"""A PostgreSQL that a test starts: Debian's, in a folder of its own, behind a socket and a password."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = f"p@ss/{secrets.token_hex(6)}"
"""Holds what a URL must quote."""
QUOTED = PASSWORD.replace("@", "%40").replace("/", "%2F")
START_S = 60


def absent() -> str:
    """Why no PostgreSQL can be started here; nothing where one can."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'frontune[postgres]'"
    if _programs() is None:
        return "PostgreSQL is absent: apt-get install postgresql"
    if os.getuid() == 0 and not _has_user():
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


class Postgres:
    """Listens on a socket in `folder` alone, for the user `frontune`, who owns all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        programs = _programs()
        assert programs is not None
        self._programs = programs
        # It refuses to run as root.
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            self._user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        word = folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        options = ["-U", "frontune", "-A", "scram-sha-256", "--pwfile", str(word), "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [self._programs / "initdb", "-D", self._data, *options],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **self._user,
        )

    def url(self, database: str) -> str:
        """A URL as a user writes it, password included."""
        return f"postgresql://frontune:{QUOTED}@/{database}?host={self.folder}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Return once it answers."""
        quick = ["-c", "fsync=off", "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *quick],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._user,
            )
        import psycopg

        latest = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > latest:
                    raise
            time.sleep(0.02)

    def stop(self) -> None:
        """End at once, as in a crash; what was committed is there after the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(START_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def create(self, database: str) -> str:
        """Make an empty database; return its URL."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """One that is stopped in any case, and its folder removed."""
    # Not pytest's: its parents are closed to another user, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="frontune-postgres-"))
    try:
        server = Postgres(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    # Debian keeps it out of the path, one folder for each version.
    return max((file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


def _has_user() -> bool:
    try:
        return bool(pwd.getpwnam("postgres"))
    except KeyError:
        return False
