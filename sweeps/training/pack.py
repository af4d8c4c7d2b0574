"""The pack: slots of any methods that train in one batch on one frozen base."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.branches import joined
from methods.editing import Placed
from methods.entering import Entering
from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from sweeps.training.batches import Batch, collate
from sweeps.training.lower import entering_of
from sweeps.training.slot import Pass, Slot

PASS_POSITIONS = {("cpu", torch.float32): 1024, ("cpu", torch.bfloat16): 4096}
"""Most positions of a pass that slots share, by device and the base's dtype, else no limit: in float32 a CPU
gains little from a larger pass, and loses what a short slot's rows are padded to a longer one's."""


class Pack:
    """Some slots on one base; what `step` does to one of them depends on no other beyond rounding."""

    def __init__(self, base: FrozenBase, slots: Sequence[Slot], pad_id: int) -> None:
        if len(slots) > 1 and any(slot.method.exclusive for slot in slots):
            raise FrontuneError("a method that trains the base's own weights must hold the base alone")
        self.base, self.slots, self.pad_id = base, list(slots), pad_id

    def step(self) -> dict[Slot, Exception]:
        """Train every unfinished slot for one optimiser step; return those that failed instead, and why.

        What goes wrong in a pass that slots share, as when memory does not suffice, is raised, and then all
        of them are as they were before the step.
        """
        active = [slot for slot in self.slots if not slot.finished]
        try:
            sums = self._gradients(active)
        except BaseException:
            for slot in active:
                slot.rewind()
            raise
        failed: dict[Slot, Exception] = {}
        for slot in active:
            slot.loss = torch.stack(sums[slot]).sum().item()
            try:
                slot.apply_gradients()
            except Exception as error:
                failed[slot] = error
        self.slots = [slot for slot in self.slots if slot not in failed]
        return failed

    def _gradients(self, active: Sequence[Slot]) -> dict[Slot, list[Tensor]]:
        """Pass every slot's rows through the base and back; return the parts of each slot's loss."""
        labels = {slot: sum(len(slot.rows[i].completion) for i in slot.plan[slot.step]) for slot in active}
        sums: dict[Slot, list[Tensor]] = {slot: [] for slot in active}
        for turn in zip_longest(*(slot.micro_batches() for slot in active)):
            for here in self._passes([(slot, one) for slot, one in zip(active, turn, strict=True) if one]):
                losses = self._losses(here)
                shares = [loss / labels[slot] for (slot, _), loss in zip(here, losses, strict=True)]
                torch.stack(shares).sum().backward()  # type: ignore[no-untyped-call]
                for (slot, _), share in zip(here, shares, strict=True):
                    sums[slot].append(share.detach())
                    if slot.masters:
                        slot.masters.gather_gradients()
        return sums

    def _passes(self, turn: Sequence[tuple[Slot, Pass]]) -> list[list[tuple[Slot, Pass]]]:
        """Share slots out over passes of at most PASS_POSITIONS, those of like length together, and in a
        pass those of a method side by side, whose edits may then run in one."""
        most = PASS_POSITIONS.get((self.base.device.type, self.base.dtype), math.inf)
        passes: list[list[tuple[Slot, Pass]]] = []
        length = n_rows = 0
        for slot, one in sorted(turn, key=lambda each: _longest(*each), reverse=True):
            n_rows += len(one.rows)
            if not passes or n_rows * length > most:
                passes.append([])
                length, n_rows = _longest(slot, one), len(one.rows)
            passes[-1].append((slot, one))
        return [sorted(here, key=_kinship) for here in passes]

    def _losses(self, turn: Sequence[tuple[Slot, Pass]]) -> list[Tensor]:
        """The summed cross-entropy over the label tokens of each slot's rows, from one forward pass."""
        longest = max(_longest(slot, one) for slot, one in turn)
        batches = [
            collate(one.rows, slot.method.virtual_tokens, self.pad_id, longest).to(self.base.device)
            for slot, one in turn
        ]
        placed: list[Placed] = []
        for (slot, one), batch in zip(turn, batches, strict=True):
            placed.append(slot.place(placed[-1].last if placed else 0, batch, one.masks))
        entering = entering_of([(slot, one.numbers) for slot, one in turn], longest)
        logits_NV = self.base.logits(label_states(self.base, batches, placed, entering))
        per_slot = torch.split(logits_NV, [len(batch.targets_N) for batch in batches])
        return [
            F.cross_entropy(
                slot_logits.to(self.base.train_dtype),
                batch.targets_N,
                reduction="sum",
                label_smoothing=slot.recipe.label_smoothing,
            )
            for (slot, _), batch, slot_logits in zip(turn, batches, per_slot, strict=True)
        ]


def _kinship(placed: tuple[Slot, Pass]) -> tuple[str, int, int]:
    """Slots of one method, as many rows and like size are neighbours."""
    slot, one = placed
    return slot.method.name, len(one.rows), slot.trainable_params


def _longest(slot: Slot, one: Pass) -> int:
    """Positions of the longest of a slot's rows, virtual ones included."""
    return max(row.tokens for row in one.rows) + sum(slot.method.virtual_tokens)


def label_states(
    base: FrozenBase,
    batches: Sequence[Batch],
    placed: Sequence[Placed],
    entering: Entering | None = None,
) -> Tensor:
    """Return the last hidden states (N, D) at the label positions of batches of one length, run as one.

    The rows are taken out as one contiguous matrix: a 3-D slice would make PyTorch copy the vocabulary
    matrix for each row of the batch.
    """
    branches = joined([batch.branches for batch in batches if batch.branches])
    with base.edited(placed):
        hidden_BTD = base.hidden(
            torch.cat([batch.tokens_BT for batch in batches]),
            torch.cat([batch.attention_BT for batch in batches]),
            entering,
            branches,
        )
    rows_N = torch.cat([batch.row_N + slot.first for batch, slot in zip(batches, placed, strict=True)])
    columns_N = torch.cat([batch.column_N for batch in batches])
    return hidden_BTD[rows_N, columns_N]
