"""What a trial kept, as a checkpoint of Hugging Face PEFT: LoRA as `LORA`, PrefixEmbed as `PROMPT_TUNING`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from methods.base import Site
from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from methods.kept import Kept
from methods.lora import LoRA
from methods.lora_updates import LowRankUpdate, low_rank_updates
from methods.prefix_embed import PrefixEmbed
from methods.weights import fused, is_transposed, matrix_tap

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
"""The files of a PEFT checkpoint."""


class NoPeftForm(FrontuneError):
    """PEFT has nothing that computes the same."""


@dataclass(frozen=True)
class PeftCheckpoint:
    """The content of `adapter_config.json`, and the tensors."""

    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def peft_checkpoint(base: FrozenBase, kept: Kept) -> PeftCheckpoint:
    """Return the checkpoint; of the base only shapes are read, so it may be on the `meta` device.

    Raises NoPeftForm, in words, where PEFT has no such method.
    """
    method = kept.method
    if len(method.parts) > 1:
        raise NoPeftForm(f"a PEFT checkpoint holds one method; {method.name} is {len(method.parts)}")
    if isinstance(method, LoRA):
        return _lora(base, method, kept)
    if isinstance(method, PrefixEmbed):
        return _prompt_tuning(base, method, kept)
    if method.exclusive:
        raise NoPeftForm(f"what {method.name} trains are weights of the base itself, not an adapter")
    raise NoPeftForm(f"PEFT has no method that computes the same as {method.name}")


def _lora(base: FrozenBase, method: LoRA, kept: Kept) -> PeftCheckpoint:
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    transposed = False

    def place(update: LowRankUpdate) -> str:
        return matrix_tap(base, update.site.kind).module.format(layer=update.site.layer)

    updates = sorted(low_rank_updates(method, kept.tensors), key=place)
    for module, group in groupby(updates, key=place):
        found = _join(base, list(group))
        tensors[f"base_model.model.{module}.lora_A.weight"] = found.A.contiguous()
        tensors[f"base_model.model.{module}.lora_B.weight"] = found.B.contiguous()
        ending = matrix_tap(base, found.site.kind).module.partition("{layer}.")[2]
        ranks[ending], alphas[ending] = found.r, found.r * found.scale
        transposed |= is_transposed(base.model.get_submodule(module))
    config = {
        "peft_type": "LORA",
        "r": max(ranks.values()),
        "lora_alpha": max(alphas.values()),
        "lora_dropout": method.dropout,
        "target_modules": sorted(ranks),
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "fan_in_fan_out": transposed,
        "bias": "none",
    }
    return PeftCheckpoint(_shared(kept) | config, tensors)


def _join(base: FrozenBase, updates: Sequence[LowRankUpdate]) -> LowRankUpdate:
    """One update of a fused matrix from those of its parts: the A below one another, each B in its own rows
    and zero elsewhere, with its factor multiplied in. Exactly the same Delta W, with more numbers to keep."""
    first = updates[0]
    tap = matrix_tap(base, first.site.kind)
    if len(tap.sites) == 1:
        return first
    widths = {kind: base.shape.matrices[kind][1] for kind in tap.sites}
    a = torch.cat([update.A for update in updates])
    rows = [fused(tap, {update.site.kind: update.scale * update.B.T}, widths) for update in updates]
    return LowRankUpdate(Site(first.site.kind, first.site.layer), a, torch.cat(rows).T, 1.0)


def _prompt_tuning(base: FrozenBase, method: PrefixEmbed, kept: Kept) -> PeftCheckpoint:
    if method.l_i:
        raise NoPeftForm(
            f"PEFT's prompt tuning has virtual tokens before the prompt alone; got l_i = {method.l_i}"
        )
    model = base.model.config
    config = {
        "peft_type": "PROMPT_TUNING",
        "prompt_tuning_init": "RANDOM",
        "num_virtual_tokens": method.l_p,
        "token_dim": base.shape.d_model,
        "num_layers": base.shape.n_layers,
        "num_attention_heads": model.num_attention_heads,
        "num_transformer_submodules": 1,
    }
    return PeftCheckpoint(_shared(kept) | config, {"prompt_embeddings": kept.tensors["embed/rows"]})


def _shared(kept: Kept) -> dict[str, Any]:
    name = kept.about.get("base")
    return {"base_model_name_or_path": name, "task_type": "CAUSAL_LM", "inference_mode": True}
