"""Where a workspace's ledger and MLflow's store are, if not in its folder: on servers, without passwords."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from methods.errors import FrontuneError

DATABASE, TRACKING = "FRONTUNE_DATABASE_URL", "FRONTUNE_TRACKING_URI"
REMEMBERED, LEDGER = "stores.json", "frontune.db"
"""Files of a workspace: where its servers are, and its ledger where that is not on one."""
POSTGRES = re.compile(r"^postgres(ql)?(\+psycopg)?://")


@dataclass(frozen=True)
class Stores:
    """URLs of servers, with the passwords that the environment gave; None is a file in the workspace."""

    database: str | None = field(default=None, repr=False)
    tracking: str | None = field(default=None, repr=False)


def stores_of(root: Path, environment: Mapping[str, str] | None = None) -> Stores:
    """Return what the environment says, or, where it says nothing, what an earlier run remembered in `root`.

    A ledger stays where it is: FrontuneError where the environment names another database than the one that
    the workspace's sweeps are in. No error quotes a password.
    """
    environment = os.environ if environment is None else environment
    file = root / REMEMBERED
    known = _remembered(file)
    remembered = _postgres(known.database, f"{file}, database") if known.database else None
    database = _from_environment(root, environment, remembered)
    tracking = _tracking(environment.get(TRACKING), f"${TRACKING}") or _tracking(
        known.tracking, f"{file}, tracking"
    )
    if database and tracking and POSTGRES.match(tracking) and _place(database) == _place(make_url(tracking)):
        raise FrontuneError(
            f"the ledger and MLflow have one database, {shown(database)}; Optuna and MLflow both keep a "
            f"table alembic_version there: give ${TRACKING} a database of its own"
        )
    return Stores(_whole(database) if database else None, tracking)


def remember(root: Path, stores: Stores) -> None:
    """Write down where the stores are, so that every command finds them; passwords are left out."""
    urls = {"database": stores.database, "tracking": stores.tracking}
    content = {name: _without_password(url) for name, url in urls.items() if url is not None}
    file = root / REMEMBERED
    if not content:
        return
    draft = root / f".{REMEMBERED}.{uuid.uuid4().hex}.tmp"
    try:
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FrontuneError(f"cannot write {file}: {error.strerror or error}") from error


def shown(url: str | URL) -> str:
    """Return a database's URL for people: no password, no driver."""
    text = make_url(url).render_as_string(hide_password=True)
    return text.replace("+psycopg", "", 1)


def _remembered(file: Path) -> Stores:
    try:
        return Stores(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Stores()
    except (OSError, ValueError, TypeError) as error:
        raise FrontuneError(
            f"{file} does not say where the stores are ({error}); wanted an object with database, tracking, "
            "or both"
        ) from error


def _from_environment(root: Path, environment: Mapping[str, str], remembered: URL | None) -> URL | None:
    given = environment.get(DATABASE)
    if not given:
        return remembered
    database, ledger = _postgres(given, f"${DATABASE}"), root / LEDGER
    if remembered is not None and _place(database) != _place(remembered):
        here = f"{shown(remembered)} ({root / REMEMBERED})"
    elif remembered is None and ledger.exists() and ledger.stat().st_size > 0:
        here = str(ledger)
    else:
        return database
    raise FrontuneError(
        f"${DATABASE} names {shown(database)}, but the sweeps of this workspace are in {here}; unset it, or "
        "take another workspace"
    )


def _postgres(url: str, where: str) -> URL:
    """Read a database's URL; what cannot be read is not quoted, for it may be a password."""
    wanted = "wanted postgresql://USER@HOST/DATABASE"
    if not POSTGRES.match(url):
        raise FrontuneError(f"{where} is no PostgreSQL URL; {wanted}")
    try:
        parsed = make_url(POSTGRES.sub("postgresql+psycopg://", url))
    except (ArgumentError, ValueError) as error:
        raise FrontuneError(f"{where} cannot be read as a URL; {wanted}") from error
    if url.count("@") > 1 or any("password" in key for key in parsed.query):
        raise FrontuneError(
            f"{where}: a password stands between ':' and '@', with %40 for @, %2F for / and so on; {wanted}"
        )
    if not parsed.database:
        raise FrontuneError(f"{where} names no database; {wanted}")
    if importlib.util.find_spec("psycopg") is None:
        raise FrontuneError(f"{where}: PostgreSQL needs a driver: pip install 'frontune[postgres]'")
    return parsed


def _tracking(uri: str | None, where: str) -> str | None:
    if not uri:
        return None
    if POSTGRES.match(uri):
        return _whole(_postgres(uri, where))
    if not re.match(r"^https?://[^/]", uri):
        raise FrontuneError(
            f"{where} is no server; wanted http://HOST:PORT or postgresql://USER@HOST/DATABASE"
        )
    if "@" in uri:
        # MLflow quotes the address in its errors.
        raise FrontuneError(
            f"{where} holds a password or a user; give them to MLflow as $MLFLOW_TRACKING_USERNAME and "
            "$MLFLOW_TRACKING_PASSWORD"
        )
    return uri.rstrip("/")


def _place(url: URL) -> tuple[object, ...]:
    """Which database it is, whoever asks."""
    return url.host, url.port or 5432, url.database, tuple(sorted(url.query.items()))


def _whole(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _without_password(url: str) -> str:
    return _whole(make_url(url)._replace(password=None)) if POSTGRES.match(url) else url
