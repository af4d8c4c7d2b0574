"""How many bytes of tensors live while code runs on the `meta` device: what it would hold on a real one.

Tensors there have shapes and no values, so the code's own allocations, autograd's included, are followed
in a fraction of a second and in no memory. What kernels allocate inside themselves is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, `bytes` live of the tensors that were made in it; `peak` was the most.

    `before` are tensors that were there already: their memory, and views of it, are not counted.
    """

    def __init__(self, before: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self.peak = 0
        self._before = [tensor.untyped_storage() for tensor in before]
        self._sizes = {storage._cdata: 0 for storage in self._before}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            # "Are all tokens real?" is answered with no, as of any batch that is padded; a loss is 0.
            return 0.0 if args[0].is_floating_point() else 0
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._follow(leaf.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.bytes += storage.nbytes()
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.bytes -= self._sizes.pop(key)


class AttentionOf(TorchFunctionMode):
    """On the `meta` device torch takes attention apart into matrix products; a CPU and a GPU have kernels
    that keep no T x T matrix of each head, and what they keep is what counts."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return _attention(self._device, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attention(
    device: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The arguments after the device are those of torch's own function."""
    mask = _additive(attn_mask, q.dtype)
    out: Tensor
    if device == "cpu":
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out = kernel(q, k, v, dropout_p, is_causal, attn_mask=mask, scale=scale)[0]
        return out
    # The kernel that takes a mask; it keeps the logarithm of a sum for each row where gradients are wanted.
    if mask is not None:
        mask = mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    kernel = torch.ops.aten._scaled_dot_product_efficient_attention
    out = kernel(q, k, v, mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale)[0]
    return out


def _additive(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Both kernels turn a mask of truth values into one that is added."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype)
