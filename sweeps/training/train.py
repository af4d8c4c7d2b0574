"""The life of a trial on a worker: a slot trains, is scored after its last step, and its weights are kept."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from storage.checkpoints import load_tensors, save_tensors
from sweeps.training.batches import cut_to
from sweeps.training.evaluate import Evaluation, evaluate_likelihood, evaluate_text
from sweeps.training.memory import is_out_of_memory, peak_memory_bytes, start_measuring
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.resuming import Spent, load_state, save_state
from sweeps.training.slot import Diverged, Slot
from sweeps.trial import (
    Failed,
    FailureKind,
    Finished,
    Progress,
    Rung,
    Scoring,
    TrialEvent,
    TrialResult,
    TrialSpec,
)

if TYPE_CHECKING:
    from sweeps.data import TaskData

CURVE_POINTS = 200


def train_trial(base: FrozenBase, data: TaskData, spec: TrialSpec) -> Iterator[TrialEvent]:
    """Train one trial alone on the base, from its last rung where it had reached one; whatever happens, the
    base is left as it was found."""
    slot = None
    try:
        started = time.perf_counter()
        start_measuring(base.device)
        slot, rows_cut = open_slot(base, data, spec)
        _check_count(slot, base)
        spent = load_state(slot, spec) if spec.checkpoint_file else Spent()
        running = _Running(base, data, spec, slot, rows_cut, spent, time.perf_counter() - started)
        yield from running.steps()
        yield Scoring(spec.number)
        evaluation = running.score()
        save_tensors(Path(spec.adapter_file), slot.tensors(), _describe(base, spec))
        yield Finished(spec.number, running.result(evaluation))
    except Diverged as error:
        yield Failed(spec.number, str(error), kind="diverged")
    except FrontuneError as error:
        yield Failed(spec.number, str(error), kind="refused")
    except Exception as error:
        kind: FailureKind = "out_of_memory" if is_out_of_memory(error) else "error"
        said = f"{type(error).__name__}: {error}"
        yield Failed(spec.number, said, "" if kind == "out_of_memory" else traceback.format_exc(), kind)
    finally:
        if slot is not None:
            slot.close()


@dataclass
class _Running:
    """A trial on its way: its slot, and what it has spent; seconds are of this attempt and those before."""

    base: FrozenBase
    data: TaskData
    spec: TrialSpec
    slot: Slot
    rows_cut: int
    spent: Spent
    opening_seconds: float
    tokens: int = 0

    def steps(self) -> Iterator[TrialEvent]:
        """Step to the end, one event a step and one a rung; the curve keeps an even choice of the losses."""
        slot, spent, pack = self.slot, self.spent, Pack(self.base, [self.slot], self.data.pad_id)
        every = math.ceil(slot.total_steps / CURVE_POINTS)
        self.tokens = sum(slot.rows[i].tokens for batch in slot.plan[: slot.step] for i in batch)
        spent.train_seconds += self.opening_seconds
        while not slot.finished:
            began = time.perf_counter()
            self.tokens += sum(slot.rows[i].tokens for i in slot.plan[slot.step])
            for error in pack.step().values():
                raise error
            spent.train_seconds += time.perf_counter() - began
            if slot.step % every == 0 or slot.finished:
                spent.curve.append((slot.step, slot.loss))
            speed = self.tokens / spent.train_seconds
            yield Progress(self.spec.number, slot.step, slot.total_steps, slot.loss, speed)
            if slot.step in self.spec.rungs and not slot.finished:
                evaluation = self.score() if self.spec.score_rungs else None
                spent.peak_memory_bytes = self._peak()
                save_state(slot, self.spec, spent)
                yield Rung(self.spec.number, slot.step, self.result(evaluation) if evaluation else None)

    def score(self) -> Evaluation:
        """Score the slot as it is."""
        began = time.perf_counter()
        evaluation = evaluate(self.base, self.data, self.slot)
        self.spent.eval_seconds += time.perf_counter() - began
        return evaluation

    def result(self, evaluation: Evaluation) -> TrialResult:
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
        )

    def _peak(self) -> int:
        return max(self.spent.peak_memory_bytes, peak_memory_bytes(self.base.device))


def open_slot(base: FrozenBase, data: TaskData, spec: TrialSpec) -> tuple[Slot, int]:
    """Return a fresh slot for a trial, and how many training rows had to be cut to fit."""
    method = parse_method(spec.method)
    rows, cut = cut_to(data.train, base.shape.max_positions - sum(method.virtual_tokens))
    return Slot(base, method, spec.recipe, rows), cut


def evaluate(base: FrozenBase, data: TaskData, slot: Slot) -> Evaluation:
    """Score a slot on the rows that selection uses, or let it generate the text that the task scores."""
    room = base.shape.max_positions - sum(slot.method.virtual_tokens)
    if data.decoding is None:
        rows, cut = cut_to(data.validation, room)
        return replace(evaluate_likelihood(base, slot, rows, data.pad_id), rows_cut=cut)
    rows, cut = cut_to(data.validation, room, data.decoding.max_new_tokens)
    found = evaluate_text(base, slot, rows, data.pad_id, data.eos_id, data.decoding)
    return replace(found, rows_cut=cut)


def rescore(base: FrozenBase, data: TaskData, adapter: Path) -> Evaluation:
    """Load what a trial kept into a fresh slot and score it: the same score as after its training."""
    tensors, described = load_tensors(adapter)
    slot = Slot(base, parse_method(described["method"]), Recipe(steps=1), data.validation)
    try:
        slot.load_tensors(tensors)
        return evaluate(base, data, slot)
    finally:
        slot.close()


def _check_count(slot: Slot, base: FrozenBase) -> None:
    """Budgets, pruning and the front trust the closed form: no trial goes on where it does not hold."""
    wanted, found = slot.method.count(base.shape), slot.trainable_params
    if wanted != found:
        raise FrontuneError(
            f"method {slot.method.name!r} has a defect: its closed form counts {wanted:,} trainable "
            f"parameters, but {found:,} are injected"
        )


def _describe(base: FrozenBase, spec: TrialSpec) -> dict[str, str]:
    return {
        "method": spec.method,
        "base": base.name,
        "base_fingerprint": base.fingerprint,
        "config_hash": spec.config_hash,
        "seed": str(spec.recipe.seed),
    }
