"""Estimated against measured peak memory of trials, each in a process of its own.

``python -m tests.benchmarks.memory_estimate [BASE ...]`` prints a Markdown table. A base is a name or folder,
or ``gpt2-random``: 6 layers of width 512 with a vocabulary of 20,000. Measured is what a trial reports: on a
CPU the process's resident peak, so that what was resident before the base was loaded is added to the
estimate; on a GPU the allocator's peak.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from methods.expression import format_method, parse_method
from methods.frozen import FrozenBase
from methods.loading import default_device, load_base, meta_base
from sweeps.data import TaskData
from sweeps.training.batches import Row
from sweeps.training.memory import peak_memory_bytes, start_measuring
from sweeps.training.memory_estimate import estimate_memory
from sweeps.training.recipe import Recipe
from sweeps.trial import Finished, TrialSpec
from tests.alone import train_trial

METHODS = (
    "lora(r_q=8, r_v=8)",
    "adapter_h(r=16)",
    "adapter_l(r=16)",
    "prefix_layer(l_p=8)",
    "ft_top2",
    "fine_tune",
)
BATCHES = (4, 16)
RANDOM = "gpt2-random"
STEPS, ROWS, SCORED, LONGEST = 4, 64, 64, 100


def main(bases: list[str]) -> None:
    """A line for each base, method and batch size."""
    print("| base | method | batch | estimated MB | measured MB | ratio |\n|---|---|---:|---:|---:|---:|")
    for base in bases:
        for method in METHODS:
            for batch in BATCHES:
                command = [sys.executable, "-m", "tests.benchmarks.memory_estimate", "--one", base, method]
                done = subprocess.run([*command, str(batch)], capture_output=True, text=True, check=True)
                estimated, measured = json.loads(done.stdout.splitlines()[-1])
                ratio = estimated / measured
                cells = (base, method, batch, f"{estimated / 1e6:,.0f}", f"{measured / 1e6:,.0f}")
                print("|", " | ".join(map(str, cells)), f"| {ratio:.2f} |", flush=True)


def one(name: str, written: str, batch: int) -> None:
    """Estimate and train one trial; print both peaks in bytes."""
    method, recipe, device = parse_method(written), Recipe(steps=STEPS, batch_size=batch), default_device()
    kind = torch.device(device).type
    shapes = _random(meta=True) if name == RANDOM else meta_base(name)
    rows = _rows(shapes.shape.vocab_size)
    found = estimate_memory(shapes, method, recipe, rows, rows[:SCORED], kind)
    start_measuring(torch.device(device))
    before = peak_memory_bytes(torch.device(device)) if kind == "cpu" else 0
    base = _random(meta=False) if name == RANDOM else load_base(name, device=device)
    data = TaskData(tuple(rows), tuple(rows[:SCORED]), "accuracy", 0, "", "")
    with tempfile.TemporaryDirectory() as folder:
        kept, state = (str(Path(folder) / file) for file in ("kept.safetensors", "state.safetensors"))
        spec = TrialSpec("s", 0, format_method(method), recipe, kept, 0, "", (2,), checkpoint_file=state)
        *_, last = train_trial(base, data, spec)
    assert isinstance(last, Finished), last
    print(json.dumps([found.peak + before, last.result.peak_memory_bytes]))


def _random(meta: bool) -> FrozenBase:
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.device("meta" if meta else "cpu"):
        config = GPT2Config(n_layer=6, n_embd=512, n_head=8, n_positions=256, vocab_size=20_000)
        return FrozenBase(GPT2LMHeadModel(config).to(default_device() if not meta else "meta"), RANDOM)


def _rows(vocabulary: int) -> list[Row]:
    """Prompts of 20 to LONGEST tokens, with three answers of one token."""
    draw = random.Random(0)
    rows = []
    for _ in range(ROWS):
        prompt = tuple(draw.randrange(3, vocabulary) for _ in range(draw.randint(20, LONGEST)))
        rows.append(Row(prompt, (3,), ((3,), (4,), (5,)), 0))
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(sys.argv[1:] or ["tiny", RANDOM, "smollm2-135m"])
