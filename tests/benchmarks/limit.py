"""How near a training step comes to what the machine can multiply, and where the rest goes.

``python -m tests.benchmarks.limit [BASE ...] [DTYPE ...]``: LoRA r = 4 on q and v, 8 rows of 64 tokens, one
label each, no padding. The model's work is 2 FLOP for each weight and token forward and 2 backward (none
for gradients of weights), the vocabulary at label positions alone; the lowest layer's q, k and v have
nothing below them to train and count forward only. The limit is the fastest square matrix product of the same
dtype in the whole run, of products that take turns with the steps, as long as a step each round.
``gpt2-medium`` has its published shape and random weights.
"""

from __future__ import annotations

import random
import sys

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from methods.catalog import NAMED_SHAPES
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import DTYPES, default_device, load_base
from sweeps.training.batches import Row
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.benchmarks.turns import HEADINGS, rounds, row, seconds

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
    size, step_s, rates = best_size(base), [], []
    for _ in range(n):
        step_s.append(seconds(lambda: [pack.step() for _ in range(n_steps)]) / n_steps)
        rates.append(best_rate(size, base, max(step_s[-1], 0.2)))
    limit = max(rates)
    reached = [flop(base) / each / limit for each in step_s]
    target = TARGETS.get(name, {}).get(dtype, "reported")
    row(f"{name}, {dtype}: share of the limit", [100 * r for r in reached], "%", target, 0)
    row(f"{name}, {dtype}: a step, ms", [1000 * s for s in step_s], digits=1)
    row(
        f"{name}, {dtype}: the best of each round ({size} square), GFLOP/s",
        [r / 1e9 for r in rates],
        digits=0,
    )
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
    """The square product with the best rate."""
    return max(SIZES, key=lambda size: best_rate(size, base, 0.2))


def best_rate(size: int, base: FrozenBase, for_s: float) -> float:
    """The FLOP/s of the fastest of the products of the base's dtype, on its device, that fit into so many
    seconds; of five at least."""
    left, right = (torch.ones(size, size, dtype=base.dtype, device=base.device) for _ in range(2))
    spent: list[float] = []
    while len(spent) < 5 or sum(spent) < for_s:
        spent.append(seconds(lambda: product(left, right)))
    return 2 * size**3 / min(spent)


def product(left: Tensor, right: Tensor) -> None:
    """One matrix product, waited for."""
    torch.matmul(left, right)
    if left.is_cuda:
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
