"""A base's weight matrices by site, whatever it fuses: W is (out, in) everywhere, as in the papers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from methods.arch.family import Tap
from methods.base import Site
from methods.frozen import FrozenBase


def matrix_tap(base: FrozenBase, matrix: str) -> Tap:
    """Return where a matrix such as ``q`` is, alone or in a fused one."""
    return next(tap for tap in base.family.taps(base.model.config) if matrix in tap.sites)


def matrix_weight(base: FrozenBase, site: Site) -> Tensor:
    """Return W (out, in) of one matrix, cut out where several are fused."""
    tap = matrix_tap(base, site.kind)
    module = base.model.get_submodule(tap.module.format(layer=site.layer))
    # A fused output's columns are its weight's: the weight is split like an output of `in` positions.
    parts = tap.split(_in_out(module).unsqueeze(0))
    return parts[tap.sites.index(site.kind)].squeeze(0).T


def fused(tap: Tap, parts_IO: Mapping[str, Tensor], widths: Mapping[str, int]) -> Tensor:
    """Return one matrix (in, all out) from those of some of a tap's sites, zero where a site has none."""
    some = next(iter(parts_IO.values()))
    every = [
        parts_IO[kind] if kind in parts_IO else some.new_zeros(len(some), widths[kind]) for kind in tap.sites
    ]
    return tap.join([part.unsqueeze(0).contiguous() for part in every]).squeeze(0)


@torch.no_grad()
def add_to_weights(base: FrozenBase, deltas: Mapping[Site, Tensor]) -> None:
    """Add each Delta W (out, in) to the base's weights: the base is another one afterwards."""
    widths = {kind: n_out for kind, (_, n_out) in base.shape.matrices.items()}
    for site, delta in deltas.items():
        tap = matrix_tap(base, site.kind)
        module = base.model.get_submodule(tap.module.format(layer=site.layer))
        weight_IO = _in_out(module)
        weight_IO += fused(tap, {site.kind: delta.T.to(weight_IO)}, widths)


def is_transposed(module: nn.Module) -> bool:
    """Whether a module keeps its weight as (in, out), as GPT-2's Conv1D does."""
    return isinstance(module, Conv1D)


def _in_out(module: nn.Module) -> Tensor:
    weight: Tensor = module.weight  # type: ignore[assignment]
    return weight if is_transposed(module) else weight.T
