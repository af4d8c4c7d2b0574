"""What must be written is written: a database that is locked or full for a while is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from storage.ledger import LedgerAway

T = TypeVar("T")
LONGEST_WAIT_S = 30.0


def patiently(
    action: Callable[[], T], say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> T:
    """Do it, again and again while the database is away; what else goes wrong is raised.

    It waits 1 s, then twice as long each time, and can be interrupted. Says once that it waits.
    """
    wait_s = 1.0
    while True:
        try:
            return action()
        except Exception as error:
            why = _away(error)
            if why is None:
                raise
            if wait_s == 1.0:
                say(f"waiting: {why}")
            sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _away(error: Exception) -> str | None:
    """Why the database cannot be used now; None where the error is of another kind."""
    if isinstance(error, LedgerAway):
        return str(error)
    # Optuna wraps SQLAlchemy's errors once, with the original as the cause.
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import OperationalError

    if isinstance(error, OperationalError):
        return f"the studies cannot be used now: {error.orig}"
    if isinstance(error, StorageInternalError) and isinstance(error.__cause__, OperationalError):
        return f"the studies cannot be used now: {error.__cause__.orig}"
    return None
