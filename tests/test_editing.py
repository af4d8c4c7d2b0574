"""Slots of one method whose edits run in one: as slot by slot, and only where that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.expression import parse_method
from methods.lora import PADDED, LowRank
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, random_base, random_rows

LORAS = ("lora(r_q=1, r_v=3)", "lora(r_q=4, r_v=2, alpha=8)", "adapter_l(r=2)", "lora(r_q=2)", "lora(r_v=1)")


def gradients(family: str, methods: Sequence[str]) -> list[dict[str, Tensor]]:
    """Of each slot, after one pass that all of them share; they have equally many rows."""
    base = random_base(family)
    slots = [
        Slot(base, parse_method(method), Recipe(steps=2, batch_size=3, seed=n), random_rows(6, seed=n))
        for n, method in enumerate(methods)
    ]
    pack = Pack(base, slots, pad_id=0)
    # B is zero at first, and so would be the gradient of A.
    for slot in slots:
        for name, parameter in slot.parameters.items():
            generator = torch.Generator().manual_seed(len(name))
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.data.add_(0.1 * noise)
    pack._gradients(slots)
    return [{name: p.grad.clone() for name, p in s.parameters.items() if p.grad is not None} for s in slots]


def sizes_of_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many LoRAs run in one, each time that some do."""
    sizes: list[int] = []
    in_one = LowRank.together

    def counted(edits: Sequence[Any], *others: Any) -> Tensor:
        sizes.append(len(edits))
        return in_one(edits, *others)

    monkeypatch.setattr(LowRank, "together", staticmethod(counted))
    return sizes


@pytest.mark.parametrize("family", CONFIGS)
def test_loras_that_run_in_one_have_the_gradients_that_they_have_one_by_one(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sizes_of_runs(monkeypatch)
    together = gradients(family, LORAS)
    assert max(sizes) >= 3
    monkeypatch.setattr(LowRank, "kin", None)
    sizes.clear()
    apart = gradients(family, LORAS)
    assert not sizes
    for one, other in zip(together, apart, strict=True):
        assert one.keys() == other.keys()
        for name, gradient in other.items():
            torch.testing.assert_close(one[name], gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("methods", "in_one"),
    [
        (("lora(r_q=1)", f"lora(r_q={PADDED})"), {2}),
        ((f"lora(r_q={PADDED + 1})", "lora(r_q=1)", f"lora(r_q={PADDED + 8})", "lora(r_q=2)"), {2}),
        (("lora(r_q=1)", f"lora(r_q={PADDED + 1})"), set()),
        (("lora(r_q=1, dropout=0.1)", "lora(r_q=2, dropout=0.1)"), set()),
    ],
)
def test_like_ranks_run_in_one_but_with_dropout(
    methods: Sequence[str], in_one: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sizes_of_runs(monkeypatch)
    gradients("llama", methods)
    assert set(sizes) == in_one
