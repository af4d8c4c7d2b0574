"""Attention by products is the fused kernel's on every family: in training, scoring and generation."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from methods import attention
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import evaluate_likelihood, evaluate_text
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, random_base, random_rows


def attending(family: str, how: str) -> FrozenBase:
    base = random_base(family, torch.float32)
    # It is used over bf16, in which two ways that round differently could not be told from a wrong one.
    attention.register()
    base.model.set_attn_implementation(how)
    return base


def found_by(base: FrozenBase) -> tuple[Any, ...]:
    """A trained slot's losses, likelihoods and texts."""
    slot = Slot(
        base,
        parse_method("lora(r_q=2, r_v=2) + prefix_layer(l_p=2)"),
        Recipe(lr=1e-2, steps=3, batch_size=4),
        random_rows(12),
    )
    pack, losses = Pack(base, [slot], 0), []
    for _ in range(3):
        pack.step()
        losses.append(slot.loss)
    scored = evaluate_likelihood(base, slot, random_rows(9, seed=1), 0)
    text = evaluate_text(base, slot, random_rows(4, seed=2), 0, 1, Decoding(max_new_tokens=4))
    return losses, scored.metrics["loss"], text.generated


@pytest.mark.parametrize("family", CONFIGS)
def test_products_give_what_the_fused_kernel_gives(family: str) -> None:
    products, fused = (found_by(attending(family, how)) for how in (attention.NAME, "sdpa"))
    assert products[0] == pytest.approx(fused[0], abs=1e-5)
    assert products[1] == pytest.approx(fused[1], abs=1e-5)
    assert products[2] == fused[2]


def test_rows_without_padding_are_causal_without_a_mask() -> None:
    tokens_BT = torch.arange(3, 19).view(2, 8)
    found = [
        attending("llama", how).hidden(tokens_BT, torch.ones_like(tokens_BT))
        for how in (attention.NAME, "sdpa")
    ]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


def test_long_rows_go_to_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def fused(module: Any, query: torch.Tensor, *args: Any, **options: Any) -> Any:
        seen.append(query.shape[2])
        return query.transpose(1, 2), None

    monkeypatch.setattr(attention, "sdpa_attention_forward", fused)
    for n in (attention.SHORT, attention.SHORT + 1):
        x = torch.zeros(1, 1, n, 2)
        attention.attention(None, x, x, x, None)
    assert seen == [attention.SHORT + 1]


def test_it_is_used_over_bf16_on_a_cpu_alone() -> None:
    used = {
        dtype: random_base("llama", dtype).model.config._attn_implementation
        for dtype in (torch.bfloat16, torch.float32)
    }
    assert used == {torch.bfloat16: attention.NAME, torch.float32: "sdpa"}
