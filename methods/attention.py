"""Attention of a bf16 base on a CPU: for short rows two matrix products, for PyTorch's fused kernel is
several times slower there, backward above all (docs/performance.md)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SHORT = 192
"""Columns up to which products are used; from 256 on the fused kernel keeps up, and keeps no T x T matrix."""
NAME = "frontune_products"


def use_products(model: Any, device: str) -> None:
    """Have a transformers model, which runs on `device` or stands for one that does, attend by products where
    that is faster."""
    if device == "cpu" and model.dtype == torch.bfloat16 and model.config._attn_implementation == "sdpa":
        register()
        model.set_attn_implementation(NAME)


def register() -> None:
    """Make it known to transformers; once more does no harm."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Return what transformers' own `sdpa` does, (B, T, heads, head size), with scores rounded to bf16 and
    their softmax in float32, as in its `eager`. Queries are (B, heads, T, head size); keys may have fewer
    heads.
    """
    if key.shape[2] > SHORT or options.get("dropout") or options.get("position_bias") is not None:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return found
    rows, heads, n_queries, size = query.shape
    kept = key.shape[1]
    # Heads that share keys stand below each other, so that the keys need not be copied for each.
    below = (rows, kept, heads // kept * n_queries, size)
    scaling = options.get("scaling") or size**-0.5
    scores = torch.matmul((query * scaling).reshape(below), key.transpose(2, 3))
    scores = scores.view(rows, kept, heads // kept, n_queries, key.shape[2])
    hidden = _hidden(query, key, attention_mask)
    if hidden is not None:
        scores += hidden.unsqueeze(-3)
    shares = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    seen_BHTE = torch.matmul(shares.view(*below[:3], key.shape[2]), value)
    return seen_BHTE.view(rows, heads, n_queries, -1).transpose(1, 2).contiguous(), None


def _hidden(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor | None:
    """What is added to the scores, if anything; without a mask a row is causal, its last query seeing all."""
    n_queries, n_keys = query.shape[2], key.shape[2]
    if mask is None and n_queries == 1:
        return None
    if mask is None:
        mask = torch.ones(1, 1, n_queries, n_keys, dtype=torch.bool, device=query.device)
        mask = mask.tril(n_keys - n_queries)
    if mask.dtype != torch.bool:
        return mask
    least = torch.finfo(query.dtype).min
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, least)
