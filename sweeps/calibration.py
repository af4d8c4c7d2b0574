"""How fast a method trains and is scored here: one real step and one real batch to score, timed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from methods.base import Method
from methods.frozen import FrozenBase
from sweeps.data import TaskData
from sweeps.training.batches import Row, cut_to
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import batch_positions, evaluate_likelihood, evaluate_text
from sweeps.training.generate import generate, texts_at_once
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot

CPU_WORK = 10e9
"""Parameters times tokens of a timed pass on a CPU: about half a second. Small bases take a full batch."""
DECODED = 4
"""Tokens that texts get after their first to time decoding."""
NO_END = -1
"""No token's number: a text is taken to be as long as it may get."""


@dataclass(frozen=True)
class Pace:
    """Seconds: once a trial, once a step (the optimiser's), for each real token, and to score once."""

    opening_seconds: float
    update_seconds: float
    token_seconds: float
    scoring_seconds: float

    def seconds(self, steps: float, tokens: float, scorings: int) -> float:
        """What a trial of so many steps and tokens takes."""
        trained = steps * self.update_seconds + tokens * self.token_seconds
        return self.opening_seconds + trained + scorings * self.scoring_seconds


class TimedSlot(Slot):
    """A slot that knows how long its optimiser took."""

    update_seconds = 0.0

    def apply_gradients(self) -> None:
        """Step as ever, and look at the clock."""
        began = time.perf_counter()
        super().apply_gradients()
        self.update_seconds = time.perf_counter() - began


def calibrate(base: FrozenBase, data: TaskData, method: Method, recipe: Recipe) -> Pace:
    """Time a method on real rows; the base is left as it was found. Raises what training may raise."""
    began = time.perf_counter()
    room = base.shape.max_positions - sum(method.virtual_tokens)
    limit = max(1, int(CPU_WORK / base.shape.total_params)) if base.device.type == "cpu" else 10**9
    rows = _some(cut_to(data.train, room)[0], limit, recipe.batch_size)
    slot = TimedSlot(base, method, replace(recipe, steps=1, batch_size=len(rows)), rows)
    try:
        opened = time.perf_counter()
        failed = Pack(base, [slot], data.pad_id).step()
        for error in failed.values():
            raise error
        passed = time.perf_counter() - opened - slot.update_seconds
        scoring = _scoring_seconds(base, data, slot, room, limit)
        tokens = sum(row.tokens for row in rows)
        return Pace(opened - began, slot.update_seconds, passed / tokens, scoring)
    finally:
        slot.close()


def _scoring_seconds(base: FrozenBase, data: TaskData, slot: Slot, room: int, limit: int) -> float:
    """One batch, taken for its share of the real tokens; of texts it gives the first token, and decoding
    the others comes on top."""
    decoding = data.decoding
    every, _ = cut_to(data.validation, room, decoding.max_new_tokens if decoding else 0)
    rows = _some(every, min(limit, batch_positions(base.device.type, base.dtype)), len(every))
    began = time.perf_counter()
    if decoding is None:
        evaluate_likelihood(base, slot, rows, data.pad_id)
    else:
        evaluate_text(base, slot, rows, data.pad_id, NO_END, replace(decoding, max_new_tokens=1))
    passed = (time.perf_counter() - began) * sum(r.tokens for r in every) / sum(r.tokens for r in rows)
    return passed if decoding is None else passed + _decoding_seconds(base, slot, every, decoding, limit)


def _decoding_seconds(
    base: FrozenBase, slot: Slot, rows: Sequence[Row], decoding: Decoding, limit: int
) -> float:
    """The tokens after a text's first, each a pass of one position: a few of them for as many texts as are
    generated at once, with as much of their prompts, which were timed before, as passes quickly."""
    length = sum(len(row.prompt) for row in rows) // len(rows) + decoding.max_new_tokens
    positions = (length + sum(slot.method.virtual_tokens)) * decoding.beams
    at_once = min(len(rows), texts_at_once(positions, base.device.type))
    some = rows[: max(1, min(at_once, limit // decoding.beams))]
    kept = max(1, limit // (len(some) * decoding.beams))
    asked = [(slot, [replace(row, prompt=row.prompt[-kept:]) for row in some])]

    def seconds(new_tokens: int) -> float:
        began = time.perf_counter()
        generate(base, asked, replace(decoding, max_new_tokens=new_tokens), 0, NO_END)
        return time.perf_counter() - began

    a_token = max(0.0, seconds(1 + DECODED) - seconds(1)) / DECODED
    a_batch = a_token * (decoding.max_new_tokens - 1) * at_once / len(some)
    return a_batch * math.ceil(len(rows) / at_once)


def _some(rows: Sequence[Row], tokens: int, at_most: int) -> list[Row]:
    """An even choice of the rows by length, of about so many tokens."""
    mean = sum(row.tokens for row in rows) / len(rows)
    n = max(1, min(at_most, len(rows), int(tokens / mean)))
    by_length = sorted(rows, key=lambda row: row.tokens)
    return [by_length[(2 * i + 1) * len(rows) // (2 * n)] for i in range(n)]
