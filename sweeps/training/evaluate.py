"""Scoring slots: by likelihood, the likeliest candidate completion being a row's answer, or by its text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.errors import FrontuneError
from methods.frozen import FrozenBase, Placed
from sweeps.training.batches import Row, collate
from sweeps.training.decoding import Decoding
from sweeps.training.generate import generate
from sweeps.training.pack import label_states
from sweeps.training.slot import Diverged, Slot

EVAL_POSITIONS = {"cpu": 512, "cuda": 16384}
"""Positions in one evaluation batch by device: a CPU is fastest while a batch stays in its cache
(SmolLM2-135M, float32, one core: 512 positions 9.2 s, 4096 positions 16.7 s for the same 40 rows)."""


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation measured (fractions of 1), its real tokens, how many rows had to be cut to fit,
    and what was generated, which the task scores; `score` is None until then. `outcomes` are what the score
    is the mean of, row by row."""

    score: float | None
    metrics: dict[str, float]
    tokens: int
    rows_cut: int = 0
    generated: tuple[tuple[int, ...], ...] = ()
    outcomes: tuple[float, ...] = ()


Asked = tuple[Slot, Sequence[Row]]
"""A slot and the rows that it is scored on."""
Scored = Evaluation | Diverged
"""What came of it; one slot's divergence is no other's."""


def evaluate_likelihood(base: FrozenBase, slot: Slot, rows: Sequence[Row], pad_id: int) -> Evaluation:
    """Return the accuracy over all rows, by group, and the loss on the right completion's tokens.

    Raises Diverged where a likelihood is not a number.
    """
    return _or_raise(evaluate_likelihoods(base, [(slot, rows)], pad_id))


def evaluate_text(
    base: FrozenBase, slot: Slot, rows: Sequence[Row], pad_id: int, eos_id: int, decoding: Decoding
) -> Evaluation:
    """Return the loss on the completions' tokens, and what the slot generates for each row."""
    return _or_raise(evaluate_texts(base, [(slot, rows)], pad_id, eos_id, decoding))


def evaluate_likelihoods(base: FrozenBase, asked: Sequence[Asked], pad_id: int) -> list[Scored]:
    """Score several slots as one does alone; their rows share batches."""
    _check_rows(asked)
    every = [(slot, row) for slot, rows in asked for row in rows]
    likelihoods = [torch.empty(0)] * len(every)
    with torch.inference_mode():
        for numbers in _by_length(every, base.device.type):
            found = _likelihoods(base, [every[number] for number in numbers], pad_id)
            for number, values_C in zip(numbers, found, strict=True):
                likelihoods[number] = values_C
    remaining = iter(likelihoods)
    return [_scored(rows, list(islice(remaining, len(rows)))) for _, rows in asked]


def evaluate_texts(
    base: FrozenBase, asked: Sequence[Asked], pad_id: int, eos_id: int, decoding: Decoding
) -> list[Scored]:
    """Score several slots' losses and generate their texts; their rows share batches."""
    as_candidates = [
        (slot, [replace(row, candidates=(row.completion,), answer=0) for row in rows]) for slot, rows in asked
    ]
    losses = evaluate_likelihoods(base, as_candidates, pad_id)
    sound = [each for each, loss in zip(asked, losses, strict=True) if isinstance(loss, Evaluation)]
    generated = iter(generate(base, sound, decoding, pad_id, eos_id))
    return [
        _with_texts(rows, loss, next(generated)) if isinstance(loss, Evaluation) else loss
        for (_, rows), loss in zip(asked, losses, strict=True)
    ]


def _with_texts(rows: Sequence[Row], loss: Evaluation, texts: Sequence[tuple[int, ...]]) -> Evaluation:
    tokens = sum(len(row.prompt) + len(text) for row, text in zip(rows, texts, strict=True))
    return Evaluation(None, {"loss": loss.metrics["loss"]}, tokens, generated=tuple(texts))


def _or_raise(scored: list[Scored]) -> Evaluation:
    (found,) = scored
    if isinstance(found, Diverged):
        raise found
    return found


def _check_rows(asked: Sequence[Asked]) -> None:
    if not all(rows for _, rows in asked):
        raise FrontuneError("nothing to score: the evaluation split has no rows")


