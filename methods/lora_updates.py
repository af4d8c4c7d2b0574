"""What LoRA trained, taken out of the tensors that a trial kept: A and B of each adapted matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from methods.base import MATRICES, Method, Site
from methods.errors import FrontuneError
from methods.lora import LoRA


@dataclass(frozen=True)
class LowRankUpdate:
    """Delta W = scale B A of one matrix: A is (r, in), B is (out, r)."""

    site: Site
    A: Tensor
    B: Tensor
    scale: float

    @property
    def r(self) -> int:
        """The rank that it was given."""
        return len(self.A)

    def delta(self) -> Tensor:
        """Return Delta W, (out, in)."""
        return self.scale * (self.B @ self.A)


def low_rank_updates(method: Method, tensors: Mapping[str, Tensor]) -> list[LowRankUpdate]:
    """Return the updates from the lowest layer on; raises FrontuneError where the method has none."""
    lora = next((part for part in method.parts if isinstance(part, LoRA)), None)
    if lora is None:
        raise FrontuneError(f"{method.name} has no low-rank matrices; wanted lora, alone or in a sum")
    own = "" if len(method.parts) == 1 else f"{lora.name}."
    updates = []
    for name, a in tensors.items():
        where, _, inner = name.partition("/")
        if inner == f"{own}A":
            layer, _, matrix = where.partition(".")
            b = tensors[f"{where}/{own}B"]
            updates.append(LowRankUpdate(Site(matrix, int(layer)), a, b, lora.scale(len(a))))
    return sorted(updates, key=lambda update: (update.site.layer, MATRICES.index(update.site.kind)))
