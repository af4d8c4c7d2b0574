"""LoRA (Hu et al. 2021, section 4.1): W x + (alpha / r) B A x, with a rank for each matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.base import MATRICES, Edit, InvalidConfig, Method, Rows, Shape, Site, Start
from methods.dropout import drop
from methods.registry import register

PADDED = 16
"""A rank that any lower one may be padded to: products so thin cost no more than their reading."""


class LowRank(Edit):
    """The update of one matrix: A is (r, in) and random, B is (out, r) and zero, so it starts as nothing."""

    def __init__(self, start: Start, size: tuple[int, int], r: int, scale: float, dropout: float) -> None:
        super().__init__()
        n_in, n_out = size
        # loralib and PEFT draw A by Kaiming's uniform rule with a = sqrt(5), which is this bound.
        self.A = start.uniform(r, n_in, bound=1 / math.sqrt(n_in))
        self.B = start.zeros(n_out, r)
        self.scale, self.dropout = scale, dropout

    def forward(self, x_BTI: Tensor, y_BTO: Tensor, rows: Rows) -> Tensor:
        x = drop(x_BTI, self.dropout, rows)
        a, b = self.A.to(x.dtype), self.B.to(x.dtype)
        return y_BTO + self.scale * F.linear(F.linear(x, a), b)

    @property
    def kin(self) -> int | None:
        """The rank that its kin are padded to: less than twice its own, or one that costs nothing."""
        return None if self.dropout else max(PADDED, 1 << (len(self.A) - 1).bit_length())

    @staticmethod
    def together(edits: Sequence[LowRank], x_BTI: Tensor, y_BTO: Tensor) -> Tensor:
        """Two batched products of A and B padded with zeros to the highest rank of them all."""
        r = max(len(edit.A) for edit in edits)
        a_SRI = torch.stack([F.pad(edit.A, (0, 0, 0, r - len(edit.A))) for edit in edits]).to(x_BTI.dtype)
        b_SOR = torch.stack([F.pad(edit.scale * edit.B, (0, r - len(edit.A))) for edit in edits])
        x_SNI = x_BTI.reshape(len(edits), -1, x_BTI.shape[-1])
        update_SNO = x_SNI @ a_SRI.mT @ b_SOR.to(x_BTI.dtype).mT
        return y_BTO + update_SNO.view(y_BTO.shape)


@register
@dataclass(frozen=True)
class LoRA(Method):
    """A rank for each matrix, 0 = leave alone. `alpha` 0 stands for alpha = r, a factor of 1."""

    name: ClassVar[str] = "lora"
    title: ClassVar[str] = "LoRA"

    r_q: int = 0
    r_k: int = 0
    r_v: int = 0
    r_o: int = 0
    r_up: int = 0
    r_down: int = 0
    alpha: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for matrix in MATRICES:
            self.require(f"r_{matrix}", 0)
        self.require("alpha", 0)
        self.require("dropout", 0, 0.99)
        if not self.ranks:
            raise InvalidConfig("lora: every rank is 0; set at least one of r_q, r_k, r_v, r_o, r_up, r_down")

    @property
    def ranks(self) -> dict[str, int]:
        """The matrices that are adapted and the rank of each."""
        every = {matrix: int(getattr(self, f"r_{matrix}")) for matrix in MATRICES}
        return {matrix: r for matrix, r in every.items() if r}

    def scale(self, r: int) -> float:
        """The factor of an update of rank r."""
        return self.alpha / r if self.alpha else 1.0

    def check(self, shape: Shape) -> None:
        for matrix, r in self.ranks.items():
            n_in, n_out = shape.matrices[matrix]
            if r > min(n_in, n_out):
                raise InvalidConfig(
                    f"lora: r_{matrix} = {r} is more than the matrix can hold; "
                    f"{matrix} is {n_in} x {n_out}, so at most {min(n_in, n_out)}"
                )

    def edits(self, start: Start) -> dict[Site, Edit]:
        return {
            site: LowRank(start, start.shape.matrices[matrix], r, self.scale(r), self.dropout)
            for matrix, r in self.ranks.items()
            for site in start.shape.layer_sites(matrix)
        }

    def count(self, shape: Shape) -> int:
        return shape.n_layers * sum(r * sum(shape.matrices[matrix]) for matrix, r in self.ranks.items())

    def label(self) -> str:
        """Matrices of one rank stand together, as in Table 15: ``r_q = r_v = 2``."""
        by_rank = sorted(self.ranks.items(), key=lambda item: item[1])
        groups = [
            " = ".join(f"r_{matrix}" for matrix, _ in group) + f" = {r}"
            for r, group in groupby(by_rank, key=lambda item: item[1])
        ]
        extra = [f"alpha = {self.alpha:g}"] if self.alpha else []
        extra += [f"dropout = {self.dropout:g}"] if self.dropout else []
        return ", ".join(groups + extra)
