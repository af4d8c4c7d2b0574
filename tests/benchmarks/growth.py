"""How the cost of training grows: with slots, ranks, lengths, examples and trials; and how much is padding.

``python -m tests.benchmarks.growth [BASE]``: LoRA on q and v, 8 rows a step, float32, one thing changed at a
time and all of its values measured in turn. Where nothing else is said rows are real MNLI rows.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from transformers import AutoTokenizer

from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import base_folder, load_base
from sweeps.training.batches import Row, plan_batches
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.benchmarks.real_rows import mnli_rows
from tests.benchmarks.turns import HEADINGS, in_turn, rounds, row

BATCH, STEPS = 8, 4
SLOTS = (1, 2, 4, 8, 16)
RANKS = (1, 4, 16, 64)
LENGTHS = (16, 32, 64, 128)
EXAMPLES = (100, 1_000, 10_000)


def main(name: str) -> None:
    """A line for each value of each thing."""
    print(HEADINGS)
    tokenizer = AutoTokenizer.from_pretrained(base_folder(name))
    base, real = load_base(name), mnli_rows(tokenizer, max(EXAMPLES))
    room = min(128, base.shape.max_positions)
    short = [each for each in real if each.tokens <= room]
    padding(real)
    together = {n: stepper(base, short, n) for n in SLOTS}
    grow(f"{name}: a step of slots of one seed, {{}} slots, ms a slot", together, per_slot=True)
    apart = {n: stepper(base, short, n, seeds=n) for n in SLOTS}
    grow(f"{name}: a step of slots of a seed each, {{}} slots, ms a slot", apart, per_slot=True)
    grow(f"{name}: a step, r = {{}}, ms", {r: stepper(base, short, 1, rank=r) for r in RANKS})
    drawn = {n: same_length(base, n) for n in LENGTHS if n <= room}
    grow(
        f"{name}: a step of rows of {{}} tokens, ms", {n: stepper(base, rows, 1) for n, rows in drawn.items()}
    )
    grow(f"{name}: a slot made for {{}} examples, ms", {n: opener(base, real[:n]) for n in EXAMPLES}, times=1)


def stepper(
    base: FrozenBase, rows: Sequence[Row], n_slots: int, seeds: int = 1, rank: int = 4
) -> Callable[[], None]:
    """Return what trains a new pack for some steps, after one that is not measured.

    Slots of one seed have the same rows at a step, as the trials of a sweep that began together have; with
    seeds of their own they are padded to the longest of all of them.
    """
    method = parse_method(f"lora(r_q={rank}, r_v={rank})")
    recipes = [Recipe(steps=100_000, batch_size=BATCH, seed=n % seeds) for n in range(n_slots)]
    pack = Pack(base, [Slot(base, method, recipe, rows) for recipe in recipes], 0)
    pack.step()
    return partial(advance, pack)


def advance(pack: Pack) -> None:
    """Train some steps: always the same ones, so that rounds can be compared."""
    for slot in pack.slots:
        slot.step = 1
    for _ in range(STEPS):
        pack.step()


def opener(base: FrozenBase, rows: Sequence[Row]) -> Callable[[], object]:
    """Return what makes a slot of one epoch."""
    return partial(Slot, base, parse_method("lora(r_q=4, r_v=4)"), Recipe(batch_size=BATCH), rows)


def same_length(base: FrozenBase, length: int) -> list[Row]:
    """Rows of random tokens with one label."""
    draw, words = random.Random(0), range(3, base.shape.vocab_size)
    return [Row(tuple(draw.choices(words, k=length - 1)), (3,)) for _ in range(BATCH)]


def grow(
    what: str, ways: Mapping[int, Callable[[], object]], per_slot: bool = False, times: int = STEPS
) -> None:
    """Print milliseconds of one of `times` parts of each way, or of that of one of its slots."""
    for value, found in zip(ways, in_turn(rounds(5), *ways.values()), strict=True):
        parts = times * (value if per_slot else 1)
        row(what.format(f"{value:,}"), [1000 * spent / parts for spent in found], digits=1)


def padding(rows: Sequence[Row]) -> None:
    """Print positions over real tokens of an epoch: in buckets, and in the order of a shuffle."""
    lengths = [each.tokens for each in rows]
    steps = len(rows) // BATCH
    seeds = [torch.Generator().manual_seed(seed) for seed in range(5)]
    bucketed = [plan_batches(lengths, BATCH, steps, seed) for seed in seeds]
    orders = [torch.randperm(len(rows), generator=seed).tolist() for seed in seeds]
    plain = [[tuple(order[i : i + BATCH]) for i in range(0, steps * BATCH, BATCH)] for order in orders]
    what = f"positions over real tokens, {len(rows):,} real MNLI rows, batch {BATCH}"
    row(f"{what}, bucketed", [waste(lengths, plan) for plan in bucketed], target="under 1.1")
    row(f"{what}, shuffled", [waste(lengths, plan) for plan in plain], target="(1.6)")


def waste(lengths: Sequence[int], plan: Sequence[Sequence[int]]) -> float:
    """Positions of the padded batches over their real tokens."""
    positions = sum(len(batch) * max(lengths[i] for i in batch) for batch in plan)
    return positions / sum(lengths[i] for batch in plan for i in batch)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tiny")
