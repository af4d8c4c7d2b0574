"""Work for several trials at once; where it fails each half is tried by itself, down to who is at fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch

from sweeps.training.memory import is_out_of_memory, release_memory
from sweeps.training.trial_failure import check_device, failed
from sweeps.training.trial_run import TrialRun
from sweeps.trial import Failed, FailureKind

R = TypeVar("R")


def in_halves(
    runs: Sequence[TrialRun],
    work: Callable[[Sequence[TrialRun]], Mapping[int, R | Failed]],
    device: torch.device,
    no_memory: FailureKind = "too_large",
    too_many: Callable[[Sequence[TrialRun]], None] = lambda runs: None,
) -> dict[int, R | Failed]:
    """Return what the work gave for each trial, by number, or how the trial failed.

    `too_many` is told of several that memory did not suffice for, `no_memory` is what a failure is called
    where it did not for one. Raises DeviceLost where an error is the device's.
    """
    try:
        return dict(work(runs))
    except Exception as error:
        check_device(error)
        if len(runs) == 1:
            return {runs[0].spec.number: failed(runs[0].spec.number, error, no_memory)}
        if is_out_of_memory(error):
            too_many(runs)
    # Not before: the error holds the tensors of the pass that failed.
    release_memory(device)
    half, rest = len(runs) // 2, (work, device, no_memory, too_many)
    return in_halves(runs[:half], *rest) | in_halves(runs[half:], *rest)
