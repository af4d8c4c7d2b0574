"""A trial's state at a rung, in one file, from which it goes on to the same numbers to the last digit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from methods.errors import FrontuneError
from storage.checkpoints import load_tensors, save_tensors
from sweeps.training.slot import Slot
from sweeps.trial import TrialSpec


@dataclass
class Spent:
    """What a trial has measured and spent so far, earlier attempts up to their last rung included.

    `curve` is (step, loss of that step's batch). The peak of a device that was shared is no trial's: None.
    """

    curve: list[tuple[int, float]] = field(default_factory=list)
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    peak_memory_bytes: int | None = 0


def save_state(slot: Slot, spec: TrialSpec, spent: Spent) -> None:
    """Write all that the trial's coming steps depend on, in one step."""
    described = {
        "trial": _identity(slot, spec),
        "step": str(slot.step),
        "curve": json.dumps(spent.curve),
        "train_seconds": repr(spent.train_seconds),
        "eval_seconds": repr(spent.eval_seconds),
        "peak_memory_bytes": json.dumps(spent.peak_memory_bytes),
    }
    save_tensors(Path(spec.checkpoint_file), slot.state(), described)


def load_state(slot: Slot, spec: TrialSpec) -> Spent:
    """Put the slot where the trial's file left it; one that is absent, damaged or another trial's is none."""
    try:
        tensors, described = load_tensors(Path(spec.checkpoint_file))
    except FrontuneError:
        return Spent()
    if described.get("trial") != _identity(slot, spec):
        return Spent()
    slot.load_state(tensors, int(described["step"]))
    return Spent(
        curve=[(int(step), float(loss)) for step, loss in json.loads(described["curve"])],
        train_seconds=float(described["train_seconds"]),
        eval_seconds=float(described["eval_seconds"]),
        peak_memory_bytes=json.loads(described["peak_memory_bytes"]),
    )


def _identity(slot: Slot, spec: TrialSpec) -> str:
    """What must agree for a state to be this trial's; a smaller micro-batch is no other trial."""
    return f"{spec.config_hash}/{spec.recipe.seed}/{slot.total_steps}"
