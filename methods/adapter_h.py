"""Adapter^H (Houlsby et al. 2019): two bottlenecks in each layer, inside the residual branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from methods.base import Edit, InvalidConfig, Method, Rows, Shape, Site, Start
from methods.dropout import drop
from methods.registry import register


class Bottleneck(Edit):
    """y + up(gelu(down(y))): d -> r -> d with biases, near the identity at the start."""

    def __init__(self, start: Start, r: int, dropout: float) -> None:
        super().__init__()
        d = start.shape.d_model
        self.down = start.normal(r, d, std=0.01)
        self.down_bias = start.zeros(r)
        self.up = start.normal(d, r, std=0.01)
        self.up_bias = start.zeros(d)
        self.dropout = dropout

    def forward(self, x_BTI: Tensor, y_BTO: Tensor, rows: Rows) -> Tensor:
        to = y_BTO.dtype
        hidden = F.gelu(F.linear(y_BTO, self.down.to(to), self.down_bias.to(to)))
        hidden = drop(hidden, self.dropout, rows)
        return y_BTO + F.linear(hidden, self.up.to(to), self.up_bias.to(to))


@register
@dataclass(frozen=True)
class AdapterH(Method):
    """A bottleneck of width r after attention and one after the MLP, before the residual sums."""

    name: ClassVar[str] = "adapter_h"
    title: ClassVar[str] = "Adapter^H"
    short: ClassVar[str] = "AH"

    r: int
    dropout: float = 0.0

    def __post_init__(self) -> None:
        self.require("r", 1)
        self.require("dropout", 0, 0.99)

    def check(self, shape: Shape) -> None:
        check_bottleneck(self.name, self.r, shape)

    def edits(self, start: Start) -> dict[Site, Edit]:
        sites = start.shape.layer_sites("attention") + start.shape.layer_sites("mlp")
        return {site: Bottleneck(start, self.r, self.dropout) for site in sites}

    def count(self, shape: Shape) -> int:
        d = shape.d_model
        return shape.n_layers * 2 * (2 * d * self.r + self.r + d)

    def label(self) -> str:
        return bottleneck_label(self.r, self.dropout)


def bottleneck_label(r: int, dropout: float) -> str:
    """As in Table 15: ``r = 8``; dropout only where there is some."""
    return f"r = {r}" + (f", dropout = {dropout:g}" if dropout else "")


def check_bottleneck(name: str, r: int, shape: Shape) -> None:
    """Raise InvalidConfig where the inner width is wider than the model."""
    if r > shape.d_model:
        raise InvalidConfig(f"{name}: r = {r} is wider than the base's d_model = {shape.d_model}")
