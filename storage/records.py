"""The plain values that are remembered: what a sweep was, what each trial did, and where it ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

TrialState = Literal["running", "complete", "interrupted", "failed", "pruned", "infeasible"]
"""`pruned`: stopped at a rung, where its score is from; `infeasible`: memory does not suffice for it."""
Value = int | float | str | bool | None
_AFTER_ALL_TRIALS = 2**31


@dataclass(frozen=True)
class Provenance:
    """Where numbers come from: versions, code, data and device of one `frontune run`."""

    created_at: datetime
    packages: Mapping[str, str]
    git_commit: str | None
    git_dirty: bool
    base_fingerprint: str
    data_fingerprint: str
    prompt_fingerprint: str
    device: str


@dataclass(frozen=True)
class SweepRecord:
    """One sweep, known by its name; `spec` is the sweep file as it was read, defaults filled in."""

    name: str
    base: str
    task: str
    metric: str
    spec: Mapping[str, object]
    created_at: datetime
    mlflow_run_id: str | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One trial. Times in seconds, memory in bytes, score as a fraction of 1; None is 'not known (yet)'.

    `title` and `label` are the method and its hyperparameters as the paper prints them
    (``LoRA``, ``r_q = r_v = 2``). `reason` says why a trial failed; `reused_from` is ``SWEEP/NUMBER``
    of the trial whose result was taken over instead of training again. `train_tokens`, real ones, and
    `train_seconds` are of its steps, also where it did not come to its end; a step that was taken again
    counts once. `mirrored`: MLflow knows how it ended. `imported_from` is the file of a result that was
    trained elsewhere, which is no trial of the sweep: its number is below 0, and its title bears a mark.
    """

    sweep: str
    study: str
    number: int
    state: TrialState
    method: str
    title: str
    label: str
    hyperparameters: Mapping[str, Value]
    config_hash: str
    seed: int
    base: str
    task: str
    metric: str
    trainable_params: int
    stored_params: int
    base_params: int
    point: int
    """The Optuna trial number of the point in its study; replicates share it."""
    created_at: datetime
    score: float | None = None
    lr: float | None = None
    batch_size: int | None = None
    steps: int | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    wall_seconds: float | None = None
    tokens_per_second: float | None = None
    peak_memory_bytes: int | None = None
    device: str | None = None
    mlflow_run_id: str | None = None
    git_commit: str | None = None
    reason: str | None = None
    reused_from: str | None = None
    train_tokens: int | None = None
    mirrored: bool = False
    imported_from: str | None = None

    @property
    def place(self) -> int:
        """Where it stands among its sweep's results: trials by number, then what was imported, as it came."""
        return self.number if self.number >= 0 else _AFTER_ALL_TRIALS - self.number

    @property
    def trainable_pct(self) -> float:
        """100 times trainable over base parameters."""
        return 100.0 * self.trainable_params / self.base_params


@dataclass(frozen=True)
class Measurement:
    """One value of one metric of a trial, at a training step, on a split."""

    metric: str
    split: str
    step: int
    value: float


@dataclass(frozen=True)
class RungScore:
    """What a trial scored at a rung: rung 0 is a sweep's first; rungs are kept in the order they came.

    `loss` is that on validation, None where the task measures none.
    """

    number: int
    rung: int
    step: int
    score: float
    loss: float | None = None


@dataclass(frozen=True)
class TrialProgress:
    """How far a running trial was when it was last written down: at `at` it had finished `step` of `steps`.

    `first_step` at `first_at` is where this attempt was seen first: one that goes on from its last state does
    not begin at 1. `losses` are (step, mean loss of the steps since the entry before), about a hundred of a
    whole trial.
    """

    number: int
    step: int
    steps: int
    at: datetime
    first_step: int
    first_at: datetime
    losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Artifact:
    """A file that a trial or (number None) a sweep left behind; `path` is relative to the workspace."""

    sweep: str
    number: int | None
    kind: str
    path: str


@dataclass(frozen=True)
class Refusal:
    """A configuration that was not trained, and why (over budget, larger than the base can hold)."""

    sweep: str
    method: str
    label: str
    reason: str


@dataclass(frozen=True)
class TrialOutcome:
    """All that the end of a trial adds at once, written in one transaction."""

    trial: TrialRecord
    measurements: tuple[Measurement, ...] = ()
    artifacts: tuple[Artifact, ...] = field(default=())
