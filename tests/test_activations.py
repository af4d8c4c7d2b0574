"""GPT-2's activation in one kernel is the one that transformers spells out."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.activations import FastGELUActivation, NewGELUActivation

from methods.activations import fuse_gelu
from methods.loading import load_base


@pytest.mark.parametrize("spelled", [NewGELUActivation(), FastGELUActivation()])
def test_values_and_gradients_are_those_of_the_formula_in_float64(spelled: nn.Module) -> None:
    fused = nn.Sequential(spelled)
    fuse_gelu(fused)
    assert isinstance(fused[0], nn.GELU)
    x, again = (torch.linspace(-9, 9, 2001, dtype=torch.float64).requires_grad_() for _ in range(2))
    expected, found = spelled(x), fused(again)
    expected.sum().backward()
    found.sum().backward()
    assert x.grad is not None
    assert again.grad is not None
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again.grad, x.grad, rtol=1e-9, atol=1e-9)


def test_no_layer_of_a_base_spells_it_out() -> None:
    base = load_base("tiny")
    kinds = [type(module) for module in base.model.modules()]
    assert NewGELUActivation not in kinds
    assert kinds.count(nn.GELU) == base.shape.n_layers
