"""What `frontune doctor` prints, and its exit code: 0 where all is well, 1 where something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from methods.errors import FrontuneError
from storage.lease import SweepTaken, drop_stale_lease, holder, leased
from storage.ledger import Ledger
from storage.workspace import Workspace
from sweeps.doctor.agreement import Sweep, check_sweep
from sweeps.doctor.finding import Finding
from sweeps.doctor.machine import check_machine
from sweeps.doctor.stores import check_stores

if TYPE_CHECKING:
    from storage.tracking import Tracker

MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def doctor_command(workspace: str, repair: bool) -> int:
    """Print every finding, mend what can be mended if asked to, and return the exit code."""
    unmended = mendable = 0
    for finding in _findings(workspace, repair):
        click.echo(f"{MARKS[finding.level]} {finding.about}: {finding.said}")
        if repair and finding.repair is not None:
            finding.repair()
            click.echo(f"      {finding.about}: repaired")
            continue
        unmended += finding.level == "wrong"
        mendable += finding.repair is not None
    if mendable:
        click.echo(f"`frontune doctor --workspace {workspace} --repair` mends {mendable} of these")
    return 1 if unmended else 0


def _findings(workspace: str, repair: bool) -> Iterator[Finding]:
    yield from check_machine()
    if not Path(workspace).expanduser().exists():
        yield Finding("ok", "workspace", f"none at {workspace} yet; `frontune run` makes one")
        return
    opened = Workspace.open(workspace, create=False)
    stores = list(check_stores(opened))
    yield from stores
    if not any(finding.level == "wrong" and finding.about in ("ledger", "studies") for finding in stores):
        can_ask = all(finding.about != "MLflow" or finding.level == "ok" for finding in stores)
        yield from _sweeps(opened, can_ask_mlflow=can_ask, repair=repair)


def _sweeps(workspace: Workspace, *, can_ask_mlflow: bool, repair: bool) -> Iterator[Finding]:
    from storage.tracking import Tracker

    tracker = Tracker(workspace.tracking_uri, workspace.artifact_root) if can_ask_mlflow else None
    ledger = Ledger.open(workspace.database_url, create=False)
    for record in ledger.sweeps():
        try:
            yield from _sweep(workspace, ledger, tracker, record.name, repair)
        except SweepTaken as error:
            yield Finding("ok", record.name, f"{error}; not looked into")
        except FrontuneError as error:
            yield Finding("wrong", record.name, str(error))


def _sweep(
    workspace: Workspace, ledger: Ledger, tracker: Tracker | None, name: str, repair: bool
) -> Iterator[Finding]:
    """A sweep that is being run is left alone; nobody else begins to run one that is being mended."""
    if driver := holder(ledger, name):
        yield Finding("ok", name, f"is being run by {driver}; not looked into")
        return
    if stale := drop_stale_lease(ledger, name, only_look=True):
        said = f"a driver that is gone holds it still: {stale}"
        yield Finding("note", name, said, lambda: drop_stale_lease(ledger, name))
    with ExitStack() as stack:
        if repair:
            stack.enter_context(leased(ledger, name))
        record, trials = ledger.sweep(name), tuple(ledger.trials(name))
        if record is not None:
            yield from check_sweep(Sweep(workspace, ledger, tracker, record, trials))
