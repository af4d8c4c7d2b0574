"""Where the weights that a trial kept are: named by the ledger, and never outside the workspace."""

from __future__ import annotations

from pathlib import Path

from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.workspace import Workspace


def kept_adapter(workspace: Workspace, ledger: Ledger, sweep: str, number: int) -> Path:
    """Return the file of a trial's trained weights; of a reused result, that of the trial it was taken from.

    Raises FrontuneError where there is no such trial, or where it kept nothing.
    """
    trial = ledger.trial(sweep, number)
    if trial is None:
        numbers = [each.number for each in ledger.trials(sweep)]
        known = f"it has 0 to {max(numbers)}" if numbers else "it has none yet"
        raise FrontuneError(f"sweep {sweep!r} has no trial {number}; {known}")
    kept = [artifact.path for artifact in ledger.artifacts(sweep, number) if artifact.kind == "adapter"]
    file = workspace.inside(kept[0]) if kept else None
    if file is None:
        raise FrontuneError(f"trial {number} of {sweep!r} kept no weights: it is {trial.state}")
    if not file.is_file():
        raise FrontuneError(f"what trial {number} of {sweep!r} trained is not in the workspace any more")
    return file
