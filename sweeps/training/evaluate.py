"""Scoring a slot: by likelihood, the likeliest candidate completion being a row's answer, or by its text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.errors import FrontuneError
from methods.frozen import FrozenBase
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


def evaluate_likelihood(base: FrozenBase, slot: Slot, rows: Sequence[Row], pad_id: int) -> Evaluation:
    """Return the accuracy over all rows, by group, and the loss on the right completion's tokens."""
    if not rows:
        raise FrontuneError("nothing to score: the evaluation split has no rows")
    likelihoods = [torch.empty(0)] * len(rows)
    with torch.inference_mode():
        for numbers in _by_length(rows, slot.method.virtual_tokens, base.device.type):
            found = _likelihoods(base, slot, [rows[number] for number in numbers], pad_id)
            for number, values_C in zip(numbers, found, strict=True):
                likelihoods[number] = values_C
    if unknown := sum(bool(v_C.isnan().any()) for v_C in likelihoods):
        raise Diverged(f"diverged: the likelihoods of {unknown} of {len(rows)} scored rows are not numbers")
    hits = [int(v_C.argmax()) == row.answer for v_C, row in zip(likelihoods, rows, strict=True)]
    by_group: dict[str, list[bool]] = defaultdict(list)
    for row, hit in zip(rows, hits, strict=True):
        by_group[row.group].append(hit)
    loss = -sum(float(v_C[row.answer]) for v_C, row in zip(likelihoods, rows, strict=True))
    metrics = {"accuracy": _mean(hits), "loss": loss / sum(len(row.candidates[row.answer]) for row in rows)}
    metrics |= {f"accuracy/{group}": _mean(values) for group, values in sorted(by_group.items()) if group}
    tokens = sum(row.tokens for row in rows)
    return Evaluation(metrics["accuracy"], metrics, tokens, outcomes=tuple(map(float, hits)))


def evaluate_text(
    base: FrozenBase, slot: Slot, rows: Sequence[Row], pad_id: int, eos_id: int, decoding: Decoding
) -> Evaluation:
    """Return the loss on the completions' tokens, and what the slot generates for each row."""
    if not rows:
        raise FrontuneError("nothing to score: the evaluation split has no rows")
    as_candidates = [replace(row, candidates=(row.completion,), answer=0) for row in rows]
    loss = evaluate_likelihood(base, slot, as_candidates, pad_id).metrics["loss"]
    (generated,) = generate(base, [(slot, rows)], decoding, pad_id, eos_id)
    tokens = sum(len(row.prompt) + len(text) for row, text in zip(rows, generated, strict=True))
    return Evaluation(None, {"loss": loss}, tokens, generated=tuple(generated))


def _likelihoods(base: FrozenBase, slot: Slot, rows: list[Row], pad_id: int) -> list[Tensor]:
    """For each row the log-likelihood of each of its candidates, summed over the candidate's tokens."""
    single = all(len(candidate) == 1 for row in rows for candidate in row.candidates)
    # Candidates of one token share a pass: all are read off the same position.
    passed = rows if single else [replace(row, completion=c) for row in rows for c in row.candidates]
    batch = collate(passed, slot.method.virtual_tokens, pad_id).to(base.device)
    placed = slot.place(0, batch)
    hidden_ND = label_states(base, [batch], [placed])
    logprobs_NV = F.log_softmax(base.logits(hidden_ND, exact=True), dim=-1)
    if single:
        first_B = (batch.row_N.diff(prepend=batch.row_N.new_tensor([-1])) > 0).nonzero().squeeze(1)
        return [
            logprobs_NV[position, [candidate[0] for candidate in row.candidates]].cpu()
            for position, row in zip(first_B.tolist(), rows, strict=True)
        ]
    token_N = logprobs_NV.gather(1, batch.targets_N.unsqueeze(1)).squeeze(1)
    sums_B = torch.zeros(len(passed), dtype=token_N.dtype, device=token_N.device)
    sums = iter(sums_B.index_add(0, batch.row_N, token_N).cpu())
    return [torch.stack([next(sums) for _ in row.candidates]) for row in rows]


def _by_length(rows: Sequence[Row], virtual_tokens: tuple[int, int], device: str) -> list[list[int]]:
    """Row numbers in batches of about EVAL_POSITIONS, rows of like length together."""
    positions = EVAL_POSITIONS.get(device, EVAL_POSITIONS["cuda"])
    batches: list[list[int]] = []
    room = 0
    cost = [_positions(row, sum(virtual_tokens)) for row in rows]
    for number in sorted(range(len(rows)), key=cost.__getitem__, reverse=True):
        if room <= 0:
            batches.append([])
            room = max(1, positions // cost[number])
        batches[-1].append(number)
        room -= 1
    return batches


def _positions(row: Row, virtual: int) -> int:
    """What a row takes in a pass: candidates of several tokens are passed one by one."""
    longest = max(len(completion) for completion in (row.completion, *row.candidates))
    passes = 1 if longest == 1 else len(row.candidates)
    return max(1, passes) * (len(row.prompt) + longest + virtual)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
