"""A trial's peak memory before anything is loaded: its own step and scoring, run on shapes without values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from methods.attention import use_products
from methods.base import Method
from methods.frozen import FrozenBase
from methods.injected import edit_parameters
from methods.start import MetaStart
from sweeps.training.batches import Row, collate, plan_batches, steps_in
from sweeps.training.candidates import collate_candidates, passed_positions
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import batch_positions
from sweeps.training.generate import texts_at_once
from sweeps.training.live_memory import AttentionOf, LiveMemory
from sweeps.training.pack import Pack, label_states
from sweeps.training.recipe import Recipe
from sweeps.training.seeds import generator_for
from sweeps.training.slot import Pass, Slot

ADAMW_STATES = 2
"""Tensors that AdamW keeps of each parameter (its count of steps aside)."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of tensors, for one trial alone on its base. On a CPU the process itself comes on top.

    `base` are the frozen weights; `trained` what is trained, copies of the base's own weights and AdamW's
    states; `training` gradients and activations at the peak of the widest step; `scoring` activations then.
    """

    base: int
    trained: int
    training: int
    scoring: int

    @property
    def peak(self) -> int:
        """The most that lives at once."""
        return self.base + self.trained + max(self.training, self.scoring)


class ShapeSlot(Slot):
    """A slot whose tensors have no values: one step, the widest of its plan, and no optimiser."""

    def __init__(self, base: FrozenBase, method: Method, recipe: Recipe, rows: Sequence[Row]) -> None:
        self.method, self.recipe, self.shape, self.lower = method, recipe, base.shape, None
        self.rows = widest_batch(rows, recipe)
        self.plan = [tuple(range(len(self.rows)))]
        self.total_steps, self.step, self.loss = 1, 0, math.nan
        self.edits = method.edits(MetaStart(base.shape))
        self.parameters = edit_parameters(self.edits)
        self._dropout = torch.Generator()
        weights = method.base_weights(base.shape)
        self.masters = base.unfreeze(weights) if weights else None
        if self.masters:
            self.parameters |= {f"base/{name}": p for name, p in self.masters.parameters.items()}

    def micro_batches(self) -> Iterator[Pass]:
        """The last pass, of the longest rows; of several once more, for it finds the gradients of others."""
        passes = list(super().micro_batches())
        yield from passes[-1:] * min(2, len(passes))

    def rewind(self) -> None:
        """There is nothing to go back to."""

    def apply_gradients(self) -> None:
        """The fused step changes tensors where they are."""
        self.step += 1


def estimate_memory(
    base: FrozenBase,
    method: Method,
    recipe: Recipe,
    train: Sequence[Row],
    scored: Sequence[Row],
    device: str,
    decoding: Decoding | None = None,
) -> MemoryEstimate:
    """Estimate a trial's peak on ``cpu`` or ``cuda``.

    `base` is on the `meta` device, in the sweep's dtype, and is left as it was found; `train` and `scored`
    are tokenised rows that fit the base.
    """
    use_products(base.model, device)
    weights = (*base.model.parameters(), *base.model.buffers())
    live = LiveMemory(before=weights)
    with live, AttentionOf(device):
        slot = ShapeSlot(base, method, recipe, train)
        try:
            held = live.bytes
            Pack(base, [slot], pad_id=0).step()
            training = live.peak - held
            for parameter in slot.parameters.values():
                parameter.grad = None
            live.peak = live.bytes
            _score(base, slot, scored, device)
            scoring = live.peak - held
            if decoding:
                live.peak = live.bytes
                cache = _generate(base, slot, scored, device, decoding)
                scoring = max(scoring, live.peak - held + cache)
        finally:
            slot.close()
    states = ADAMW_STATES * sum(parameter.nbytes for parameter in slot.parameters.values())
    return MemoryEstimate(sum(w.nbytes for w in weights), held + states, training, scoring)


def widest_batch(rows: Sequence[Row], recipe: Recipe) -> list[Row]:
    """The batch of a run's plan with the most positions, shortest row first.

    Rows are sorted by length within their window, so that an epoch's longest row stands beside a batch of
    its like.
    """
    an_epoch = math.ceil(len(rows) / recipe.batch_size)
    steps = steps_in(len(rows), recipe.batch_size, recipe.epochs, recipe.steps)
    if steps >= an_epoch:
        return sorted(rows, key=lambda row: row.tokens)[-recipe.batch_size :]
    order = generator_for(recipe.seed, "order")
    plan = plan_batches([row.tokens for row in rows], recipe.batch_size, steps, order)
    widest = max(plan, key=lambda batch: len(batch) * max(rows[number].tokens for number in batch))
    return [rows[number] for number in widest]


@torch.no_grad()
def _score(base: FrozenBase, slot: Slot, rows: Sequence[Row], device: str) -> None:
    """A batch of the longest rows, and one of the shortest, of which the most are scored at once."""
    exact_logits = base.exact_logits()
    by_length = sorted(rows, key=lambda row: row.tokens)
    for some in (by_length[::-1], by_length):
        positions = passed_positions(some[0], sum(_virtual(slot)))
        limit = batch_positions(device, base.dtype)
        together = some[: max(1, limit // positions)]
        longest = max(passed_positions(row, sum(_virtual(slot))) for row in together)
        batch = collate_candidates(together, _virtual(slot), 0, longest).batch.to(base.device)
        placed = slot.place(0, batch)
        F.log_softmax(exact_logits(label_states(base, [batch], [placed])), dim=-1)


@torch.no_grad()
def _generate(base: FrozenBase, slot: Slot, rows: Sequence[Row], device: str, decoding: Decoding) -> int:
    """Fill the cache of the longest batch in one pass and choose a token; return the bytes of the cache."""
    longest = max(len(row.prompt) for row in rows) + sum(_virtual(slot)) + decoding.max_new_tokens
    n_rows = min(len(rows), texts_at_once(longest * decoding.beams, device))
    prompts = sorted((Row(row.prompt, ()) for row in rows), key=lambda row: row.tokens)[-n_rows:]
    batch = collate(prompts * decoding.beams, _virtual(slot), pad_id=0).to(base.device)
    with base.edited([slot.place(0, batch)]):
        hidden_BTD = base.hidden(batch.tokens_BT, batch.attention_BT)
    F.log_softmax(base.logits(hidden_BTD[:, -1]).float(), dim=-1)
    width = sum(base.shape.matrices[matrix][1] for matrix in "kv")
    return base.shape.n_layers * n_rows * decoding.beams * longest * width * base.dtype.itemsize


def _virtual(slot: Slot) -> tuple[int, int]:
    return slot.method.virtual_tokens
