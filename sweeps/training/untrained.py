"""The base as it is, scored where a slot would be: no edits, no virtual tokens, nothing trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from methods.base import Edit, Masks, Method, Rows, Shape, Site
from methods.editing import Placed
from methods.frozen import FrozenBase
from sweeps.training.batches import Batch
from sweeps.training.evaluate import Evaluation
from sweeps.training.selection import evaluate

if TYPE_CHECKING:
    from sweeps.data import TaskData


@dataclass(frozen=True)
class NoMethod(Method):
    """Trains nothing; it is not registered, for no sweep searches it."""

    name: ClassVar[str] = "untrained"
    title: ClassVar[str] = "untrained base"

    def count(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True, eq=False)
class Untouched:
    """What is scored in place of a slot."""

    method: Method = NoMethod()
    edits: Mapping[Site, Edit] = field(default_factory=dict)

    def place(self, first: int, batch: Batch, masks: Masks | None = None) -> Placed:
        """Give it its rows in a batch."""
        return Placed(self.edits, first, first + len(batch.tokens_BT), Rows(batch.virtual_BV, masks))


def evaluate_untrained(base: FrozenBase, data: TaskData) -> Evaluation:
    """Score the base on the rows that selection uses; nobody may be training its own weights."""
    return evaluate(base, data, Untouched())
