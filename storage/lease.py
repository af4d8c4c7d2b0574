"""One driver a sweep: a lease in the ledger, renewed while it runs and taken over once it is stale."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from methods.errors import FrontuneError
from storage.ledger import Ledger, LedgerError
from storage.models import LeaseRow

RENEWED_EVERY_S = 10
UNSURE_AFTER_S = 20
"""So long after its last renewal a lease may be another's; a renewal may take its time."""
STALE_AFTER_S = 60


class SweepTaken(LedgerError):
    """Another process drives this sweep."""


@dataclass
class Lease:
    """The right to drive a sweep; `check` says whether it is still held."""

    ledger: Ledger
    sweep: str
    holder: tuple[str, str]
    renewed_at: datetime
    taken_by: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise SweepTaken if another process has taken the sweep over since, as it may from a machine that
        slept; the ledger is asked where the last renewal is long ago."""
        # By the time of day: other clocks stand still while a machine is suspended.
        if not self.taken_by and abs((datetime.now(UTC) - self.renewed_at).total_seconds()) > UNSURE_AFTER_S:
            self.renew()
        if self.taken_by:
            raise SweepTaken(self._taken)

    def renew(self) -> None:
        """Give a sign of life, or learn who has taken the sweep over."""
        with self.ledger.session(write=True) as session, suppress(SweepTaken):
            row = self._own_row(session)
            row.renewed_at = now = datetime.now(UTC)
        if not self.taken_by:
            self.renewed_at = now

    def guard(self, session: Session) -> None:
        """Raise SweepTaken in a transaction, which nobody can come before, if the sweep was taken over."""
        self._own_row(session, read=True)

    def _own_row(self, session: Session, *, read: bool = False) -> LeaseRow:
        row = session.get(LeaseRow, self.sweep, with_for_update={"read": read})
        if row is None or (row.host, row.process) != self.holder:
            gone = "a driver that is gone by now"
            self.taken_by = gone if row is None else _described(row, datetime.now(UTC))
            raise SweepTaken(self._taken)
        return row

    @property
    def _taken(self) -> str:
        return f"sweep {self.sweep!r} has been taken over by {self.taken_by}"


@contextmanager
def leased(ledger: Ledger, sweep: str) -> Iterator[Lease]:
    """Hold the sweep's lease; raises SweepTaken, saying who holds it and since when, if another does."""
    lease = Lease(ledger, sweep, (socket.gethostname(), _holder(os.getpid())), datetime.now(UTC))
    _take(lease)
    renewing = threading.Thread(target=_keep, args=(lease,), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        lease.ended.set()
        renewing.join(RENEWED_EVERY_S)
        # A ledger that is away keeps the lease: it goes stale by itself.
        with suppress(LedgerError):
            _give_back(lease)


def holder(ledger: Ledger, sweep: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str | None:
    """Who drives the sweep at present, in words; None where nobody does, a stale lease aside."""
    with ledger.session() as session:
        row = session.get(LeaseRow, sweep)
        return None if row is None or _is_stale(row, now()) else _described(row, now())


def holders(ledger: Ledger, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dict[str, str]:
    """Who drives which sweep at present, in words, stale leases aside."""
    with ledger.session() as session:
        rows = [row for row in session.scalars(select(LeaseRow)) if not _is_stale(row, now())]
        return {row.sweep: _described(row, now()) for row in rows}


def drop_stale_lease(ledger: Ledger, sweep: str, *, only_look: bool = False) -> str:
    """Remove the lease of a driver that is gone; return who it was, in words, nothing where there is none."""
    now = datetime.now(UTC)
    with ledger.session(write=not only_look) as session:
        row = session.get(LeaseRow, sweep, with_for_update=not only_look)
        if row is None or not _is_stale(row, now):
            return ""
        if not only_look:
            session.delete(row)
        return _described(row, now)


def _take(lease: Lease) -> None:
    now = lease.renewed_at
    host, process = lease.holder
    with lease.ledger.session(write=True) as session:
        if session.get_bind().dialect.name == "postgresql":
            # SQLite's write lock keeps others out; here a row that does not exist yet cannot be locked.
            session.execute(text(f"LOCK TABLE {LeaseRow.__tablename__} IN EXCLUSIVE MODE"))
        row = session.get(LeaseRow, lease.sweep, with_for_update=True)
        if row is not None and not _is_stale(row, now):
            raise SweepTaken(f"sweep {lease.sweep!r} is being run already, by {_described(row, now)}")
        if row is not None:
            session.delete(row)
            session.flush()
        session.add(LeaseRow(sweep=lease.sweep, host=host, process=process, since=now, renewed_at=now))


def _keep(lease: Lease) -> None:
    while not lease.taken_by and not lease.ended.wait(RENEWED_EVERY_S):
        # Away for a while; if for long, another driver may take over, which the next renewal sees.
        with suppress(FrontuneError):
            lease.renew()


def _give_back(lease: Lease) -> None:
    with lease.ledger.session(write=True) as session:
        row = session.get(LeaseRow, lease.sweep)
        if row is not None and (row.host, row.process) == lease.holder:
            session.delete(row)


def _is_stale(row: LeaseRow, now: datetime) -> bool:
    """Not renewed for long, or held by a process that would be seen from here, and is gone."""
    identity, _, place = row.process.rpartition("@")
    if place and place == _place() and _identity(int(identity.partition("@")[0])) != identity:
        return True
    return (now - row.renewed_at).total_seconds() > STALE_AFTER_S


def _described(row: LeaseRow, now: datetime) -> str:
    seconds = max(0, round((now - row.renewed_at).total_seconds()))
    return (
        f"process {row.process.partition('@')[0]} on {row.host} since {row.since:%Y-%m-%d %H:%M:%S} UTC "
        f"(last sign of life {seconds} s ago)"
    )


def _holder(process: int) -> str:
    """A process of this place: what `_identity` says of it, and where that holds."""
    return f"{_identity(process)}@{_place()}"


def _place() -> str:
    """This boot of this machine, and which processes are seen here, as ``BOOT/NAMESPACE``; empty where the
    system does not tell. A host's name is no place: containers often share one."""
    try:
        # random(4), pid_namespaces(7).
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _identity(process: int) -> str:
    """A process's number with its time of birth, so that another one of the same number is told apart;
    ``NUMBER@gone`` where there is none, ``NUMBER@`` where the system does not tell."""
    try:
        # proc(5): field 22, after the name, which may hold anything but is closed by the last bracket.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        # A zombie has ended, though its parent has not looked yet.
        return f"{process}@{'gone' if fields[0] == 'Z' else fields[19]}"
    except (OSError, IndexError):
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return f"{process}@gone"
    except OSError:
        pass
    return f"{process}@"
