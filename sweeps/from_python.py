"""Sweeps from Python: ``run`` and ``load_sweep`` return results, which give a pandas frame."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dashboards.imported import trained_here
from dashboards.pareto import pareto_front
from dashboards.trial_files import trial_frame
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.records import TrialRecord
from storage.workspace import Workspace
from sweeps.catalogue import sweep_file
from sweeps.shown import find

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Results:
    """The trials of a sweep, or of each sweep that one file made, by its name, with what was imported."""

    name: str
    sweeps: dict[str, list[TrialRecord]]

    @property
    def trials(self) -> list[TrialRecord]:
        """Every trial, by sweep and number; what was imported is none."""
        return [trial for results in self.sweeps.values() for trial in trained_here(results)]

    @property
    def front(self) -> list[TrialRecord]:
        """What is on each sweep's Pareto front, by trainable parameters."""
        return [trial for trials in self.sweeps.values() for trial in pareto_front(trials)]

    def frame(self) -> pd.DataFrame:
        """A row for each trial and imported result, with the CSV's columns; `is_pareto` marks the front."""
        return trial_frame(list(self.sweeps.values()))


def run(sweep: str | Path, **changes: Any) -> Results:
    """Run a sweep file or a preset, with some of its keys changed (``run("demo", trials=9)``), and return its
    results; an interrupted sweep goes on. Prints what the command prints.

    Raises FrontuneError where the sweep cannot be, KeyboardInterrupt after an interruption, with all that
    ended kept.
    """
    from sweeps.running import check_sweep, quiet_libraries, run_sweep
    from sweeps.spec import load_specs

    quiet_libraries()
    overrides = tuple(f"{key}={_as_yaml(key, value)}" for key, value in changes.items())
    plans = [check_sweep(spec) for spec in load_specs(sweep_file(str(sweep)), overrides)]
    for plan in plans:
        if run_sweep(plan, Console()).ending == "interrupted":
            raise KeyboardInterrupt
    specs = [plan.spec for plan in plans]
    loaded = {spec.name: load_sweep(spec.name, spec.workspace).sweeps[spec.name] for spec in specs}
    return Results(specs[0].part_of or specs[0].name, loaded)


def _as_yaml(key: str, value: Any) -> str:
    try:
        # Else an emoji would be two escapes, each of which is a character to YAML.
        return json.dumps(value, ensure_ascii=False, default=os.fspath)
    except (TypeError, ValueError) as error:
        wanted = "what a sweep file can hold: texts, numbers, lists and mappings"
        raise FrontuneError(f"{key}: got {value!r}, wanted {wanted}") from error


def load_sweep(name: str, workspace: str | Path = "runs") -> Results:
    """Return what a workspace remembers of a sweep; raises FrontuneError naming the nearest where none is
    known by this name."""
    url = Workspace.open(workspace, create=False).database_url
    with closing(Ledger.open(url, create=False)) as ledger:
        return Results(name, find(ledger, name).results)
