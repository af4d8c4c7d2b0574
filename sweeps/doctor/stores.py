"""A workspace's stores: whether they open, are whole, and have the schema that this version knows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.migrations import HEAD
from storage.stores import shown
from storage.workspace import DRAFTS, Workspace
from sweeps.doctor.finding import Finding

OLD_AFTER_S = 3600.0
"""So long nothing takes to be written."""


def check_stores(workspace: Workspace) -> Iterator[Finding]:
    """Look at the ledger, the studies, MLflow's store and files that were never finished."""
    yield _ledger(workspace)
    yield _studies(workspace)
    yield _mlflow(workspace)
    if left := [file for file in workspace.root.rglob(f"{DRAFTS}*") if _is_old(file)]:
        said = f"{len(left)} files of processes that were killed while they wrote"
        yield Finding("note", "files", said, lambda: remove(left))


def _ledger(workspace: Workspace) -> Finding:
    try:
        with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
            n_sweeps = len(ledger.sweeps())
    except FrontuneError as error:
        return Finding("wrong", "ledger", str(error))
    damage = _damage(workspace.database_url)
    if damage:
        return Finding("wrong", "ledger", f"its database is damaged: {damage}; restore it from a copy")
    where = "" if workspace.database_url.startswith("sqlite:") else f", in {shown(workspace.database_url)}"
    return Finding("ok", "ledger", f"schema {HEAD}, {n_sweeps} sweeps{where}")


def _studies(workspace: Workspace) -> Finding:
    import optuna

    from sweeps.studies import open_storage

    try:
        names = optuna.study.get_all_study_names(open_storage(workspace.database_url))
    except FrontuneError as error:
        return Finding("wrong", "studies", str(error))
    return Finding("ok", "studies", f"{len(names)} studies of optuna {optuna.__version__}")


def _mlflow(workspace: Workspace) -> Finding:
    from storage.tracking import Tracker

    if workspace.tracking_uri.startswith("sqlite:"):
        if not (workspace.root / "mlflow.db").exists():
            return Finding("note", "MLflow", "no store yet; the next run makes it")
        damage = _damage(workspace.tracking_uri)
        if damage:
            return Finding("wrong", "MLflow", f"its database is damaged: {damage}")
    try:
        Tracker(workspace.tracking_uri, workspace.artifact_root).reach()
    except FrontuneError as error:
        return Finding("wrong", "MLflow", str(error))
    return Finding("ok", "MLflow", "its store can be used")


def _damage(url: str) -> str:
    """What SQLite says is wrong with a file; other databases look after themselves."""
    if not url.startswith("sqlite:"):
        return ""
    from sqlalchemy import make_url

    try:
        with closing(sqlite3.connect(str(make_url(url).database))) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if said == "ok" else str(said)


def _is_old(file: Path) -> bool:
    """Whether nobody still writes it, as a sweep that is being run may."""
    with suppress(FileNotFoundError):
        return time.time() - file.stat().st_mtime > OLD_AFTER_S
    return False


def remove(files: Sequence[Path]) -> None:
    """Delete what nobody needs any more."""
    for file in files:
        file.unlink(missing_ok=True)
