"""What enters a layer of a frozen base, kept and put in again, so that the layers below it need not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Entering:
    """The residual stream (B, T, D) that enters layer `layer`, which is 1 or more."""

    layer: int
    stream_BTD: Tensor


class _Skipped(nn.Module):
    """Stands in for a layer that does not run; a body may ask it for its layer's attributes."""

    def __init__(self, layer: nn.Module, gives: Tensor | None) -> None:
        super().__init__()
        # Not as a submodule: its weights are the base's.
        object.__setattr__(self, "_layer", layer)
        self._gives = gives

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return hidden_states if self._gives is None else self._gives

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_layer"), name)


@contextmanager
def entered(layers: nn.ModuleList, entering: Entering | None) -> Iterator[None]:
    """Within it the layers below do not run, and their last one gives what is to enter."""
    if entering is None:
        yield
        return
    below = list(layers)[: entering.layer]
    try:
        for number, layer in enumerate(below):
            last = number == entering.layer - 1
            layers[number] = _Skipped(layer, entering.stream_BTD if last else None)
        yield
    finally:
        for number, layer in enumerate(below):
            layers[number] = layer


@contextmanager
def watched(layers: nn.ModuleList, layer: int) -> Iterator[list[Tensor]]:
    """Within it what enters the layer is noted, pass by pass."""
    seen: list[Tensor] = []

    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(args[0] if args else kwargs["hidden_states"])

    handle = layers[layer].register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()
