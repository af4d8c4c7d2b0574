"""The memory that a sweep's trials would take, estimated once for all that it is the same for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from methods.base import Method
from methods.errors import FrontuneError
from methods.expression import format_method
from methods.frozen import FrozenBase
from sweeps.data import TaskData
from sweeps.training.batches import cut_to
from sweeps.training.memory_estimate import MemoryEstimate, estimate_memory
from sweeps.training.recipe import Recipe


@dataclass(frozen=True)
class TrialMemory:
    """`base` is on the `meta` device, in the sweep's dtype; `device` is ``cpu`` or ``cuda``, the workers'."""

    base: FrozenBase
    data: TaskData
    device: str
    _known: dict[object, MemoryEstimate] = field(default_factory=dict)

    def of(self, method: Method, recipe: Recipe) -> MemoryEstimate:
        """The estimate of a trial that the base can hold, whatever its seed; raises FrontuneError where a
        method's edits cannot run without values."""
        key = (format_method(method), recipe.batch_size, recipe.micro_batch, recipe.steps, recipe.epochs)
        if key not in self._known:
            self._known[key] = self._estimate(method, replace(recipe, seed=0))
        return self._known[key]

    def check(self, method: Method, recipe: Recipe, limit: int) -> None:
        """Raise FrontuneError where a trial would take more than `limit` bytes."""
        peak = self.of(method, recipe).peak
        if peak > limit:
            raise FrontuneError(
                f"about {print_bytes(peak)} of memory are more than max_memory = {print_bytes(limit)}"
            )

    def _estimate(self, method: Method, recipe: Recipe) -> MemoryEstimate:
        data, room = self.data, self.base.shape.max_positions - sum(method.virtual_tokens)
        generated = data.decoding.max_new_tokens if data.decoding else 0
        train, _ = cut_to(data.train, room)
        scored, _ = cut_to(data.validation, room, generated)
        try:
            return estimate_memory(self.base, method, recipe, train, scored, self.device, data.decoding)
        except FrontuneError:
            raise
        except Exception as error:  # a plugin's own
            raise FrontuneError(f"{method.name}: its memory cannot be estimated: {error!r}") from error


def print_bytes(n: int) -> str:
    """Return bytes for people, to three digits: ``8.25 GB``, ``500 MB``."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        # What would print as 1,000 of a unit is 1 of the next.
        if n >= 0.9995 * size:
            return f"{n / size:.3g} {unit}" if n < 999.5 * size else f"{n / size:,.0f} {unit}"
    return f"{n} bytes"
