"""The frozen layers below a slot's lowest edit: each training row passes them once, not once an epoch.

A row's stream is computed in a block that follows from the rows alone, so that a trial's numbers depend
neither on what was trained before nor on where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.base import Site
from methods.entering import Entering
from methods.frozen import FrozenBase
from sweeps.training.batches import Row, collate
from sweeps.training.slot import Slot

BUDGET_BYTES = 512 * 2**20
"""Of what is kept on a device while no trial needs it; a base of whose rows one layer needs more is passed
whole in every step."""
WORTH_IT = 2
"""Epochs from which on it pays: in one no row passes the lower layers twice."""
BLOCK = 16
"""Rows that pass the lower layers together."""


def lowest_layer(slot: Slot) -> int:
    """The lowest layer in which the slot changes or trains anything."""
    weights, (l_p, l_i) = slot.method.base_weights(slot.shape), slot.method.virtual_tokens
    if weights.rest or l_p + l_i:
        return 0
    return min([*weights.layers, *map(_layer, slot.edits)], default=0)


def _layer(site: Site) -> int:
    return 0 if site.layer is None else site.layer


class LowerStates:
    """What enters one layer, for the rows of a training split; computed when it is first asked for."""

    def __init__(self, base: FrozenBase, layer: int, rows: Sequence[Row], pad_id: int) -> None:
        self._base, self.layer, self._rows, self._pad_id = base, layer, rows, pad_id
        order = sorted(range(len(rows)), key=lambda number: rows[number].tokens)
        self._blocks = [order[first : first + BLOCK] for first in range(0, len(order), BLOCK)]
        self._block_of = {number: block for block in self._blocks for number in block}
        self._streams: dict[int, Tensor] = {}

    def entering(self, numbers: Sequence[int], length: int) -> Tensor:
        """Return the streams (B, length, D) of these rows, zero where a row is padded."""
        size = (len(numbers), length, self._base.shape.d_model)
        stream_BTD = torch.zeros(size, dtype=self._base.dtype, device=self._base.device)
        for at, number in enumerate(numbers):
            if number not in self._streams:
                self._compute(self._block_of[number])
            stream_TD = self._streams[number]
            stream_BTD[at, : len(stream_TD)] = stream_TD
        return stream_BTD

    @torch.no_grad()
    def _compute(self, block: Sequence[int]) -> None:
        rows = [self._rows[number] for number in block]
        batch = collate(rows, (0, 0), self._pad_id).to(self._base.device)
        stream_BTD = self._base.entering(batch.tokens_BT, batch.attention_BT, self.layer)
        for at, (number, row) in enumerate(zip(block, rows, strict=True)):
            self._streams[number] = stream_BTD[at, : row.tokens].clone()


class LowerLayers:
    """The kept streams of a device, shared by all trials that need the same; `kept` is by layer, the one
    that was asked for last at the end."""

    def __init__(self, base: FrozenBase, pad_id: int, budget_bytes: int = BUDGET_BYTES) -> None:
        self._base, self._pad_id, self._budget = base, pad_id, budget_bytes
        self.kept: dict[int, LowerStates] = {}

    def of(self, slot: Slot) -> LowerStates | None:
        """Return what the slot may enter its lowest layer with; None where that would save nothing, as for
        a run of an epoch, or cost too much memory, whatever other trials need."""
        layer = lowest_layer(slot)
        if layer == 0 or sum(map(len, slot.plan)) < WORTH_IT * len(slot.rows):
            return None
        tokens = sum(row.tokens for row in slot.rows)
        needed = tokens * self._base.shape.d_model * self._base.dtype.itemsize
        if needed > self._budget:
            return None
        states = self.kept.pop(layer, None) or LowerStates(self._base, layer, slot.rows, self._pad_id)
        # A slot that still enters a layer that is forgotten here has its streams for as long as it trains.
        while self.kept and needed * (len(self.kept) + 1) > self._budget:
            del self.kept[next(iter(self.kept))]
        self.kept[layer] = states
        return states


def entering_of(numbered: Sequence[tuple[Slot, Sequence[int]]], length: int) -> Entering | None:
    """Return what slots enter their common lowest layer with; None where they have no common one."""
    lower = [slot.lower for slot, _ in numbered]
    first = lower[0]
    if first is None or any(each is None or each.layer != first.layer for each in lower):
        return None
    streams = [slot.lower.entering(numbers, length) for slot, numbers in numbered if slot.lower is not None]
    return Entering(first.layer, torch.cat(streams) if len(streams) > 1 else streams[0])
