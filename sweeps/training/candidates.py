"""Rows laid out with all their candidates, so that a prompt is passed once however many there are.

A row is ``[l_p placeholders][prompt][l_i placeholders][candidate][candidate]...``, each candidate without its
last token, which nothing follows. Shapes as in `batches`; P positions that predict, N tokens of candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from methods.branches import PADDING, TRUNK, Branches
from methods.errors import FrontuneError
from sweeps.training.batches import Batch, Row


@dataclass(frozen=True)
class Candidates:
    """A batch whose labels are the positions that predict; token n of a candidate is `token_N[n]`, predicted
    at label `label_N[n]`, and of candidate `candidate_N[n]`, counted over all rows."""

    batch: Batch
    label_N: Tensor
    token_N: Tensor
    candidate_N: Tensor

    def to(self, device: torch.device) -> Candidates:
        """The same on another device."""
        return Candidates(**{name: part.to(device) for name, part in vars(self).items()})


@dataclass
class _Line:
    """A row as it is laid out: what stands in each column, the columns that predict, and what they predict
    (label, token and candidate, counted within the row)."""

    tokens: list[int]
    positions: list[int]
    segments: list[int]
    predicting: list[int]
    predicted: list[tuple[int, int, int]] = field(default_factory=list)


def passed_positions(row: Row, virtual: int) -> int:
    """How many positions a row takes with its candidates, without padding."""
    return len(row.prompt) + virtual + sum(max(0, len(candidate) - 1) for candidate in row.candidates)


def collate_candidates(
    rows: Sequence[Row], virtual_tokens: tuple[int, int], pad_id: int, length: int
) -> Candidates:
    """Lay out rows with all their candidates, padded to `length`.

    Raises FrontuneError for a row without a prompt.
    """
    l_p, l_i = virtual_tokens
    lines = [_lay_out(row, virtual_tokens, pad_id) for row in rows]
    segment_BT = _padded([line.segments for line in lines], length, PADDING)
    labels = [(row, column) for row, line in enumerate(lines) for column in line.predicting]
    predicted: list[tuple[int, int, int]] = []
    n_labels = n_candidates = 0
    for row, line in zip(rows, lines, strict=True):
        predicted += [(n_labels + at, token, n_candidates + which) for at, token, which in line.predicted]
        n_labels, n_candidates = n_labels + len(line.predicting), n_candidates + len(row.candidates)
    row_P, column_P = torch.tensor(labels).unbind(1)
    infixes = [l_p + len(row.prompt) for row in rows]
    virtual = [[*range(l_p), *range(infix, infix + l_i)] for infix in infixes]
    batch = Batch(
        tokens_BT=_padded([line.tokens for line in lines], length, pad_id),
        attention_BT=(segment_BT != PADDING).long(),
        virtual_BV=torch.tensor(virtual) if l_p + l_i else None,
        row_N=row_P.contiguous(),
        column_N=column_P.contiguous(),
        targets_N=torch.full((len(labels),), pad_id),
        branches=Branches(
            _padded([line.positions for line in lines], length, 0),
            segment_BT,
            forks=any(line.segments[-1] > TRUNK for line in lines),
        ),
    )
    return Candidates(batch, *torch.tensor(predicted).reshape(-1, 3).unbind(1))


def _lay_out(row: Row, virtual_tokens: tuple[int, int], pad_id: int) -> _Line:
    l_p, l_i = virtual_tokens
    trunk = [pad_id] * l_p + [*row.prompt] + [pad_id] * l_i
    if not trunk:
        raise FrontuneError("a row to score has an empty prompt: nothing to predict from")
    line = _Line(trunk, [*range(len(trunk))], [TRUNK] * len(trunk), [len(trunk) - 1])
    first = len(trunk)
    for number, candidate in enumerate(row.candidates):
        passed, n_labels = candidate[:-1], len(line.predicting)
        labels = [0, *range(n_labels, n_labels + len(passed))][: len(candidate)]
        line.predicted += [(label, token, number) for label, token in zip(labels, candidate, strict=True)]
        line.predicting += range(len(line.tokens), len(line.tokens) + len(passed))
        line.positions += range(first, first + len(passed))
        line.segments += [TRUNK + 1 + number] * len(passed)
        line.tokens += passed
    return line


def _padded(lines: Sequence[Sequence[int]], length: int, filler: int) -> Tensor:
    return torch.tensor([[*line, *[filler] * (length - len(line))] for line in lines])
