"""What can be scored on a base: a slot, or what stands in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from methods.base import Edit, Method, Site
from methods.editing import Placed
from sweeps.training.batches import Batch


class Scorable(Protocol):
    """Its edits, how many virtual tokens they need, and where its rows are in a batch."""

    @property
    def method(self) -> Method: ...

    @property
    def edits(self) -> Mapping[Site, Edit]: ...

    def place(self, first: int, batch: Batch) -> Placed:
        """Give it its rows in a batch, from row `first` on."""
        ...
