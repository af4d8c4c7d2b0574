"""The real driver without a command around it: a plan, an executor, a folder, and no MLflow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rich.console import Console

from storage.lease import leased
from storage.ledger import Ledger
from storage.records import TrialRecord
from storage.tracking import Tracker, TrackingAway
from storage.workspace import Workspace
from sweeps.books import Books
from sweeps.budget import Budget
from sweeps.display import Display
from sweeps.driver import Driver
from sweeps.executors.base import Executor
from sweeps.mirror import Mirror
from sweeps.plan import Plan
from sweeps.provenance import collect_provenance


def no_mlflow() -> Tracker:
    """What the books make of a server that is away: they keep everything in the ledger."""
    raise TrackingAway("no MLflow here")


def drive(
    plan: Plan, executor: Executor, folder: Path, driver: Callable[..., Driver] = Driver
) -> list[TrialRecord]:
    """Run a sweep to its end in `folder` and return what its ledger holds."""
    spec, workspace, console = plan.spec, Workspace.open(folder, create=True), Console(quiet=True)
    workspace.make_folders(spec.name)
    with (
        closing(Ledger.open(workspace.database_url)) as ledger,
        leased(ledger, spec.name) as lease,
        Display(console, spec.name, plan.total_trials) as display,
    ):
        books = Books(plan, workspace, ledger, lease, Mirror(no_mlflow, display.say), display.say)
        provenance = collect_provenance(plan, "cpu")
        ending, _ = driver(plan, books, executor, display, provenance, Budget(spec)).run()
        if ending != "complete":
            raise RuntimeError(f"the sweep {spec.name} in {folder} ended as {ending}")
        return ledger.trials(spec.name)
