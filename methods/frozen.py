"""The frozen base: loaded once, never changed, and shared by the edits of any number of slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig

from methods.activations import fuse_gelu
from methods.arch import family_of, supported_family
from methods.arch.family import Tap
from methods.attention import use_products
from methods.base import BaseWeights, Shape, Site
from methods.branches import Branches
from methods.editing import Placed, edit_output
from methods.entering import Entering, entered, watched
from methods.masters import MasterWeights


class FrozenBase:
    """A causal language model without gradients; `name` and `fingerprint` say which.

    Raises FrontuneError for a family or a variant that is not supported.
    """

    def __init__(self, model: Any, name: str = "", fingerprint: str = "") -> None:
        self.family = supported_family(model.config, name)
        # Its own dropout off: a trial's numbers depend on its seed, not on its neighbours.
        self.model = model.eval().requires_grad_(False)
        # What a model ships here is its maker's taste in sampling; tasks say how they decode.
        self.model.generation_config = GenerationConfig()
        use_products(self.model, self.model.device.type)
        fuse_gelu(self.model)
        self.name, self.fingerprint = name, fingerprint
        self.shape = shape_of(model)
        self.dtype: torch.dtype = model.dtype
        self.device: torch.device = model.device
        self._layers: nn.ModuleList = model.get_submodule(self.family.layers)
        self._body = model.get_submodule(self.family.body)
        self._taps = self._resolve_taps()

    @property
    def train_dtype(self) -> torch.dtype:
        """What is trained is float32, also over a bf16 base; float64 over a float64 one."""
        return torch.promote_types(self.dtype, torch.float32)

    def hidden(
        self,
        tokens_BT: Tensor,
        attention_BT: Tensor,
        entering: Entering | None = None,
        branches: Branches | None = None,
    ) -> Tensor:
        """Return the last hidden states (B, T, D). Positions come from the mask, so padding has none.

        With what is `entering` a layer the layers below it do not run. Where a row has `branches`, they say
        what sees what, and where it stands.
        """
        positions_BT = (attention_BT.cumsum(-1) - 1).clamp(min=0)
        attention: Tensor | dict[str, Tensor] = attention_BT
        if branches is not None:
            positions_BT = branches.position_BT
            attention = branches.attention(self.model.config, self.dtype)
        with entered(self._layers, entering):
            output = self._body(
                input_ids=tokens_BT, attention_mask=attention, position_ids=positions_BT, use_cache=False
            )
        hidden_BTD: Tensor = output.last_hidden_state
        return hidden_BTD

    def entering(self, tokens_BT: Tensor, attention_BT: Tensor, layer: int) -> Tensor:
        """Return what enters a layer of the base without edits, (B, T, D); only the layers below it run."""
        with watched(self._layers, layer) as seen:
            self.hidden(tokens_BT, attention_BT)
        return seen[0]

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """Return the vocabulary's logits (N, vocabulary) of N rows in one contiguous matrix."""
        logits_NV: Tensor = self.model.get_output_embeddings()(hidden_ND)
        return logits_NV

    def exact_logits(self) -> Callable[[Tensor], Tensor]:
        """Return `logits` in `train_dtype`: bf16 has 8 bits, so that the likeliest answers often tie.

        What it returns holds the vocabulary's matrix in that dtype.
        """
        head, to = self.model.get_output_embeddings(), self.train_dtype
        weight, bias = head.weight.to(to), None if head.bias is None else head.bias.to(to)
        return lambda hidden_ND: F.linear(hidden_ND.to(to), weight, bias)

    @contextmanager
    def edited(self, placed: Sequence[Placed]) -> Iterator[None]:
        """Within it the base runs with these edits; the slots' ranges are in order and cover the batch."""
        handles = []
        try:
            for module, taps in self._taps.values():
                sites = [site for _, tap_sites in taps for site in tap_sites]
                if any(site in slot.edits for slot in placed for site in sites):
                    hook = partial(edit_output, taps, placed)
                    handles.append(module.register_forward_hook(hook, with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def unfreeze(self, weights: BaseWeights) -> MasterWeights:
        """Open some of the base's own weights for training; `restore` them before anyone else uses it."""
        return MasterWeights(self._select(weights), self.train_dtype)

    def residual_stream(self, tokens_BT: Tensor) -> list[Tensor]:
        """Return what the untouched base holds after the embedding and after every layer, (B, T, D) each."""
        seen: list[Tensor] = []
        modules = [self.model.get_submodule(self.family.embedding)]
        modules += self.model.get_submodule(self.family.layers)

        def keep(module: nn.Module, args: object, output: Any) -> None:
            seen.append(output[0] if isinstance(output, tuple) else output)

        handles = [module.register_forward_hook(keep) for module in modules]
        try:
            with torch.no_grad():
                self.hidden(tokens_BT, torch.ones_like(tokens_BT))
        finally:
            for handle in handles:
                handle.remove()
        return seen

    def _select(self, weights: BaseWeights) -> dict[str, nn.Parameter]:
        layers = {f"{self.family.layers}.{layer}." for layer in weights.layers}
        every_layer = f"{self.family.layers}."
        return {
            name: parameter
            for name, parameter in self.model.named_parameters()
            if any(name.startswith(layer) for layer in layers)
            or (weights.rest and not name.startswith(every_layer))
        }

    def _resolve_taps(self) -> dict[str, tuple[nn.Module, list[tuple[Tap, list[Site]]]]]:
        """Each hooked module by its path, with its taps in the order in which their sites are edited."""
        embed = Tap(self.family.embedding, ("embed",))
        found = {embed.module: (self.model.get_submodule(embed.module), [(embed, [Site("embed")])])}
        for layer in range(self.shape.n_layers):
            for tap in self.family.taps(self.model.config):
                path = tap.module.format(layer=layer)
                module = self.model.get_submodule(path)
                found.setdefault(path, (module, []))[1].append((tap, [Site(k, layer) for k in tap.sites]))
        return found


def shape_of(model: Any) -> Shape:
    """Read a model's dimensions; weights may be on the `meta` device."""
    config = model.config
    family = family_of(config.model_type)
    layers = model.get_submodule(family.layers)
    return Shape(
        family=family.name,
        n_layers=len(layers),
        d_model=config.hidden_size,
        matrices=family.matrices(config),
        layer_params=tuple(sum(p.numel() for p in layer.parameters()) for layer in layers),
        total_params=sum(p.numel() for p in model.parameters()),
        max_positions=family.max_positions(config),
        vocab_size=config.vocab_size,
    )
