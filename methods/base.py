"""What a method is: a frozen dataclass of hyperparameters that gives edits at the sites of a frozen base."""

from __future__ import annotations

import dataclasses
import sys
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from methods.errors import FrontuneError

MATRICES = ("q", "k", "v", "o", "up", "down")
"""The weight matrices of a layer that a method may reach, in the order in which the paper names them."""


class InvalidConfig(FrontuneError):
    """A method's hyperparameters are wrong, or the base cannot hold them."""


@dataclass(frozen=True)
class Site:
    """A named place in the base: ``embed``, or in a layer ``q k v o up down attention mlp block``."""

    kind: str
    layer: int | None = None

    def __str__(self) -> str:
        return self.kind if self.layer is None else f"{self.layer}.{self.kind}"


@dataclass(frozen=True)
class Shape:
    """The dimensions of a base, known without its weights. `matrices` maps a site to (in, out)."""

    family: str
    n_layers: int
    d_model: int
    matrices: Mapping[str, tuple[int, int]]
    layer_params: tuple[int, ...]
    total_params: int
    max_positions: int
    vocab_size: int

    def layer_sites(self, kind: str) -> list[Site]:
        """The site of this kind in every layer, from the lowest."""
        return [Site(kind, layer) for layer in range(self.n_layers)]


@dataclass(frozen=True)
class Masks:
    """Where a slot's dropout masks come from: drawn for its whole step, (`rows`, `length`), and cut to a
    pass's own rows from `first` on. So neither micro-batches nor a neighbour's longer rows change them."""

    generator: torch.Generator
    rows: int
    length: int
    first: int = 0


@dataclass(frozen=True)
class Rows:
    """What an edit may know of its rows: B rows of T positions, V = l_p + l_i of them virtual.

    `virtual_BV` holds the columns of the virtual tokens; None on decode steps, where they are not there.
    `masks` is None while the slot is scored.
    """

    virtual_BV: Tensor | None = None
    masks: Masks | None = None


class Edit(nn.Module, ABC):
    """A small trainable module at a site: ``(x, y) -> y'``; y' has y's shape and dtype."""

    @abstractmethod
    def forward(self, x_BTI: Tensor, y_BTO: Tensor, rows: Rows) -> Tensor:
        """Return the site's new output from its input `x_BTI` and its output `y_BTO`."""

    @property
    def kin(self) -> Hashable | None:
        """Edits of one class and of equal kin may run `together`; None (the default) runs by itself."""
        return None

    @staticmethod
    def together(edits: Sequence[Any], x_BTI: Tensor, y_BTO: Tensor) -> Tensor:
        """Return what several edits of one kin make of a batch of which each has an equal share of the rows,
        one after the other."""
        raise NotImplementedError


class Start(Protocol):
    """Where trainable tensors come from: the slot's generator, and the base that they will adapt."""

    @property
    def shape(self) -> Shape: ...

    def zeros(self, *size: int) -> nn.Parameter: ...

    def ones(self, *size: int) -> nn.Parameter: ...

    def normal(self, *size: int, std: float) -> nn.Parameter: ...

    def uniform(self, *size: int, bound: float) -> nn.Parameter: ...

    def hidden_states(self, n: int) -> list[nn.Parameter]:
        """What the base makes of n words drawn from its vocabulary: the residual stream (n, d_model)
        after the embedding and after every layer, n_layers + 1 tensors."""
        ...


@dataclass(frozen=True)
class BaseWeights:
    """Which weights of the base itself a method trains: whole layers, and all that is in no layer."""

    layers: tuple[int, ...] = ()
    rest: bool = False

    def __bool__(self) -> bool:
        return bool(self.layers) or self.rest


@dataclass(frozen=True)
class Method(ABC):
    """A way to adapt a frozen base; its fields are its hyperparameters, checked when it is made.

    A subclass sets `name` (in sweep files), `title` and `short` (as the paper prints it, alone and in a
    sum), and gives `count` and what it trains: `edits`, `base_weights`, or both.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    short: ClassVar[str] = ""

    @abstractmethod
    def count(self, shape: Shape) -> int:
        """Trainable parameters on a base of this shape, in closed form."""

    def edits(self, start: Start) -> dict[Site, Edit]:
        """Fresh edits, keyed by the site that each changes."""
        return {}

    def base_weights(self, shape: Shape) -> BaseWeights:
        """The base's own weights that are trained; a method with any holds the base alone."""
        return BaseWeights()

    @property
    def virtual_tokens(self) -> tuple[int, int]:
        """(l_p, l_i): trainable positions before the prompt and between prompt and completion."""
        return 0, 0

    @property
    def exclusive(self) -> bool:
        """Whether it trains the base's own weights and so cannot share the base."""
        return type(self).base_weights is not Method.base_weights

    @property
    def parts(self) -> tuple[Method, ...]:
        """The methods of a sum; itself for any other."""
        return (self,)

    def check(self, shape: Shape) -> None:
        """Raise InvalidConfig where a base of this shape cannot hold the method."""
        room = shape.max_positions - sum(self.virtual_tokens)
        if room < 2:
            l_p, l_i = self.virtual_tokens
            raise InvalidConfig(
                f"{self.name}: l_p + l_i = {l_p + l_i} leaves no room for a prompt and its label; "
                f"the base has {shape.max_positions} positions"
            )

    def hyperparameters(self) -> dict[str, Any]:
        """Every field by name, defaults included; in a sum under ``part.field``."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def label(self) -> str:
        """The hyperparameters as the paper prints them, such as ``l_p = 32, l_i = 8``."""
        return ", ".join(f"{name} = {value}" for name, value in self.hyperparameters().items())

    def require(self, field: str, low: float, high: float | None = None) -> None:
        """Raise InvalidConfig unless the field lies in [low, high]."""
        value = getattr(self, field)
        # Written so that NaN and infinity fail.
        if not low <= value <= (sys.float_info.max if high is None else high):
            wanted = f"at least {low}" if high is None else f"from {low} to {high}"
            raise InvalidConfig(f"{self.name}: {field} must be {wanted}, got {value}")
