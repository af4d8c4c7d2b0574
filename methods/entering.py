"""What enters a layer of a frozen base, kept and put in again, so that the layers below it need not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    last = entering.layer - 1
    below = {
        number: _Skipped(layers[number], entering.stream_BTD if number == last else None)
        for number in range(entering.layer)
    }
    with _replaced(layers, below):
        yield


@contextmanager
def watched(layers: nn.ModuleList, layer: int) -> Iterator[list[Tensor]]:
    """Within it what enters the layer is noted, pass by pass; neither it nor those above run."""
    seen: list[Tensor] = []

    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(args[0] if args else kwargs["hidden_states"])

    above = {number: _Skipped(layers[number], None) for number in range(layer, len(layers))}
    above[layer].register_forward_pre_hook(note, with_kwargs=True)
    with _replaced(layers, above):
        yield seen


@contextmanager
def _replaced(layers: nn.ModuleList, others: Mapping[int, nn.Module]) -> Iterator[None]:
    """Within it others stand in some layers' places."""
    own = {number: layers[number] for number in others}
    try:
        for number, other in others.items():
            layers[number] = other
        yield
    finally:
        for number, layer in own.items():
            layers[number] = layer
