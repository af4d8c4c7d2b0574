"""A trial on its way: its slot on the base, what it has measured, and what it has spent."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from storage.checkpoints import Unwritable, save_tensors
from sweeps.training.batches import cut_to
from sweeps.training.evaluate import Evaluation
from sweeps.training.lower import LowerLayers
from sweeps.training.memory import peak_memory_bytes
from sweeps.training.resuming import Spent, load_state, save_state
from sweeps.training.selection import evaluate
from sweeps.training.slot import Slot
from sweeps.trial import Finished, Progress, Rung, TrialEvent, TrialResult, TrialSpec

if TYPE_CHECKING:
    from sweeps.data import TaskData

CURVE_POINTS = 200


@dataclass
class TrialRun:
    """Seconds are of this attempt and those before it; in a pack a step's are shared out by real tokens."""

    base: FrozenBase
    data: TaskData
    spec: TrialSpec
    slot: Slot
    rows_cut: int
    spent: Spent = field(default_factory=Spent)
    tokens: int = 0

    @classmethod
    def open(cls, base: FrozenBase, data: TaskData, spec: TrialSpec, lower: LowerLayers) -> TrialRun:
        """Give the trial a slot, and put it where its last rung left it where it had reached one.

        Raises FrontuneError for what cannot be trained; then the base is as it was.
        """
        began = time.perf_counter()
        method = parse_method(spec.method)
        rows, cut = cut_to(data.train, base.shape.max_positions - sum(method.virtual_tokens))
        slot = Slot(base, method, spec.recipe, rows)
        try:
            _check_count(slot, base)
            slot.lower = lower.of(slot)
            run = cls(base, data, spec, slot, cut)
            if spec.checkpoint_file:
                run.spent = load_state(slot, spec)
            run.tokens = sum(slot.rows[i].tokens for batch in slot.plan[: slot.step] for i in batch)
            run.spent.train_seconds += time.perf_counter() - began
        except BaseException:
            slot.close()
            raise
        return run

    @property
    def step_tokens(self) -> int:
        """Real tokens of the coming step."""
        return sum(self.slot.rows[i].tokens for i in self.slot.plan[self.slot.step])

    def stepped(self, tokens: int, seconds: float) -> Progress:
        """Account for a step that was just done."""
        slot, spent = self.slot, self.spent
        self.tokens += tokens
        spent.train_seconds += seconds
        # An even choice of the losses is kept.
        if slot.step % math.ceil(slot.total_steps / CURVE_POINTS) == 0 or slot.finished:
            spent.curve.append((slot.step, slot.loss))
        took = spent.train_seconds
        return Progress(
            self.spec.number, slot.step, slot.total_steps, slot.loss, self.tokens / took, self.tokens, took
        )

    @property
    def wants_score(self) -> bool:
        """Whether it is where it is scored: after its last step, or at a rung."""
        return self.slot.finished or (self.spec.score_rungs and self.slot.step in self.spec.rungs)

    def after_step(self, evaluation: Evaluation | None) -> Iterator[TrialEvent]:
        """What the step just done leads to: a rung, the end, or nothing; scored where it wants to be."""
        slot, spec = self.slot, self.spec
        if slot.finished:
            assert evaluation is not None
            save_tensors(Path(spec.adapter_file), slot.tensors(), self._described())
            yield Finished(spec.number, self._result(evaluation))
        elif slot.step in spec.rungs:
            self.spent.peak_memory_bytes = self._peak()
            # Without it the trial goes on; an interruption then costs it more.
            with suppress(Unwritable):
                save_state(slot, spec, self.spent)
            yield Rung(spec.number, slot.step, self._result(evaluation) if evaluation else None)

    def gone_on(self) -> Iterator[TrialEvent]:
        """Tell once more of the rung that the trial goes on from: who stopped it may have been killed before
        he heard of it, or before he had stopped it."""
        if self.wants_score:
            began = time.perf_counter()
            evaluation = evaluate(self.base, self.data, self.slot)
            self.spent.eval_seconds += time.perf_counter() - began
            yield Rung(self.spec.number, self.slot.step, self._result(evaluation))

    def _result(self, evaluation: Evaluation) -> TrialResult:
        """What a trial that ends here has measured."""
        slot, spent = self.slot, self.spent
        return TrialResult(
            score=evaluation.score,
            metrics=evaluation.metrics,
            curve=tuple(spent.curve),
            trainable_params=slot.trainable_params,
            stored_params=slot.trainable_params,
            steps=slot.step,
            train_seconds=spent.train_seconds,
            eval_seconds=spent.eval_seconds,
            wall_seconds=spent.train_seconds + spent.eval_seconds,
            tokens_per_second=self.tokens / spent.train_seconds,
            train_tokens=self.tokens,
            peak_memory_bytes=self._peak(),
            device=str(self.base.device),
            rows=len(slot.rows),
            rows_cut=self.rows_cut,
            eval_rows_cut=evaluation.rows_cut,
            generated=evaluation.generated,
            outcomes=evaluation.outcomes,
        )

    def _peak(self) -> int | None:
        before = self.spent.peak_memory_bytes
        return None if before is None else max(before, peak_memory_bytes(self.base.device))

    def _described(self) -> dict[str, str]:
        return {
            "method": self.spec.method,
            "base": self.base.name,
            "base_fingerprint": self.base.fingerprint,
            "dtype": str(self.base.dtype).removeprefix("torch."),
            "config_hash": self.spec.config_hash,
            "seed": str(self.spec.recipe.seed),
        }


def _check_count(slot: Slot, base: FrozenBase) -> None:
    """Budgets, pruning and the front trust the closed form: no trial goes on where it does not hold."""
    wanted, found = slot.method.count(base.shape), slot.trainable_params
    if wanted != found:
        raise FrontuneError(
            f"method {slot.method.name!r} has a defect: its closed form counts {wanted:,} trainable "
            f"parameters, but {found:,} are injected"
        )
