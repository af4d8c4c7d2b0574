"""The training loop alone against the usual one done well: model loaded, rows tokenised, grouped by length.

``python -m tests.benchmarks.well_done [BASE ...]``: 20 steps of 8 real MNLI rows, LoRA r = 4, `tiny` in
float32 and SmolLM2-135M in bfloat16. Theirs is transformers' Trainer on a PEFT model with
``train_sampling_strategy="group_by_length"`` and no reports; ours a Pack of one slot, and of four of one seed
for the time of a trial in company. Making the slot, as making the Trainer, is a part of the time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import base_folder, load_base
from sweeps.training.batches import Row
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.benchmarks.real_rows import mnli_rows
from tests.benchmarks.turns import HEADINGS, in_turn, over, rounds, row

STEPS, BATCH, ROWS, RANK, TOGETHER = 20, 8, 500, 4, 4
MODULES = {
    "tiny": {"o": "attn.c_proj", "up": "mlp.c_fc"},
    "smollm2-135m": {"q": "q_proj", "v": "v_proj"},
}
DTYPES = {"tiny": torch.float32, "smollm2-135m": torch.bfloat16}


def main(names: Sequence[str]) -> None:
    """Two ratios for each base."""
    print(HEADINGS)
    for name in names:
        compare(name)


def compare(name: str) -> None:
    """Run their loop and both of ours in turn."""
    folder = base_folder(name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    base, rows = load_base(name, DTYPES[name]), fitting(mnli_rows(tokenizer, ROWS), name)
    model = peft_model(name)
    method = "lora(" + ", ".join(f"r_{matrix}={RANK}" for matrix in MODULES[name]) + ")"
    theirs, alone, packed = in_turn(
        rounds(5),
        lambda: train_theirs(model, tokenizer, rows),
        lambda: train_ours(base, method, rows, 1),
        lambda: train_ours(base, method, rows, TOGETHER),
    )
    a_trial = [each / TOGETHER for each in packed]
    what = f"{name} in {str(base.dtype).removeprefix('torch.')}, {STEPS} steps of {BATCH} rows"
    row(f"{what}: Trainer grouped by length over one slot", over(theirs, alone), " times", "at least 1.5")
    row(f"{what}: the same over a trial in a pack of {TOGETHER}", over(theirs, a_trial), " times")
    row(f"{what}: Trainer, s", theirs)
    row(f"{what}: one slot, s", alone)


def fitting(rows: list[Row], name: str) -> list[Row]:
    """`tiny` has 128 positions, and its tokenizer makes a row long; rows that do not fit are left out."""
    return [each for each in rows if each.tokens <= (120 if name == "tiny" else 512)]


def peft_model(name: str) -> Any:
    """The base as PEFT's LoRA model."""
    from peft import LoraConfig, get_peft_model

    model = AutoModelForCausalLM.from_pretrained(base_folder(name), dtype=DTYPES[name])
    modules = list(MODULES[name].values())
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=modules, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def train_theirs(model: Any, tokenizer: Any, rows: Sequence[Row]) -> None:
    """The Trainer's loop."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    data = [as_example(each) for each in rows]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            use_cpu=not torch.cuda.is_available(),
            disable_tqdm=True,
        )
        collator = DataCollatorForSeq2Seq(tokenizer)
        Trainer(model=model, args=arguments, train_dataset=data, data_collator=collator).train()


def as_example(each: Row) -> dict[str, list[int]]:
    """A row as the Trainer takes it."""
    tokens = [*each.prompt, *each.completion]
    labels = [-100] * len(each.prompt) + [*each.completion]
    return {"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": labels}


def train_ours(base: FrozenBase, method: str, rows: Sequence[Row], n_slots: int) -> None:
    """A pack's loop; slots of one seed have one order, as the trials of a sweep have."""
    recipe = Recipe(steps=STEPS, batch_size=BATCH)
    pack = Pack(base, [Slot(base, parse_method(method), recipe, rows) for _ in range(n_slots)], 0)
    for _ in range(STEPS):
        pack.step()


if __name__ == "__main__":
    main(sys.argv[1:] or list(MODULES))