def _scored(rows: Sequence[Row], likelihoods: Sequence[Tensor]) -> Scored:
    if unknown := sum(bool(v_C.isnan().any()) for v_C in likelihoods):
        return Diverged(f"diverged: the likelihoods of {unknown} of {len(rows)} scored rows are not numbers")
    hits = [int(v_C.argmax()) == row.answer for v_C, row in zip(likelihoods, rows, strict=True)]
    by_group: dict[str, list[bool]] = defaultdict(list)
    for row, hit in zip(rows, hits, strict=True):
        by_group[row.group].append(hit)
    loss = -sum(float(v_C[row.answer]) for v_C, row in zip(likelihoods, rows, strict=True))
    metrics = {"accuracy": _mean(hits), "loss": loss / sum(len(row.candidates[row.answer]) for row in rows)}
    metrics |= {f"accuracy/{group}": _mean(values) for group, values in sorted(by_group.items()) if group}
    tokens = sum(row.tokens for row in rows)
    return Evaluation(metrics["accuracy"], metrics, tokens, outcomes=tuple(map(float, hits)))


def _likelihoods(base: FrozenBase, asked: Sequence[tuple[Slot, Row]], pad_id: int) -> list[Tensor]:
    """For each row the log-likelihood of each of its candidates, summed over the candidate's tokens; a
    slot's rows are neighbours."""
    single = all(len(candidate) == 1 for _, row in asked for candidate in row.candidates)
    parts = [(slot, [row for _, row in mine]) for slot, mine in groupby(asked, key=lambda each: each[0])]
    # Candidates of one token share a pass: all are read off the same position.
    passed = [
        (slot, rows if single else [replace(row, completion=c) for row in rows for c in row.candidates])
        for slot, rows in parts
    ]
    longest = max(row.tokens + sum(slot.method.virtual_tokens) for slot, rows in passed for row in rows)
    batches = [
        collate(rows, slot.method.virtual_tokens, pad_id, longest).to(base.device) for slot, rows in passed
    ]
    placed: list[Placed] = []
    for (slot, _), batch in zip(passed, batches, strict=True):
        placed.append(slot.place(placed[-1].last if placed else 0, batch))
    logprobs_NV = F.log_softmax(base.logits(label_states(base, batches, placed), exact=True), dim=-1)
    row_N = torch.cat([batch.row_N + slot.first for batch, slot in zip(batches, placed, strict=True)])
    if single:
        first_B = (row_N.diff(prepend=row_N.new_tensor([-1])) > 0).nonzero().squeeze(1)
        return [
            logprobs_NV[position, [candidate[0] for candidate in row.candidates]].cpu()
            for position, (_, row) in zip(first_B.tolist(), asked, strict=True)
        ]
    targets_N = torch.cat([batch.targets_N for batch in batches])
    token_N = logprobs_NV.gather(1, targets_N.unsqueeze(1)).squeeze(1)
    sums_B = torch.zeros(placed[-1].last, dtype=token_N.dtype, device=token_N.device)
    sums = iter(sums_B.index_add(0, row_N, token_N).cpu())
    return [torch.stack([next(sums) for _ in row.candidates]) for _, row in asked]


def _by_length(asked: Sequence[tuple[Slot, Row]], device: str) -> list[list[int]]:
    """The numbers of rows in batches of about EVAL_POSITIONS, rows of like length together, and within a
    batch those of a slot."""
    positions = EVAL_POSITIONS.get(device, EVAL_POSITIONS["cuda"])
    batches: list[list[int]] = []
    room = 0
    cost = [_positions(row, sum(slot.method.virtual_tokens)) for slot, row in asked]
    for number in sorted(range(len(asked)), key=cost.__getitem__, reverse=True):
        if room <= 0:
            batches.append([])
            room = max(1, positions // cost[number])
        batches[-1].append(number)
        room -= 1
    order = {slot: at for at, slot in enumerate(dict.fromkeys(slot for slot, _ in asked))}
    return [sorted(batch, key=lambda number: order[asked[number][0]]) for batch in batches]


def _positions(row: Row, virtual: int) -> int:
    """What a row takes in a pass: candidates of several tokens are passed one by one."""
    longest = max(len(completion) for completion in (row.completion, *row.candidates))
    passes = 1 if longest == 1 else len(row.candidates)
    return max(1, passes) * (len(row.prompt) + longest + virtual)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
