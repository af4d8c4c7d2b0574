"""The plain values that travel between driver and executor: what to train, what happened, what came out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from sweeps.training.decoding import Decoding
from sweeps.training.recipe import Recipe

ENGINE = 3
"""Part of every `config_hash`; raised when the same configuration gives other results than before."""


@dataclass(frozen=True)
class TrialSpec:
    """One trial to train. `method` is written out (`methods.expression`); the recipe holds the seed.

    `adapter_file` is where its weights go. `point` is the Optuna trial that asked for it. After each step in
    `rungs` its whole state is written to `checkpoint_file`, from which it goes on if that is there already,
    and, with `score_rungs`, it is scored. With `score_untrained` the base itself is scored before.
    """

    sweep: str
    number: int
    method: str
    recipe: Recipe
    adapter_file: str
    point: int
    config_hash: str
    rungs: tuple[int, ...] = ()
    score_rungs: bool = False
    checkpoint_file: str = ""
    score_untrained: bool = False


@dataclass(frozen=True)
class TrialResult:
    """What a finished trial measured; `curve` is (step, loss of that step's batch).

    Where text was generated, `generated` holds its tokens row by row, and `score` is None until the driver
    has had the task judge them: workers need none of the metrics' tools. `outcomes` holds, row by row, what
    the score is the mean of, where it is a mean over rows. A trial that shared its device has no peak memory
    of its own.
    """

    score: float | None
    metrics: Mapping[str, float]
    curve: tuple[tuple[int, float], ...]
    trainable_params: int
    stored_params: int
    steps: int
    train_seconds: float
    eval_seconds: float
    wall_seconds: float
    tokens_per_second: float
    train_tokens: int
    peak_memory_bytes: int | None
    device: str
    rows: int
    rows_cut: int
    eval_rows_cut: int
    generated: tuple[tuple[int, ...], ...] = ()
    outcomes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Progress:
    """A running trial has finished optimiser step `step` of `steps`; all so far held `train_tokens` and took
    `train_seconds`."""

    number: int
    step: int
    steps: int
    loss: float
    tokens_per_second: float
    train_tokens: int = 0
    train_seconds: float = 0.0


@dataclass(frozen=True)
class Untrained:
    """What the base scored before a trial began, metric by metric; `generated` as in a result."""

    number: int
    metrics: Mapping[str, float]
    generated: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Scoring:
    """A running trial is done with its steps and being scored."""

    number: int


@dataclass(frozen=True)
class Rung:
    """A running trial has reached a rung and written its state; it trains on unless it is cancelled.

    `result` is what a trial that ended here would have measured, None where rungs are not scored.
    """

    number: int
    step: int
    result: TrialResult | None


@dataclass(frozen=True)
class Finished:
    """A trial came to its end."""

    number: int
    result: TrialResult


FailureKind = Literal[
    "diverged",
    "refused",
    "out_of_memory",
    "too_large",
    "no_space",
    "error",
    "lost",
    "lost_in_company",
    "machine_lost",
]
"""NaN; what cannot be trained at all; memory that does not suffice for a step of a trial that has its device
alone, or for anything else of one; a full disk; any other error; a worker
that is gone with this trial alone, with several, or with its machine.
What follows stands in `sweeps.failures`."""


@dataclass(frozen=True)
class Failed:
    """A trial ended without a result; `reason` is one sentence, `traceback` empty where it is expected."""

    number: int
    reason: str
    traceback: str = ""
    kind: FailureKind = "error"


TrialEvent = Progress | Untrained | Scoring | Rung | Finished | Failed


@dataclass(frozen=True)
class Context:
    """What all trials of a sweep share, as far as it changes their results."""

    base_fingerprint: str
    task: str
    metric: str
    data_fingerprint: str
    prompt_fingerprint: str
    dtype: str
    train_examples: int | None
    eval_examples: int | None
    decoding: Decoding | None = None
    engine: int = field(default=ENGINE)

    def config_hash(self, method: str, recipe: Recipe, plugin: str = "") -> str:
        """Hash a configuration; replicates (other seeds) and other micro-batches share it.

        `plugin` is the fingerprint of the code of a method that is not built in.
        """
        own = {"method": method, "plugin": plugin, "recipe": recipe.without("seed", "micro_batch")}
        content = asdict(self) | own
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
