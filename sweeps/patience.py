"""What must be written is written: a database that is locked, or a disk that is full, is waited for."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from storage.ledger import LedgerAway
from sweeps.interrupts import let_through

T = TypeVar("T")
LONGEST_WAIT_S = 30.0
_ENDS_AT: ContextVar[float] = ContextVar("ends_at", default=math.inf)


@contextmanager
def hurried(seconds: float) -> Iterator[None]:
    """Within it nothing is waited for once so many seconds have passed, attempts included; what is still
    away then is raised."""
    before = _ENDS_AT.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ENDS_AT.reset(before)


def patiently(
    action: Callable[[], T], say: Callable[[str], None], sleep: Callable[[float], None] | None = None
) -> T:
    """Do it, again and again while the database is away or the disk full; what else goes wrong is raised.

    It waits 1 s, then twice as long each time, and can be interrupted then, wherever it is called. Says once
    that it waits.
    """
    wait_s = 1.0
    while True:
        try:
            return action()
        except Exception as error:
            why, left_s = _away(error), _left_s()
            if why is None or left_s <= 0:
                raise
            if wait_s == 1.0:
                say(f"waiting: {why}")
            with let_through():
                (sleep or time.sleep)(min(wait_s, left_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _left_s() -> float:
    ends_at = _ENDS_AT.get()
    return ends_at - time.monotonic() if ends_at < math.inf else math.inf


def _away(error: Exception) -> str | None:
    """Why the database cannot be used now; None where the error is of another kind."""
    if isinstance(error, LedgerAway) or _is_full(error):
        return str(error)
    # Optuna wraps SQLAlchemy's errors once, with the original as the cause.
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import OperationalError

    if isinstance(error, OperationalError):
        return f"the studies cannot be used now: {error.orig}"
    if isinstance(error, StorageInternalError) and isinstance(error.__cause__, OperationalError):
        return f"the studies cannot be used now: {error.__cause__.orig}"
    return None


def _is_full(error: BaseException | None) -> bool:
    """Whether a full disk is what lies behind an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
