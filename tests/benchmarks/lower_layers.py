"""What keeping the streams of frozen lower layers saves FT^Top2: whole runs, with and without, in turn.

`python -m tests.benchmarks.lower_layers BASE [--epochs 3] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import load_base
from sweeps.training.batches import Row
from sweeps.training.lower import LowerLayers
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot

ROWS, BATCH, LONGEST = 40, 8, 64


def rows_for(base: FrozenBase) -> list[Row]:
    """Random rows of 24 to 64 tokens, the last one their completion."""
    draw = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(ROWS):
        length = int(torch.randint(24, LONGEST, (1,), generator=draw))
        tokens = torch.randint(3, base.shape.vocab_size, (length + 1,), generator=draw).tolist()
        rows.append(Row(tuple(tokens[:-1]), (tokens[-1],)))
    return rows


def seconds(base: FrozenBase, rows: list[Row], epochs: float, *, keep: bool) -> float:
    """Processor time of training FT^Top2 for some epochs, computing what is kept included."""
    slot = Slot(base, parse_method("ft_top2()"), Recipe(lr=1e-5, epochs=epochs, batch_size=BATCH), rows)
    began = time.process_time()
    if keep:
        slot.lower = LowerLayers(base, pad_id=0).of(slot)
    pack = Pack(base, [slot], pad_id=0)
    while not slot.finished:
        pack.step()
    took = time.process_time() - began
    slot.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    base = load_base(asked.base)
    rows = rows_for(base)
    ratios = []
    for _ in range(asked.rounds):
        whole = seconds(base, rows, asked.epochs, keep=False)
        ratios.append(whole / seconds(base, rows, asked.epochs, keep=True))
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"{asked.base}, {asked.epochs:g} epochs: {statistics.median(ratios):.2f} times faster ({shown})")


if __name__ == "__main__":
    main()
