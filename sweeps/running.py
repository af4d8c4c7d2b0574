"""`frontune run`, from a sweep to its results: check, open the stores, train, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from storage.lease import leased
from storage.ledger import Ledger, NoLedger
from storage.mlflow_store import refuse_what_is_no_store
from storage.read_only import open_read_only
from storage.workspace import NoWorkspace, Workspace
from sweeps.books import Books, Ending
from sweeps.budget import Budget
from sweeps.display import Display, refusal_line
from sweeps.driver import Driver
from sweeps.executors.choose import chosen_devices, make_executor
from sweeps.executors.trainer import SweepTrainer, load
from sweeps.interrupts import held_back
from sweeps.line_breaks import broken
from sweeps.mirror import Mirror
from sweeps.plan import Plan, make_plan
from sweeps.point import Point
from sweeps.provenance import collect_provenance
from sweeps.same_sweep import refuse_other_content, refuse_other_sweep
from sweeps.spec import SweepSpec

if TYPE_CHECKING:
    from methods.frozen import FrozenBase


@dataclass(frozen=True)
class SweepRun:
    """How a run ended, and the files it wrote."""

    ending: Ending
    workspace: Workspace
    files: tuple[Path, ...]


def check_sweep(spec: SweepSpec, *, only_look: bool = False) -> Plan:
    """Return the plan of a sweep; raises FrontuneError, before weights are loaded and before anything is
    written, where the sweep cannot be. With `only_look` an earlier version's workspace is refused, too, for
    it would be brought up to date."""
    chosen_devices(spec)
    with known_ledger(spec.workspace, only_look=only_look) as ledger:
        if ledger is not None:
            refuse_other_sweep(ledger, spec)
        plan = make_plan(spec)
        if ledger is not None:
            refuse_other_content(ledger, plan)
    return plan


def run_sweep(
    plan: Plan, console: Console, added: tuple[Point, ...] = (), *, retry_failed: bool = False
) -> SweepRun:
    """Run a sweep that was checked, or go on with it where it was interrupted.

    With points that are `added` to it, these are trained and no others are begun, whatever `trials` says.
    With `retry_failed` trials that failed are trained again, but for those that diverged.
    """
    announce(plan, console)
    spec = plan.spec
    workspace = Workspace.open(spec.workspace, create=True)
    workspace.make_folders(spec.name)
    ledger = Ledger.open(workspace.database_url)
    workspace.remember_stores()
    refuse_what_is_no_store(workspace.tracking_uri)

    from storage.tracking import Tracker

    devices = chosen_devices(spec)

    def connect() -> Tracker:
        # MLflow does not recover from an interruption while it makes its tables.
        with held_back():
            return Tracker(workspace.tracking_uri, workspace.artifact_root)

    with (
        closing(ledger),
        leased(ledger, spec.name) as lease,
        closing(make_executor(spec, trainer(plan), workspace, spec.name)) as executor,
        Display(console, spec.name, None if added else plan.total_trials) as display,
    ):
        driver = Driver(
            plan=plan,
            books=Books(plan, workspace, ledger, lease, Mirror(connect, display.say), display.say),
            executor=executor,
            display=display,
            provenance=collect_provenance(plan, ", ".join(devices)),
            budget=Budget(spec, deals=not added),
            added=added,
            retry_failed=retry_failed,
        )
        ending, files = driver.run()
    return SweepRun(ending, workspace, tuple(files))


@contextmanager
def known_ledger(workspace: str, *, only_look: bool) -> Iterator[Ledger | None]:
    """The ledger of a workspace, or None where there is none yet; one that is `only` looked at stays as it
    is, and is refused where an earlier version wrote it."""
    try:
        url = Workspace.open(workspace, create=False).database_url
        ledger = open_read_only(url) if only_look else Ledger.open(url, create=False)
    except (NoWorkspace, NoLedger):
        yield None
        return
    with closing(ledger):
        yield ledger


def trainer(plan: Plan) -> SweepTrainer:
    """Return what makes a worker of this sweep."""
    spec = plan.spec
    slots = None if spec.slots_per_device == "auto" else spec.slots_per_device
    return SweepTrainer(spec.base, spec.recipe.dtype, spec.trust_remote_code, plan.data, slots)


def loaded_once(spec: SweepSpec, device: str) -> Callable[[], FrozenBase]:
    """Return the function that gives a sweep's base; it is loaded when it is first asked for."""

    @cache
    def base() -> FrozenBase:
        return load(spec.base, spec.recipe.dtype, device, spec.trust_remote_code)

    return base


def announce(plan: Plan, console: Console) -> None:
    """Say what will be trained, and what is refused and why."""
    spec, n_validation = plan.spec, len(plan.data.validation)
    cut = f"; {plan.rows_cut:,} are too long and cut on the prompt's left" if plan.rows_cut else ""
    said = [
        f"sweep {spec.name}: {spec.task.name} "
        f"({len(plan.data.train):,} training rows, {n_validation:,} to score{cut}) on "
        f"{spec.base} ({plan.shape.total_params:,} parameters, {spec.recipe.dtype})"
    ]
    if unknown := plan.unknown_tokens:
        tokens = sum(row.tokens for row in plan.data.train)
        said.append(f"{unknown:,} of {tokens:,} tokens of the training rows are unknown to base {spec.base}")
    if spec.sampler == "points" and spec.methods:
        said.append("the search spaces under methods are not used: sampler is points")
    if plan.matches:
        said.append(f"match_params {spec.match_params:,}: {', '.join(map(str, plan.matches))}")
    said += map(refusal_line, plan.refusals)
    console.print(broken("\n".join(said), console), markup=False, highlight=False, soft_wrap=True)


def quiet_libraries() -> None:
    """Keep transformers' loading bars and warnings, and tokenizers' fork warning, out of our output."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers.utils import logging

    logging.disable_progress_bar()
    # The variable is read when transformers is first imported, which may have been before.
    logging.set_verbosity_error()
    from huggingface_hub.utils import logging as hub_logging

    # Its retries are warnings line by line; the error that follows says what failed.
    hub_logging.set_verbosity_error()
