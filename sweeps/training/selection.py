"""Scoring a slot on the rows that selection uses, and once more from what a trial kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from methods.expression import parse_method
from methods.frozen import FrozenBase
from storage.checkpoints import load_tensors
from sweeps.training.batches import cut_to
from sweeps.training.evaluate import Evaluation, evaluate_likelihood, evaluate_text
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot

if TYPE_CHECKING:
    from sweeps.data import TaskData


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
