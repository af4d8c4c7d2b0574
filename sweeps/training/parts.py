"""Batches that are run in smaller parts from where on memory did not suffice for a whole one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

from sweeps.training.memory import is_out_of_memory, release_memory

T = TypeVar("T")
R = TypeVar("R")


def in_parts(
    batches: Iterable[Sequence[T]], run: Callable[[Sequence[T]], R], device: torch.device
) -> Iterator[tuple[Sequence[T], R]]:
    """Run each batch, and yield its rows and what came of them, in their order.

    Where memory does not suffice each half is run by itself, and of the batches that follow parts as small;
    an error with a single row is raised.
    """
    parts = 1
    for batch in batches:
        first = 0
        while first < len(batch):
            here = batch[first : first + math.ceil(len(batch) / parts)]
            try:
                found = run(here)
            except Exception as error:
                if len(here) == 1 or not is_out_of_memory(error):
                    raise
                while math.ceil(len(batch) / parts) >= len(here):
                    parts *= 2
            else:
                first += len(here)
                yield here, found
                continue
            # Here, for the error holds what the failed run had made.
            release_memory(device)
