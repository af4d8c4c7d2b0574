"""From tokenised rows to batches: the order of an epoch, the layout of virtual tokens, and padding.

A row is laid out as ``[l_p placeholders][prompt][l_i placeholders][completion]``.
Shapes: B rows, T positions, V virtual tokens of a row, N label positions of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from methods.branches import Branches
from methods.errors import FrontuneError

BUCKET_BATCHES = 16
"""Rows are sorted by length within windows of this many batches, so that little is padding and an
epoch's order stays random."""


@dataclass(frozen=True)
class Row:
    """One tokenised example. `candidates` are the completions whose likelihoods are compared, `answer`
    the right one's number; `group` is what scores are also reported by, such as MNLI's genre."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    candidates: tuple[tuple[int, ...], ...] = ()
    answer: int = -1
    group: str = ""

    @property
    def tokens(self) -> int:
        """Real tokens: prompt and completion."""
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Batch:
    """A padded batch. Label n is `targets_N[n]`, predicted from row `row_N[n]`, position `column_N[n]`.

    With `branches` a row's continuations stand side by side (`sweeps.training.candidates`).
    """

    tokens_BT: Tensor
    attention_BT: Tensor
    virtual_BV: Tensor | None
    row_N: Tensor
    column_N: Tensor
    targets_N: Tensor
    branches: Branches | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return replace(self, **{k: v.to(device) for k, v in vars(self).items() if v is not None})


def no_prompt(number: int) -> FrontuneError:
    """Return what to raise for a row without a prompt."""
    return FrontuneError(f"row {number} of the batch has an empty prompt: nothing to predict from")


def collate(rows: Sequence[Row], virtual_tokens: tuple[int, int], pad_id: int, length: int = 0) -> Batch:
    """Lay out and pad rows, to the longest of them or to `length` if that is more."""
    l_p, l_i = virtual_tokens
    own_length = max(row.tokens for row in rows) + l_p + l_i
    size = (len(rows), max(length, own_length))
    tokens_BT = torch.full(size, pad_id)
    attention_BT = torch.zeros(size, dtype=torch.long)
    virtual: list[list[int]] = []
    where: list[tuple[int, int, int]] = []
    for number, row in enumerate(rows):
        infix = l_p + len(row.prompt)
        first = infix + l_i
        if first == 0:
            raise no_prompt(number)
        line = [pad_id] * l_p + [*row.prompt] + [pad_id] * l_i + [*row.completion]
        tokens_BT[number, : len(line)] = torch.tensor(line)
        attention_BT[number, : len(line)] = 1
        virtual.append([*range(l_p), *range(infix, first)])
        where += [(number, first + n - 1, target) for n, target in enumerate(row.completion)]
    row_N, column_N, targets_N = torch.tensor(where, dtype=torch.long).reshape(-1, 3).unbind(1)
    return Batch(
        tokens_BT=tokens_BT,
        attention_BT=attention_BT,
        virtual_BV=torch.tensor(virtual) if l_p + l_i else None,
        row_N=row_N.contiguous(),
        column_N=column_N.contiguous(),
        targets_N=targets_N.contiguous(),
    )


def plan_batches(
    lengths: Sequence[int], batch_size: int, steps: int, generator: torch.Generator
) -> list[tuple[int, ...]]:
    """Return the row numbers of each of `steps` batches: epoch after epoch, each in a new random order.

    Rows of like length share a batch; an epoch's last batch may be smaller.
    """
    if not lengths:
        raise FrontuneError("nothing to train on: the training split has no rows")
    planned: list[tuple[int, ...]] = []
    while len(planned) < steps:
        planned += _epoch(lengths, batch_size, generator)
    return planned[:steps]


def steps_in(n_rows: int, batch_size: int, epochs: float, steps: int | None) -> int:
    """How many optimiser steps a run has: `steps` if given, else that many epochs, rounded up."""
    return steps or max(1, math.ceil(round(epochs * math.ceil(n_rows / batch_size), 6)))


def tokens_in(n_rows: int, mean_tokens: float, batch_size: int, steps: int) -> float:
    """About how many real tokens so many steps hold; after whole epochs it is so exactly."""
    return steps / math.ceil(n_rows / batch_size) * n_rows * mean_tokens


def _epoch(lengths: Sequence[int], batch_size: int, generator: torch.Generator) -> list[tuple[int, ...]]:
    order = torch.randperm(len(lengths), generator=generator).tolist()
    window = batch_size * BUCKET_BATCHES
    batches: list[tuple[int, ...]] = []
    for first in range(0, len(order), window):
        bucket = sorted(order[first : first + window], key=lambda row: lengths[row])
        batches += [tuple(bucket[i : i + batch_size]) for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def cut_to(rows: Sequence[Row], room: int, generated: int = 0) -> tuple[list[Row], int]:
    """Cut prompts on their left until every row, its longest candidate included, fits into `room` tokens.

    `generated` is how many tokens a row must leave free for a text of its own. Returns the rows and how
    many were cut. Raises FrontuneError where not even one prompt token fits.
    """
    cut, count = [], 0
    for row in rows:
        prompt_room = room - max(generated, *map(len, (row.completion, *row.candidates)))
        if prompt_room < 1:
            raise FrontuneError(
                f"a completion leaves no room for its prompt: {room} positions are free in all"
            )
        if len(row.prompt) > prompt_room:
            row, count = replace(row, prompt=row.prompt[-prompt_room:]), count + 1
        cut.append(row)
    return cut, count
