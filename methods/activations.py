"""GPT-2's activation, the GELU by tanh, in one operator; transformers spells it out in eight
(docs/performance.md)."""

from __future__ import annotations

from torch import nn
from transformers.activations import FastGELUActivation, NewGELUActivation


def fuse_gelu(model: nn.Module) -> None:
    """Replace activations that spell it out by PyTorch's own: the same function, rounded once."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | FastGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))
