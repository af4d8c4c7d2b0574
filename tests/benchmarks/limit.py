"""How near a training step comes to what the machine can multiply, and where the rest goes.

``python -m tests.benchmarks.limit [BASE ...] [DTYPE ...]``: LoRA r = 4 on q and v, 8 rows of 64 tokens, one
label each, no padding. The model's work is 2 FLOP for each weight and token forward and 2 backward (none
for gradients of weights), the vocabulary at label positions alone; the lowest layer's q, k and v have
nothing below them to train and count forward only. The limit is the best of some square matrix products of
the same dtype, measured in turn with the steps. ``gpt2-medium`` has its published shape and random weights.
"""

from __future__ import annotations

import random
import sys

import torch
from torch.profiler import ProfilerActivity, profile

from methods.catalog import NAMED_SHAPES
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import DTYPES, default_device, load_base
from sweeps.training.batches import Row
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.benchmarks.turns import HEADINGS, in_turn, over, rounds, row, seconds

METHOD, BATCH, LENGTH = "lora(r_q=4, r_v=4)", 8, 64
SIZES = (512, 1024, 1536, 2048)
TARGETS = {
    "smollm2-135m": {"float32": "75%", "bfloat16": "45%"},
    "gpt2-medium": {"float32": "75%", "bfloat16": "50%"},
}
KINDS = {
    "matrix products": (
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "aten::baddbmm",
        "aten::mkldnn",
        "aten::linear",
    ),
    "attention": ("scaled_dot_product", "aten::_softmax", "aten::triu", "aten::tril"),
    "norms": ("norm", "aten::pow", "aten::rsqrt", "aten::mean"),
    "activation functions": ("silu", "gelu", "tanh", "sigmoid"),
    "copies": ("aten::copy_", "aten::cat", "aten::index", "aten::embedding", "aten::clone", "aten::fill_"),
    "sums and products by element": (
        "aten::mul",
        "aten::add",
        "aten::sub",
        "aten::div",
        "aten::neg",
        "aten::sum",
    ),
    "optimiser": ("adam", "Adam", "Optimizer"),
}
"""An operator belongs to the first kind one of whose words is in its name; else to `other operators`."""


def main(names: list[str], dtypes: list[str]) -> None:
    """Lines of the table for each base and dtype, then a profile of each."""
    print(HEADINGS)
    profiles = {(name, dtype): measure(name, dtype) for name in names for dtype in dtypes}
    for (name, dtype), parts in profiles.items():
        print(f"\nWhere a step of {name} in {dtype} goes (torch.profiler, percent of its wall time):\n")
        print("| " + " | ".join(parts) + " |\n|" + "---:|" * len(parts))
        print("| " + " | ".join(f"{share:.1f}" for share in parts.values()) + " |", flush=True)


def measure(name: str, dtype: str) -> dict[str, float]:
    """Print the share of the limit, and return the profile of a step in percent."""
    base, n = base_of(name, dtype), rounds(5)
    draw = random.Random(0)
    words = range(3, base.shape.vocab_size)
    rows = [Row(tuple(draw.choices(words, k=LENGTH - 1)), (3,)) for _ in range(BATCH)]
    slot = Slot(base, parse_method(METHOD), Recipe(steps=10_000, batch_size=BATCH), rows)
    pack, n_steps = Pack(base, [slot], 0), 20 if name == "tiny" else 1
    pack.step()
    size = best_size(base)
    (limit_s, step_s) = in_turn(n, lambda: product(size, base), lambda: [pack.step() for _ in range(n_steps)])
    rates = [2 * size**3 / each for each in limit_s]
    reached = over([n_steps * flop(base) / each for each in step_s], rates)
    target = TARGETS.get(name, {}).get(dtype, "reported")
    row(f"{name}, {dtype}: share of the limit", [100 * r for r in reached], "%", target, 0)
    row(f"{name}, {dtype}: a step, ms", [1000 * s / n_steps for s in step_s], digits=1)
    row(f"{name}, {dtype}: the limit ({size} square), GFLOP/s", [r / 1e9 for r in rates], digits=0)
    return profiled(pack)


def base_of(name: str, dtype: str) -> FrozenBase:
    """A base by name; of a known shape without files, with random weights."""
    if name not in NAMED_SHAPES:
        return load_base(name, DTYPES[dtype], default_device())
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(NAMED_SHAPES[name](), dtype=DTYPES[dtype])
    return FrozenBase(model.to(default_device()), name)


def flop(base: FrozenBase) -> int:
    """The model's work in one step."""
    (body,) = [m for n, m in base.model.named_modules() if n == base.family.layers]
    layers: int = sum(p.numel() for p in body.parameters() if p.dim() == 2)
    unneeded = sum(base.shape.matrices[m][0] * base.shape.matrices[m][1] for m in ("q", "k", "v"))
    vocabulary = base.shape.vocab_size * base.shape.d_model
    return BATCH * (LENGTH * (4 * layers - 2 * unneeded) + 4 * vocabulary)


def best_size(base: FrozenBase) -> int:
    """The square product with the best rate of three tries each."""

    def rate(size: int) -> float:
        return max(2 * size**3 / seconds(lambda: product(size, base)) for _ in range(3))

    return max(SIZES, key=rate)


def product(size: int, base: FrozenBase) -> None:
    """One matrix product of the base's dtype on its device."""
    left, right = (torch.ones(size, size, dtype=base.dtype, device=base.device) for _ in range(2))
    left @ right
    if base.device.type == "cuda":
        torch.cuda.synchronize()


def profiled(pack: Pack, n_steps: int = 3) -> dict[str, float]:
    """Return the percentage of each kind of operator of the wall time; the rest is Python and waiting."""
    kinds = [ProfilerActivity.CPU, ProfilerActivity.CUDA][: 1 + torch.cuda.is_available()]
    with profile(activities=kinds) as found:
        wall_us = 1e6 * seconds(lambda: [pack.step() for _ in range(n_steps)])
    on_gpu = pack.base.device.type == "cuda"
    parts = dict.fromkeys([*KINDS, "other operators"], 0.0)
    for event in found.key_averages():
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if not event.key.startswith(("aten::", "Optimizer")):
            continue
        parts[kind_of(event.key)] += 100 * spent / wall_us
    return parts | {"Python, autograd, waiting": 100 - sum(parts.values())}


def kind_of(operator: str) -> str:
    """The kind of an operator by its name."""
    return next((k for k, words in KINDS.items() if any(w in operator for w in words)), "other operators")


if __name__ == "__main__":
    asked = sys.argv[1:]
    dtypes = [each for each in asked if each in DTYPES] or ["float32", "bfloat16"]
    main([each for each in asked if each not in DTYPES] or ["tiny", "smollm2-135m", "gpt2-medium"], dtypes)
