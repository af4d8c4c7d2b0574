"""A sweep's throughput on a GPU against the usual way, one trial after another on the same GPU.

``python -m tests.benchmarks.gpu_pack [--tiny]`` needs torch and transformers alone: GPT-2 Medium's shape with
random weights, bf16, 8 rows a step of MNLI-like lengths, LoRA r = 4 on q and v. The usual way is a plain
transformers model with PEFT's LoRA, or, where PEFT is absent, one written by hand on the fused matrix, its
rows shuffled and padded, the loss over its logits of all positions. ``--tiny`` is a small shape in float32 on
a CPU, to see that it runs.
"""

from __future__ import annotations

import copy
import random
import statistics
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.batches import Row, collate
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.benchmarks.turns import HEADINGS, in_turn, over, row

SLOTS, BATCH, STEPS, ROUNDS, RANK = (1, 4, 16, 32), 8, 10, 5, 4
LENGTHS = (12, 90)
"""MNLI's prompts lie between, three quarters of them below 50 tokens."""


def main(tiny: bool) -> None:
    """A line for each number of slots, then the share of the peak, the memory and a profile."""
    on_gpu = torch.cuda.is_available() and not tiny
    device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
    print(HEADINGS)
    if not tiny and not on_gpu:
        print("| GPU: not measured, this machine has none | - | at least 8 times at 16 slots | - |")
        return
    torch.manual_seed(0)
    size = (2, 64, 2, 1000) if tiny else (24, 1024, 16, 50257)
    config = GPT2Config(n_layer=size[0], n_embd=size[1], n_head=size[2], vocab_size=size[3])
    model = GPT2LMHeadModel(config).to(device, dtype)
    rows = mnli_like(config.vocab_size)
    usual, base = Usual(copy.deepcopy(model), rows), FrozenBase(model, "random")
    for n in SLOTS[:2] if tiny else SLOTS:
        measure(base, usual, rows, n)


def measure(base: FrozenBase, usual: Usual, rows: Sequence[Row], n: int) -> None:
    """Throughput of n slots against one usual trial, in turn."""
    recipe = Recipe(steps=100_000, batch_size=BATCH)
    held = allocated(base.device)
    method = parse_method(f"lora(r_q={RANK}, r_v={RANK})")
    pack = Pack(base, [Slot(base, method, recipe, rows) for _ in range(n)], 0)
    usual.step()
    forget_peak(base.device)
    pack.step()
    wait(base.device)
    memory = peaked(base.device) - held

    def packed() -> None:
        for slot in pack.slots:
            slot.step = 1
        for _ in range(STEPS):
            pack.step()
        wait(base.device)

    def alone() -> None:
        for _ in range(STEPS):
            usual.step()
        wait(base.device)

    packed_s, alone_s, limit_s = in_turn(ROUNDS, packed, alone, lambda: product(base))
    slot = pack.slots[0]
    tokens = sum(rows[i].tokens for batch in slot.plan[1 : STEPS + 1] for i in batch)
    real = [n * tokens / each for each in packed_s]
    # The usual way's batches are others, so that both are counted by their real tokens.
    theirs = [usual.tokens_per_step * STEPS / each for each in alone_s]
    what = f"{base.shape.n_layers} layers of {base.shape.d_model}, {base.dtype}, {n} slots"
    target = "at least 8" if n == 16 else "-"
    row(f"{what}: real tokens a second over the usual way's", over(real, theirs), " times", target)
    row(f"{what}: real tokens a second", real, digits=0)
    peak = [2 * PRODUCT**3 / each for each in limit_s]
    flop = 4 * sum(p.numel() for p in base.model.transformer.h.parameters() if p.dim() == 2)
    row(f"{what}: share of the best matrix product", over([100 * flop * r for r in real], peak), "%")
    if base.device.type == "cuda":
        row(f"{what}: peak memory a slot beside both models, MB", [memory / n / 1e6], digits=0)
    print_profile(pack)


class Usual:
    """One trial as it is usually trained: shuffled rows, padded to their longest, logits everywhere."""

    def __init__(self, model: Any, rows: Sequence[Row]) -> None:
        self.model = with_lora(model)
        self.device = next(model.parameters()).device
        draw = random.Random(0)
        order = draw.sample(range(len(rows)), len(rows))
        starts = range(0, len(rows) - BATCH + 1, BATCH)
        self.batches = [[rows[i] for i in order[first : first + BATCH]] for first in starts][:STEPS]
        self.tokens_per_step = statistics.fmean(sum(r.tokens for r in b) for b in self.batches)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser, self.trained, self.at = torch.optim.AdamW(trained, fused=True), trained, 0

    def step(self) -> None:
        """One optimiser step."""
        batch = collate(self.batches[self.at % len(self.batches)], (0, 0), 0).to(self.device)
        labels_BT = torch.full_like(batch.tokens_BT, -100)
        labels_BT[batch.row_N, batch.column_N + 1] = batch.targets_N
        loss = self.model(input_ids=batch.tokens_BT, attention_mask=batch.attention_BT, labels=labels_BT).loss
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.at += 1


class HandLoRA(nn.Module):
    """LoRA on a GPT-2's fused q, k and v, as one writes it by hand."""

    def __init__(self, inner: nn.Module, n_in: int, n_out: int) -> None:
        super().__init__()
        device = next(inner.parameters()).device
        self.inner = inner
        self.A = nn.Parameter(torch.randn(RANK, n_in, device=device) / n_in**0.5)
        self.B = nn.Parameter(torch.zeros(n_out, RANK, device=device))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.A.to(x.dtype), self.B.to(x.dtype)
        y: Tensor = self.inner(x) + x @ a.T @ b.T
        return y


def with_lora(model: Any) -> Any:
    """PEFT's where it is installed."""
    model.requires_grad_(False)
    if find_spec("peft"):
        from peft import LoraConfig, get_peft_model

        return get_peft_model(model, LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["c_attn"]))
    for layer in model.transformer.h:
        d = model.config.n_embd
        layer.attn.c_attn = HandLoRA(layer.attn.c_attn, d, 3 * d)
    return model


def mnli_like(vocabulary: int, n: int = 512) -> list[Row]:
    """Rows of random tokens with one label, most of them short."""
    draw = random.Random(0)
    short, long = LENGTHS
    lengths = [round(draw.triangular(short, long, 2 * short)) for _ in range(n)]
    return [Row(tuple(draw.choices(range(3, vocabulary), k=length)), (3,)) for length in lengths]


PRODUCT = 4096 if torch.cuda.is_available() else 1024


def product(base: FrozenBase) -> None:
    """A square matrix product of the base's dtype."""
    left = torch.ones(PRODUCT, PRODUCT, dtype=base.dtype, device=base.device)
    left @ left
    wait(base.device)


def wait(device: torch.device) -> None:
    """Until the GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def allocated(device: torch.device) -> int:
    """Bytes held on the GPU."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def peaked(device: torch.device) -> int:
    """The most bytes held on the GPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def forget_peak(device: torch.device) -> None:
    """Measure the peak from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def print_profile(pack: Pack) -> None:
    """Print the operators that take most of the time of some steps."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU, ProfilerActivity.CUDA][: 1 + (pack.base.device.type == "cuda")]
    with profile(activities=kinds) as found:
        pack.step()
        wait(pack.base.device)
    order = "self_device_time_total" if len(kinds) > 1 else "self_cpu_time_total"
    table = found.key_averages().table(sort_by=order, row_limit=12, max_name_column_width=60)
    print(table, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main("--tiny" in sys.argv[1:])
