"""What is spent beside training: bookkeeping, start-up, and the memory of further slots.

``python -m tests.benchmarks.overheads``: start-up is of processes of `frontune run`, from their start to the
first finished training step; bookkeeping is the wall time of a driven sweep on `tiny`, in a workspace with
ledger, studies and MLflow, that no step and no scoring accounts for, a trial; memory is what tensors hold
after a step, activations freed, beside the base.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import load_base
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.benchmarks.driver_load import run
from tests.benchmarks.real_rows import mnli_rows
from tests.benchmarks.turns import HEADINGS, rounds, row

LONG_TRIAL_S = 10
STUBBED = 60


def main() -> None:
    """A line for each."""
    print(HEADINGS)
    startup, processor = zip(*[first_step_s() for _ in range(rounds(5))], strict=True)
    row("`frontune run` on tiny: from the process's start to the first step, s", startup, target="under 6")
    row("the same in processor time, s", processor)
    wall, busy = zip(*[bookkeeping_s() for _ in range(rounds(5))], strict=True)
    shares = [100 * each / LONG_TRIAL_S for each in wall]
    row(f"bookkeeping of a trial of {LONG_TRIAL_S} s, share of its time", shares, "%", "under 1%")
    row("bookkeeping of a trial, ms of processor time", [1000 * each for each in busy], digits=1)
    one, eight = (held_after_step("tiny", n) for n in (1, 8))
    row("tiny: bytes held after a step, 8 slots over 1, base included", [eight / one], target="under 1.5")
    one, eight = (held_after_step("smollm2-135m", n) for n in (1, 8))
    row("smollm2-135m: the same", [eight / one], target="under 1.5")


def first_step_s() -> tuple[float, float]:
    """Run the command in a process whose first finished step ends it and tells the time; wall and processor
    seconds."""
    content = {
        "name": "start",
        "base": "tiny",
        "task": {"name": "demo", "train_examples": 100, "eval_examples": 20},
        "points": ["lora(r_q=4, r_v=4)"],
        "recipe": {"steps": 5, "batch_size": 8},
        "trials": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "start.yaml"
        file.write_text(json.dumps(content | {"workspace": str(Path(folder) / "runs")}))
        began = time.time()
        command = [sys.executable, "-c", STOP_AFTER_A_STEP, "run", str(file)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"}
        )
    ended, busy = done.stdout.split()[-2:]
    return float(ended) - began, float(busy)


STOP_AFTER_A_STEP = """
import os, sys, time
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "sweeps.training.train":
            sys.meta_path.remove(self)
            from sweeps.training.pack import Pack
            step = Pack.step
            def stop(pack):
                step(pack)
                print(time.time(), time.process_time(), flush=True)
                os._exit(0)
            Pack.step = stop
sys.meta_path.insert(0, Finder())
from sweeps.cli import main
main()
"""


def bookkeeping_s() -> tuple[float, float]:
    """Wall and processor seconds of a trial's bookkeeping, the mean of many whose training is a stub."""
    with tempfile.TemporaryDirectory() as folder:
        costs = run(STUBBED, 4, "random", Path(folder))
    wall, busy = (sum(each) / len(costs) for each in zip(*costs, strict=True))
    return wall, busy


def held_after_step(name: str, n_slots: int) -> int:
    """Bytes of all tensors that are alive after two steps of a pack, the base's included."""
    from transformers import AutoTokenizer

    from methods.loading import base_folder

    base: FrozenBase = load_base(name)
    rows = [r for r in mnli_rows(AutoTokenizer.from_pretrained(base_folder(name)), 200) if r.tokens <= 64]
    recipe = Recipe(steps=2, batch_size=8)
    slots = [Slot(base, parse_method("lora(r_q=4, r_v=4)"), recipe, rows) for _ in range(n_slots)]
    pack = Pack(base, slots, 0)
    for _ in range(1 if name != "tiny" else 2):
        pack.step()
    gc.collect()
    tensors = {each.data_ptr(): each.nbytes for each in gc.get_objects() if isinstance(each, torch.Tensor)}
    states = [s for slot in pack.slots for own in slot.optimiser.state.values() for s in own.values()]
    return sum((tensors | {s.data_ptr(): s.nbytes for s in states}).values())


if __name__ == "__main__":
    main()
