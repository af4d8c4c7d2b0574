"""The base's own weights while a method trains them: copied before, float32 masters, restored bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


class MasterWeights:
    """Masters in `dtype` of some of the base's weights.

    A weight that has this dtype already is its own master. For any other (bf16 weights do not move at
    small learning rates) gradients are summed in the master and the stepped master is rounded back.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], dtype: torch.dtype) -> None:
        self._weights = dict(weights)
        self._before = {name: weight.detach().clone() for name, weight in weights.items()}
        self.parameters: dict[str, nn.Parameter] = {
            name: weight if weight.dtype == dtype else nn.Parameter(weight.detach().to(dtype))
            for name, weight in weights.items()
        }
        for weight in self._weights.values():
            weight.requires_grad_(True)

    def gather_gradients(self) -> None:
        """Add the weights' gradients to their masters'; call it after every backward pass."""
        for name, weight in self._weights.items():
            master = self.parameters[name]
            if master is weight or weight.grad is None:
                continue
            gradient = weight.grad.to(master.dtype)
            master.grad = gradient if master.grad is None else master.grad.add_(gradient)
            weight.grad = None

    def forget_gradients(self) -> None:
        """Drop the gradients of the weights and of their masters."""
        for parameter in (*self._weights.values(), *self.parameters.values()):
            parameter.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Round the masters into the base; call it after every optimiser step."""
        for name, weight in self._weights.items():
            if self.parameters[name] is not weight:
                weight.copy_(self.parameters[name])

    @torch.no_grad()
    def restore(self) -> None:
        """Put every weight back to what it was, bit for bit, and freeze it again."""
        for name, weight in self._weights.items():
            weight.requires_grad_(False)
            weight.grad = None
            weight.copy_(self._before[name])
