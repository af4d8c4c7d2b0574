"""What an error says of the trial that it came from, and when it says more of the device."""

from __future__ import annotations

import traceback

import torch

from methods.errors import FrontuneError
from methods.registry import UnknownMethod
from storage.checkpoints import NoSpace, Unwritable
from sweeps.executors.base import DeviceLost
from sweeps.training.memory import is_out_of_memory
from sweeps.training.slot import Diverged
from sweeps.trial import Failed, FailureKind

NO_MEMORY = ("out_of_memory", "too_large")


def check_device(error: Exception) -> None:
    """Raise DeviceLost where this process can use its device no more.

    After an error in a kernel CUDA answers every later call of the process with that error (CUDA C++
    Programming Guide, "Error Checking"); for want of memory it does not.
    """
    if isinstance(error, DeviceLost):
        raise error
    lasting = isinstance(error, torch.AcceleratorError)
    lasting |= isinstance(error, RuntimeError) and "CUDA error" in str(error)
    if lasting and not is_out_of_memory(error):
        raise DeviceLost(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error


def failed(number: int, error: Exception, no_memory: FailureKind = "too_large") -> Failed:
    """How a trial ends with an error; `no_memory` is its kind where memory did not suffice.

    Raises DeviceLost where the error is the device's.
    """
    check_device(error)
    if isinstance(error, Diverged):
        return Failed(number, str(error), kind="diverged")
    if isinstance(error, NoSpace):
        return Failed(number, str(error), kind="no_space")
    if isinstance(error, Unwritable | UnknownMethod):
        # The driver knows the method: it is missing on this machine alone.
        return Failed(number, str(error))
    if isinstance(error, FrontuneError):
        return Failed(number, str(error), kind="refused")
    said = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        return Failed(number, said, kind=no_memory)
    return Failed(number, said, "".join(traceback.format_exception(error)))
