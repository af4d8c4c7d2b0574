"""Scoring slots on the rows that selection uses, and once more from what a trial kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods.expression import parse_method
from methods.frozen import FrozenBase
from storage.checkpoints import load_tensors
from sweeps.training.batches import cut_to
from sweeps.training.evaluate import Evaluation, Scored, evaluate_likelihoods, evaluate_texts
from sweeps.training.recipe import Recipe
from sweeps.training.scorable import Scorable
from sweeps.training.slot import Diverged, Slot

if TYPE_CHECKING:
    from sweeps.data import TaskData


def evaluate(base: FrozenBase, data: TaskData, slot: Scorable) -> Evaluation:
    """Score a slot on the rows that selection uses, or let it generate the text that the task scores.

    Raises Diverged where its likelihoods are not numbers.
    """
    (found,) = evaluate_all(base, data, [slot])
    if isinstance(found, Diverged):
        raise found
    return found


def evaluate_all(base: FrozenBase, data: TaskData, slots: Sequence[Scorable]) -> list[Scored]:
    """Score several slots, whose rows share batches."""
    generated = data.decoding.max_new_tokens if data.decoding else 0
    asked, cut = [], []
    for slot in slots:
        room = base.shape.max_positions - sum(slot.method.virtual_tokens)
        rows, n_cut = cut_to(data.validation, room, generated)
        asked.append((slot, rows))
        cut.append(n_cut)
    if data.decoding is None:
        scored = evaluate_likelihoods(base, asked, data.pad_id)
    else:
        scored = evaluate_texts(base, asked, data.pad_id, data.eos_id, data.decoding)
    return [
        replace(each, rows_cut=n_cut) if isinstance(each, Evaluation) else each
        for each, n_cut in zip(scored, cut, strict=True)
    ]


def rescore(base: FrozenBase, data: TaskData, adapter: Path) -> Evaluation:
    """Load what a trial kept into a fresh slot and score it: the same score as after its training."""
    tensors, described = load_tensors(adapter)
    slot = Slot(base, parse_method(described["method"]), Recipe(steps=1), data.validation)
    try:
        slot.load_tensors(tensors)
        return evaluate(base, data, slot)
    finally:
        slot.close()
