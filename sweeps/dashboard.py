"""`frontune dashboard`: the live page over a workspace, read-only."""

from __future__ import annotations

import os
from contextlib import closing, suppress

import click

from dashboards.live.app import listening, serve
from dashboards.live.reading import Reader
from storage.read_only import open_read_only
from storage.workspace import Workspace

NICENESS = 5
"""Where both want the processor, the sweep comes first."""


def dashboard_command(workspace: str, port: int) -> None:
    """Serve the page until interrupted."""
    opened = Workspace.open(workspace, create=False)
    with closing(open_read_only(opened.database_url)) as ledger, listening(port) as listener:
        if hasattr(os, "nice"):
            os.nice(NICENESS)
        with suppress(KeyboardInterrupt):
            serve(Reader(ledger), str(opened.root), listener, click.echo)
