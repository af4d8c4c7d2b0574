"""`frontune ui`: MLflow's UI over a workspace's store, and where in it a sweep is."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import click

from dashboards.printing import one_line
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.mlflow_view import page_of
from storage.workspace import Workspace
from sweeps.shown import find


def ui_command(workspace: str, port: int, name: str | None = None) -> None:
    """Run MLflow's server on the loopback address until interrupted, unless the workspace has one; say where
    it is, and where in it the sweeps of this name are."""
    opened = Workspace.open(workspace, create=False)
    store = opened.tracking_uri
    if store.startswith("http"):
        pages = _pages(name, opened)
        click.echo(f"MLflow's UI is at {store}, on the server of this workspace")
        _say_where(pages, store)
        return
    if store.startswith("sqlite:") and not (opened.root / "mlflow.db").exists():
        raise FrontuneError(f"the workspace {opened.root} has no MLflow store yet; run a sweep first")
    pages = _pages(name, opened)
    address = f"http://127.0.0.1:{port}"
    click.echo(f"MLflow's UI is at {address}; Ctrl-C ends it")
    _say_where(pages, address)
    # Not as an argument: a database's password would stand in the list of processes.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": store}
    command = [sys.executable, "-m", "mlflow", "server"]
    command += ["--default-artifact-root", str(opened.artifact_root)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    sys.exit(subprocess.run(command, env=environment).returncode)


def _pages(name: str | None, workspace: Workspace) -> dict[str, str]:
    """Where in the UI each sweep of this name is; raises FrontuneError where there is none."""
    if name is None:
        return {}
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        sweeps = [sweep.name for sweep in find(ledger, name).sweeps]
    pages = {}
    for sweep in sweeps:
        page = page_of(workspace.tracking_uri, sweep)
        if page is None:
            raise FrontuneError(
                f"MLflow knows nothing of the sweep {sweep!r}; the next run of it tells MLflow"
            )
        pages[sweep] = page
    return pages


def _say_where(pages: dict[str, str], address: str) -> None:
    for sweep, page in pages.items():
        click.echo(f"{one_line(sweep)} is at {address.rstrip('/')}/{page}")
