"""What a trial kept, put on its base again: ``with load_adapter(base, path) as adapted``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from methods.base import Edit, Method, Rows, Site
from methods.editing import Placed
from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.injected import edit_parameters, fill_parameters
from methods.start import BaseStart

TENSORS, ABOUT = "frontune.safetensors", "frontune.json"
"""The files of an exported trial."""


@dataclass(frozen=True)
class Kept:
    """The tensors of a trial by name; `about` says of which method, base and seed."""

    method: Method
    tensors: Mapping[str, Tensor]
    about: Mapping[str, str]


@dataclass(frozen=True)
class Adapted:
    """A base with a trial's edits; inside `load_adapter` its own weights are the trial's, too."""

    base: FrozenBase
    method: Method
    edits: Mapping[Site, Edit]

    @torch.no_grad()
    def logits(self, tokens_BT: Tensor, attention_BT: Tensor | None = None) -> Tensor:
        """Return the logits (B, T + l_i, vocabulary) of prompts padded on either side; the last column of a
        row that is padded on the left, or not at all, predicts its first new token."""
        l_p, l_i = self.method.virtual_tokens
        tokens_BT = tokens_BT.to(self.base.device)
        n, length = tokens_BT.shape
        real_BT = torch.ones_like(tokens_BT) if attention_BT is None else attention_BT.to(tokens_BT)
        # Which word holds the place of a virtual token makes no difference: the edit writes over it.
        before, after = tokens_BT.new_zeros(n, l_p), tokens_BT.new_zeros(n, l_i)
        laid_out = torch.cat([before, tokens_BT, after], dim=1)
        seen = torch.cat([before + 1, real_BT, after + 1], dim=1)
        columns = [*range(l_p), *range(l_p + length, l_p + length + l_i)]
        virtual_BV = torch.tensor(columns, device=tokens_BT.device).expand(n, -1) if columns else None
        with self.base.edited([Placed(self.edits, 0, n, Rows(virtual_BV))]):
            hidden_BTD = self.base.hidden(laid_out, seen)[:, l_p:]
        logits_NV = self.base.logits(hidden_BTD.reshape(-1, hidden_BTD.shape[-1]).contiguous())
        return logits_NV.view(n, length + l_i, -1)


def read_kept(path: str | Path) -> Kept:
    """Read an exported folder, or a file of a workspace's `adapters`; raises FrontuneError otherwise."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    file = path / TENSORS if path.is_dir() else path
    try:
        with safe_open(file, framework="pt") as opened:
            about = dict(opened.metadata() or {})
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if path.is_dir():
            about |= json.loads((path / ABOUT).read_text(encoding="utf-8"))
    except (OSError, SafetensorError, ValueError) as error:
        raise FrontuneError(f"cannot read what a trial kept from {file}: {error}") from error
    if "method" not in about:
        raise FrontuneError(f"{file} does not say which method its tensors are of")
    return Kept(parse_method(about["method"]), tensors, about)


@contextmanager
def load_adapter(base: FrozenBase, path: str | Path) -> Iterator[Adapted]:
    """Put what a trial kept on the base it was trained on; afterwards the base is as it was.

    Raises FrontuneError where the base has other content, or the tensors do not fit it.
    """
    kept = read_kept(path)
    wanted = kept.about.get("base_fingerprint", base.fingerprint)
    if wanted != base.fingerprint:
        raise FrontuneError(
            f"the adapter {path} was trained on {kept.about.get('base')!r} with fingerprint {wanted}; "
            f"got a base {base.name!r} with {base.fingerprint}"
        )
    with adapted(base, kept) as found:
        yield found


@contextmanager
def adapted(base: FrozenBase, kept: Kept) -> Iterator[Adapted]:
    """Put it on any base of the same shape."""
    kept.method.check(base.shape)
    edits = kept.method.edits(BaseStart(base, torch.Generator()))
    parameters = edit_parameters(edits)
    weights = kept.method.base_weights(base.shape)
    masters = base.unfreeze(weights) if weights else None
    try:
        if masters:
            parameters |= {f"base/{name}": parameter for name, parameter in masters.parameters.items()}
        fill_parameters(parameters, kept.tensors, kept.method.name)
        if masters:
            masters.publish()
        yield Adapted(base, kept.method, edits)
    finally:
        if masters:
            masters.restore()
