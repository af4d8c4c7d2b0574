"""A method injected into a base: its named trainable parameters, counted as they really are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods.base import Edit, Method, Site, Start
from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from methods.start import MetaStart


def edit_parameters(edits: Mapping[Site, Edit]) -> dict[str, nn.Parameter]:
    """Every trainable parameter of the edits as ``SITE/NAME``, such as ``3.q/A``."""
    return {
        f"{site}/{name}": parameter
        for site, edit in edits.items()
        for name, parameter in edit.named_parameters()
    }


@torch.no_grad()
def fill_parameters(
    parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor], whose: str
) -> None:
    """Put kept tensors into parameters of the same names; raises FrontuneError if names or shapes differ."""
    wanted = {name: tuple(p.shape) for name, p in parameters.items()}
    got = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted != got:
        odd = sorted(set(wanted.items()) ^ set(got.items()))[0]
        raise FrontuneError(f"kept weights do not fit {whose} on this base: {odd[0]} {odd[1]}")
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])


def count_elements(method: Method, base: FrozenBase, start: Start | None = None) -> int:
    """Inject the method and count the elements that would receive gradients."""
    edits = method.edits(start or MetaStart(base.shape))
    own = base.unfreeze(weights) if (weights := method.base_weights(base.shape)) else None
    parameters = list(edit_parameters(edits).values()) + (list(own.parameters.values()) if own else [])
    if own:
        own.restore()
    return sum(parameter.numel() for parameter in parameters)
