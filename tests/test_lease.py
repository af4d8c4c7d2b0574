"""One driver a sweep: a second is refused with who drives it, and takes over what is stale."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import lease as lease_module
from storage.lease import STALE_AFTER_S, UNSURE_AFTER_S, SweepTaken, holder, leased
from storage.ledger import Ledger
from storage.models import LeaseRow

GONE = 2**22 + 1
"""More than Linux numbers processes with."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def held_elsewhere(
    ledger: Ledger, *, seconds_ago: float, host: str = "elsewhere", process: str = "7@1"
) -> None:
    then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    with ledger.session(write=True) as session:
        session.add(LeaseRow(sweep="s", host=host, process=process, since=then, renewed_at=then))


def test_a_second_driver_is_refused_with_who_and_since_when(ledger: Ledger) -> None:
    with leased(ledger, "s"), leased(ledger, "another"):
        with pytest.raises(
            SweepTaken, match=r"'s' is being run already, by process \d+ on .+ since 20"
        ) as caught:
            leased(ledger, "s").__enter__()
        assert re.search(r"last sign of life \d s ago", str(caught.value))
        assert str(holder(ledger, "s")) in str(caught.value)
    assert holder(ledger, "s") is None
    with leased(ledger, "s"):
        pass


def test_a_lease_on_another_machine_is_taken_over_once_it_is_stale(ledger: Ledger) -> None:
    held_elsewhere(ledger, seconds_ago=STALE_AFTER_S - 20)
    with pytest.raises(SweepTaken, match="process 7 on elsewhere"):
        leased(ledger, "s").__enter__()
    assert holder(ledger, "s", lambda: datetime.now(UTC) + timedelta(seconds=21)) is None
    with ledger.session(write=True) as session:
        row = session.get(LeaseRow, "s")
        assert row is not None
        row.renewed_at -= timedelta(seconds=21)
    with leased(ledger, "s") as mine:
        mine.check()
        assert "elsewhere" not in str(holder(ledger, "s"))


def test_a_process_of_this_machine_that_is_gone_holds_nothing(ledger: Ledger) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held_elsewhere(ledger, seconds_ago=0, process=lease_module._holder(child.pid))
    assert holder(ledger, "s")
    child.kill()
    child.wait()
    assert holder(ledger, "s") is None
    with leased(ledger, "s"):
        assert holder(ledger, "s")


def test_a_process_that_cannot_be_seen_from_here_is_not_judged_by_its_number(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in another container, where this host's name may be another's, too."""
    here = lease_module._place()
    boot, namespace = here.split("/")
    held_elsewhere(ledger, seconds_ago=0, host=socket.gethostname(), process=f"{GONE}@1@{here}")
    assert holder(ledger, "s") is None
    for place in (f"another boot/{namespace}", f"{boot}/pid:[1]", ""):
        monkeypatch.setattr(lease_module, "_place", lambda place=place: place)
        with pytest.raises(SweepTaken, match=f"process {GONE} on {socket.gethostname()}"):
            leased(ledger, "s").__enter__()


def test_a_lease_of_an_earlier_version_is_waited_for(ledger: Ledger) -> None:
    held_elsewhere(ledger, seconds_ago=0, host=socket.gethostname(), process=f"{GONE}@1")
    assert holder(ledger, "s")
    assert holder(ledger, "s", lambda: datetime.now(UTC) + timedelta(seconds=STALE_AFTER_S + 1)) is None


def test_a_driver_whose_lease_was_taken_over_learns_of_it_and_leaves_it_alone(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RENEWED_EVERY_S", 0.01)
    with leased(ledger, "s") as mine:
        with ledger.session(write=True) as session:
            row = session.get(LeaseRow, "s")
            assert row is not None
            row.host, row.process = "elsewhere", "7@1"
        while not mine.taken_by:
            pass
        with pytest.raises(SweepTaken, match="'s' has been taken over by process 7 on elsewhere"):
            mine.check()
    assert "elsewhere" in str(holder(ledger, "s"))


@pytest.mark.parametrize("seconds", [UNSURE_AFTER_S + 1, -UNSURE_AFTER_S - 1])
def test_a_driver_that_slept_asks_the_ledger_before_its_renewing_thread_does(
    ledger: Ledger, seconds: int
) -> None:
    with leased(ledger, "s") as mine:
        mine.renewed_at -= timedelta(seconds=seconds)
        mine.check()
        assert abs((datetime.now(UTC) - mine.renewed_at).total_seconds()) < UNSURE_AFTER_S
        with ledger.session(write=True) as session:
            row = session.get(LeaseRow, "s")
            assert row is not None
            row.host, row.process = "elsewhere", "7@1"
        mine.check()
        mine.renewed_at -= timedelta(seconds=seconds)
        with pytest.raises(SweepTaken, match="'s' has been taken over by process 7 on elsewhere"):
            mine.check()


def test_a_driver_whose_lease_was_taken_over_and_given_back_learns_of_it(ledger: Ledger) -> None:
    with leased(ledger, "s") as mine:
        with ledger.session(write=True) as session:
            session.delete(session.get(LeaseRow, "s"))
        mine.renewed_at -= timedelta(seconds=UNSURE_AFTER_S + 1)
        with pytest.raises(SweepTaken, match="'s' has been taken over by a driver that is gone by now"):
            mine.check()


def test_a_lease_is_renewed_while_it_is_held(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RENEWED_EVERY_S", 0.01)
    with leased(ledger, "s"):

        def renewed() -> datetime:
            with ledger.session() as session:
                row = session.get(LeaseRow, "s")
                assert row is not None
                return row.renewed_at

        first = renewed()
        while renewed() == first:
            pass
