"""A slot: one trial's place on a shared base, with its edits, its optimiser and its data stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from methods.base import Masks, Method, Rows
from methods.editing import Placed
from methods.errors import FrontuneError, unknown_name
from methods.frozen import FrozenBase
from methods.injected import edit_parameters, fill_parameters
from methods.start import BaseStart
from sweeps.training.batches import Batch, Row, plan_batches, steps_in
from sweeps.training.recipe import Recipe
from sweeps.training.schedule import learning_rate_factors
from sweeps.training.seeds import generator_for

if TYPE_CHECKING:
    from sweeps.training.lower import LowerStates


class Diverged(FrontuneError):
    """A slot's loss or gradient is no longer a number."""


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a slot: some rows of its step, and their dropout masks."""

    rows: list[Row]
    masks: Masks
    numbers: tuple[int, ...] = ()
    """Of the rows in the training split."""


class Slot:
    """Trains one method by one recipe on `rows`; `step` counts its finished optimiser steps."""

    def __init__(self, base: FrozenBase, method: Method, recipe: Recipe, rows: Sequence[Row]) -> None:
        method.check(base.shape)
        self.shape = base.shape
        self.lower: LowerStates | None = None
        self.method, self.recipe, self.rows = method, recipe, rows
        _check_parts(method, recipe)
        self.edits = method.edits(BaseStart(base, generator_for(recipe.seed, "start")))
        self.parameters: dict[str, nn.Parameter] = edit_parameters(self.edits)
        self.total_steps = steps_in(len(rows), recipe.batch_size, recipe.epochs, recipe.steps)
        lengths = [row.tokens for row in rows]
        order = generator_for(recipe.seed, "order")
        self.plan = plan_batches(lengths, recipe.batch_size, self.total_steps, order)
        self._factors = learning_rate_factors(recipe, [sum(lengths[i] for i in b) for b in self.plan])
        self._dropout = generator_for(recipe.seed, "dropout", base.device)
        self._dropout_before = self._dropout.get_state()
        # Last, for nothing must fail between here and `close`, which restores the base.
        weights = method.base_weights(base.shape)
        self.masters = base.unfreeze(weights) if weights else None
        if self.masters:
            self.parameters |= {f"base/{name}": p for name, p in self.masters.parameters.items()}
        self.optimiser = torch.optim.AdamW(self._parameter_groups(), fused=True)
        self.step = 0
        self.loss = math.nan

    @property
    def trainable_params(self) -> int:
        """Elements that receive gradients."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    @property
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.step >= self.total_steps

    def micro_batches(self) -> Iterator[Pass]:
        """The coming step's rows, in passes of at most `micro_batch` rows.

        Every pass draws the same masks for the whole step and takes its own rows' share of them.
        """
        self._dropout_before = self._dropout.get_state()
        rows = [self.rows[number] for number in self.plan[self.step]]
        size = self.recipe.micro_batch or len(rows)
        length = max(row.tokens for row in rows) + sum(self.method.virtual_tokens)
        for first in range(0, len(rows), size):
            if first:
                self._dropout.set_state(self._dropout_before)
            masks = Masks(self._dropout, len(rows), length, first)
            yield Pass(rows[first : first + size], masks, self.plan[self.step][first : first + size])

    def place(self, first: int, batch: Batch, masks: Masks | None = None) -> Placed:
        """Give the slot its rows in a pack's batch, from row `first` on; without masks nothing is dropped."""
        return Placed(self.edits, first, first + len(batch.tokens_BT), Rows(batch.virtual_BV, masks))

    def apply_gradients(self) -> None:
        """Clip, step and forget the gradients; raises Diverged, nothing stepped, if one is not finite."""
        parameters = list(self.parameters.values())
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if not (math.isfinite(self.loss) and math.isfinite(norm.item())):
            raise Diverged(f"diverged at step {self.step + 1}: loss {self.loss}, gradient norm {norm.item()}")
        if self.recipe.grad_clip:
            nn.utils.clip_grads_with_norm_(parameters, self.recipe.grad_clip, norm)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak_lr"] * self._factors[self.step]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.masters:
            self.masters.publish()
        self.step += 1

    def rewind(self) -> None:
        """Forget a step that was begun but not applied."""
        self.optimiser.zero_grad(set_to_none=True)
        if self.masters:
            self.masters.forget_gradients()
        self._dropout.set_state(self._dropout_before)

    def close(self) -> None:
        """Leave the base as it was found."""
        if self.masters:
            self.masters.restore()

    def tensors(self) -> dict[str, Tensor]:
        """What was trained, by name, on the CPU: all that must be kept to use the result."""
        return {name: p.detach().cpu().contiguous() for name, p in self.parameters.items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` returned; raises FrontuneError if names or shapes differ."""
        fill_parameters(self.parameters, tensors, self.method.name)
        if self.masters:
            self.masters.publish()

    def state(self) -> dict[str, Tensor]:
        """All that the coming steps depend on besides `step`: weights, optimiser, dropout's generator."""
        state = {f"parameter/{name}": tensor for name, tensor in self.tensors().items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimiser.state[parameter].items():
                state[f"optimiser/{key}/{name}"] = value.detach().cpu()
        return state | {"dropout": self._dropout.get_state()}

    def load_state(self, state: Mapping[str, Tensor], step: int) -> None:
        """Go on after `step` steps, to the last digit as if never interrupted, from what `state` returned."""
        parameters = {key: value for key, value in state.items() if key.startswith("parameter/")}
        self.load_tensors({key.removeprefix("parameter/"): value for key, value in parameters.items()})
        for key, value in state.items():
            kind, _, rest = key.partition("/")
            if kind == "optimiser":
                what, _, name = rest.partition("/")
                self.optimiser.state[self.parameters[name]][what] = value.to(self.parameters[name].device)
        self._dropout.set_state(state["dropout"])
        self.step = step

    def _parameter_groups(self) -> list[dict[str, object]]:
        """A group for each part's learning rate; vectors (biases, norms) are not decayed."""
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.parameters.items():
            lr = self.recipe.part_lr.get(self._part_of(name), self.recipe.lr)
            decay = self.recipe.weight_decay if parameter.dim() > 1 else 0.0
            groups.setdefault((lr, decay), []).append(parameter)
        return [
            {"params": params, "lr": lr, "peak_lr": lr, "weight_decay": decay}
            for (lr, decay), params in groups.items()
        ]

    def _part_of(self, name: str) -> str:
        where, _, inner = name.partition("/")
        if where == "base":
            return next(part.name for part in self.method.parts if part.exclusive)
        if len(self.method.parts) == 1:
            return self.method.name
        return inner.partition(".")[0]


def _check_parts(method: Method, recipe: Recipe) -> None:
    """A learning rate for a part that is not there would change nothing and say nothing."""
    names = [part.name for part in method.parts]
    for part in recipe.part_lr:
        if part not in names:
            raise FrontuneError(unknown_name(f"part of {method.name} with a learning rate", part, names))
