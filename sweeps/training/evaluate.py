"""Scoring slots: by likelihood, the likeliest candidate completion being a row's answer, or by its text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.editing import Placed
from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from sweeps.training.batches import Row
from sweeps.training.candidates import Candidates, collate_candidates, passed_positions
from sweeps.training.decoding import Decoding
from sweeps.training.generate import generate
from sweeps.training.pack import label_states
from sweeps.training.parts import in_parts
from sweeps.training.scorable import Scorable
from sweeps.training.slot import Diverged

EVAL_POSITIONS = {"cpu": 512, "cuda": 16384}
"""Positions in one evaluation batch by device: a CPU is fastest while a batch stays in its cache
(SmolLM2-135M, float32, one core: 512 positions 9.2 s, 4096 positions 16.7 s for the same 40 rows)."""


def batch_positions(device: str, dtype: torch.dtype) -> int:
    """How many positions are scored at once; over a base in bf16 a CPU is fastest with four times as many."""
    halves = device == "cpu" and dtype.itemsize == 2
    return EVAL_POSITIONS.get(device, EVAL_POSITIONS["cuda"]) * (4 if halves else 1)


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


Asked = tuple[Scorable, Sequence[Row]]
"""A slot and the rows that it is scored on."""
Scored = Evaluation | Diverged
"""What came of it; one slot's divergence is no other's."""


def evaluate_likelihood(base: FrozenBase, slot: Scorable, rows: Sequence[Row], pad_id: int) -> Evaluation:
    """Return the accuracy over all rows, by group, and the loss on the right completion's tokens.

    Raises Diverged where a likelihood is not a number.
    """
    return _or_raise(evaluate_likelihoods(base, [(slot, rows)], pad_id))


def evaluate_text(
    base: FrozenBase, slot: Scorable, rows: Sequence[Row], pad_id: int, eos_id: int, decoding: Decoding
) -> Evaluation:
    """Return the loss on the completions' tokens, and what the slot generates for each row."""
    return _or_raise(evaluate_texts(base, [(slot, rows)], pad_id, eos_id, decoding))


def evaluate_likelihoods(base: FrozenBase, asked: Sequence[Asked], pad_id: int) -> list[Scored]:
    """Score several slots as one does alone; their rows share batches."""
    _check_rows(asked)
    every = [(slot, row) for slot, rows in asked for row in rows]
    likelihoods = [torch.empty(0)] * len(every)
    with torch.inference_mode():
        exact_logits = base.exact_logits()

        def run(numbers: Sequence[int]) -> list[Tensor]:
            return _likelihoods(base, exact_logits, [every[number] for number in numbers], pad_id)

        for numbers, found in in_parts(_by_length(every, base), run, base.device):
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


def _likelihoods(
    base: FrozenBase,
    exact_logits: Callable[[Tensor], Tensor],
    asked: Sequence[tuple[Scorable, Row]],
    pad_id: int,
) -> list[Tensor]:
    """For each row the log-likelihood of each of its candidates, summed over the candidate's tokens; a
    slot's rows are neighbours."""
    parts = [(slot, [row for _, row in mine]) for slot, mine in groupby(asked, key=lambda each: each[0])]
    longest = max(passed_positions(row, sum(slot.method.virtual_tokens)) for slot, row in asked)
    found: list[Candidates] = []
    placed: list[Placed] = []
    for slot, rows in parts:
        found.append(collate_candidates(rows, slot.method.virtual_tokens, pad_id, longest).to(base.device))
        placed.append(slot.place(placed[-1].last if placed else 0, found[-1].batch))
    states_PD = label_states(base, [each.batch for each in found], placed)
    logprobs_PV = F.log_softmax(exact_logits(states_PD), dim=-1)
    values: list[Tensor] = []
    per_slot = torch.split(logprobs_PV, [len(each.batch.row_N) for each in found])
    for (_, rows), each, own_PV in zip(parts, found, per_slot, strict=True):
        sums_C = own_PV.new_zeros(sum(len(row.candidates) for row in rows))
        sums_C.index_add_(0, each.candidate_N, own_PV[each.label_N, each.token_N])
        values += torch.split(sums_C.cpu(), [len(row.candidates) for row in rows])
    return values


def _by_length(asked: Sequence[tuple[Scorable, Row]], base: FrozenBase) -> list[list[int]]:
    """The numbers of rows in batches of about `batch_positions`, rows of like length together, and within a
    batch those of a slot. Where slots are scored on the same rows a batch holds as many of each."""
    positions = batch_positions(base.device.type, base.dtype)
    batches: list[list[int]] = []
    room = 0
    cost = [passed_positions(row, sum(slot.method.virtual_tokens)) for slot, row in asked]
    order = {slot: at for at, slot in enumerate(dict.fromkeys(slot for slot, _ in asked))}
    turn = [n for _, mine in groupby(asked, key=lambda each: each[0]) for n, _ in enumerate(mine)]
    for number in sorted(range(len(asked)), key=lambda each: (-cost[each], turn[each])):
        if room <= 0:
            batches.append([])
            room = positions // cost[number]
            room = max(1, room - room % len(order) or room)
        batches[-1].append(number)
        room -= 1
    return [sorted(batch, key=lambda number: order[asked[number][0]]) for batch in batches]


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
