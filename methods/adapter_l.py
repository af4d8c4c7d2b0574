"""Adapter^L (Lin et al. 2020): one bottleneck in each layer after the MLP, over a new LayerNorm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from methods.adapter_h import bottleneck_label, check_bottleneck
from methods.base import Edit, Method, Rows, Shape, Site, Start
from methods.dropout import drop
from methods.registry import register


class NormedBottleneck(Edit):
    """y + up(relu(down(LayerNorm(y)))): d -> r -> d with biases, near the identity at the start."""

    def __init__(self, start: Start, r: int, dropout: float) -> None:
        super().__init__()
        d = start.shape.d_model
        self.norm_weight = start.ones(d)
        self.norm_bias = start.zeros(d)
        self.down = start.normal(r, d, std=0.01)
        self.down_bias = start.zeros(r)
        self.up = start.normal(d, r, std=0.01)
        self.up_bias = start.zeros(d)
        self.dropout = dropout

    def forward(self, x_BTI: Tensor, y_BTO: Tensor, rows: Rows) -> Tensor:
        to = y_BTO.dtype
        normed = F.layer_norm(y_BTO, y_BTO.shape[-1:], self.norm_weight.to(to), self.norm_bias.to(to))
        hidden = F.relu(F.linear(normed, self.down.to(to), self.down_bias.to(to)))
        hidden = drop(hidden, self.dropout, rows)
        return y_BTO + F.linear(hidden, self.up.to(to), self.up_bias.to(to))


@register
@dataclass(frozen=True)
class AdapterL(Method):
    """A bottleneck of width r on the output of every layer."""

    name: ClassVar[str] = "adapter_l"
    title: ClassVar[str] = "Adapter^L"
    short: ClassVar[str] = "AL"

    r: int
    dropout: float = 0.0

    def __post_init__(self) -> None:
        self.require("r", 1)
        self.require("dropout", 0, 0.99)

    def check(self, shape: Shape) -> None:
        check_bottleneck(self.name, self.r, shape)

    def edits(self, start: Start) -> dict[Site, Edit]:
        return {
            site: NormedBottleneck(start, self.r, self.dropout) for site in start.shape.layer_sites("block")
        }

    def count(self, shape: Shape) -> int:
        d = shape.d_model
        return shape.n_layers * (2 * d * self.r + self.r + d + 2 * d)

    def label(self) -> str:
        return bottleneck_label(self.r, self.dropout)
