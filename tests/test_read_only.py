"""Watching a ledger: nothing can be written, nobody waits, and each change is told."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from storage import newer_results as module
from storage.imported import add_imported
from storage.ledger import Ledger, LedgerAway, LedgerError, NoLedger
from storage.migrations import HEAD, VERSION_TABLE
from storage.newer_results import newer_results
from storage.read_only import Watch, open_read_only
from storage.records import SweepRecord, TrialOutcome, TrialState
from tests.test_ledger import NOON, SWEEP, TRIAL

RUNNING = replace(TRIAL, state="running", score=None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "who? #1 %41.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    from storage.workspace import _sqlite_url

    with closing(Ledger.open(_sqlite_url(file))) as opened:
        opened.add_sweep(SWEEP)
        yield opened


@pytest.fixture
def watched(ledger: Ledger) -> Iterator[Ledger]:
    with closing(open_read_only(str(ledger.engine.url))) as opened:
        yield opened


def test_what_is_read_is_what_was_written(ledger: Ledger, watched: Ledger) -> None:
    ledger.save_trial(TRIAL)
    assert watched.sweeps() == [SWEEP]
    assert watched.trials("démo") == [TRIAL]


def test_nothing_can_be_written(ledger: Ledger, watched: Ledger) -> None:
    with pytest.raises(LedgerError, match="readonly"):
        watched.add_sweep(replace(SWEEP, name="other"))
    with pytest.raises(LedgerError, match="readonly"):
        watched.save_trial(TRIAL)
    with watched.engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM frontune_sweeps"))
    assert ledger.sweeps() == [SWEEP]


def test_a_change_is_told_once_and_reading_is_none(ledger: Ledger, watched: Ledger) -> None:
    watch = Watch(watched)
    first = watch.mark()
    assert watch.mark() == first
    watched.trials("démo")
    ledger.trials("démo")
    assert watch.mark() == first
    ledger.save_trial(RUNNING)
    second = watch.mark()
    assert second != first
    assert watch.mark() == second
    ledger.save_trial(TRIAL)
    assert watch.mark() != second


def test_a_writer_in_the_middle_of_a_transaction_hides_nothing_and_waits_for_nobody(
    ledger: Ledger, watched: Ledger, file: Path
) -> None:
    ledger.save_trial(TRIAL)
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE frontune_trials SET score = 1.0")
        assert watched.trials("démo") == [TRIAL]
        with watched.session() as session:
            session.execute(text("SELECT * FROM frontune_trials"))
            writer.execute("COMMIT")
            writer.execute("UPDATE frontune_trials SET score = 0.75")
    assert [trial.score for trial in watched.trials("démo")] == [0.75]


def test_another_file_of_the_same_name_is_read_instead(ledger: Ledger, watched: Ledger, file: Path) -> None:
    watch = Watch(watched)
    first = watch.mark()
    ledger.close()
    for each in file.parent.iterdir():
        each.unlink()
    with pytest.raises(LedgerAway, match="No such file"):
        watch.mark()
    with closing(Ledger.open(str(ledger.engine.url))) as new:
        new.add_sweep(SweepRecord("new", "tiny", "demo", "accuracy", {}, NOON))
        assert watch.mark() != first
        assert [sweep.name for sweep in watched.sweeps()] == ["new"]


def test_a_ledger_that_nobody_has_open_can_be_watched(ledger: Ledger) -> None:
    ledger.close()
    with closing(open_read_only(str(ledger.engine.url))) as watched:
        assert watched.sweeps() == [SWEEP]


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("0002", f"written by an older Frontune .schema 0002, this one reads {HEAD}.; 'frontune list'"),
        ("0999", "written by a newer Frontune"),
    ],
)
def test_another_schema_is_refused_and_left_as_it_is(
    ledger: Ledger, file: Path, revision: str, sentence: str
) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
    ledger.close()
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(LedgerError, match=sentence):
        open_read_only(str(ledger.engine.url))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before


def test_what_is_no_ledger_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(NoLedger, match="'frontune run' makes one"):
        open_read_only(f"sqlite:///{tmp_path / 'missing.db'}")
    (tmp_path / "text.db").write_text("this is no database, but a text of some length" * 50)
    with pytest.raises(LedgerError, match="not a database"):
        open_read_only(f"sqlite:///{tmp_path / 'text.db'}")
    assert [file.name for file in tmp_path.iterdir()] == ["text.db"]


def test_only_trials_that_may_have_changed_are_read_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        ledger.save_trial(replace(RUNNING, number=number))
    ledger.save_outcome(TrialOutcome(TRIAL))
    add_imported(ledger, "démo", [replace(TRIAL, imported_from="x.csv")])
    known = newer_results(ledger, "démo", [])
    assert known == ledger.results("démo")
    add_imported(ledger, "démo", [replace(TRIAL, imported_from="y.csv")])
    ledger.save_outcome(TrialOutcome(replace(TRIAL, number=2, score=0.75)))
    ledger.save_trial(replace(RUNNING, number=4))
    whole = ledger.results("démo")
    monkeypatch.setattr(Ledger, "results", lambda *given: pytest.fail("all of them are read"))
    found = newer_results(ledger, "démo", known)
    assert found == whole
    assert [each.number for each in found] == [0, 1, 2, 3, 4, -1, -2]
    assert found[0] is known[0]


@pytest.mark.parametrize("state", ["failed", "infeasible"])
def test_a_trial_that_failed_and_is_trained_anew_is_read_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, state: TrialState
) -> None:
    failed = replace(TRIAL, state=state, score=None, reason="lost")
    ledger.save_outcome(TrialOutcome(failed))
    ledger.save_outcome(TrialOutcome(replace(TRIAL, number=1)))
    known = newer_results(ledger, "démo", [])
    again = [replace(failed, state="interrupted"), replace(RUNNING, number=TRIAL.number), TRIAL]
    monkeypatch.setattr(Ledger, "results", lambda *given: pytest.fail("all of them are read"))
    for now in again:
        ledger.save_trial(now)
        found = newer_results(ledger, "démo", known)
        assert (found[0].state, found[0].score) == (now.state, now.score)
        assert newer_results(ledger, "démo", found) == found
        assert found[1] is known[1]


def test_another_ledger_is_read_as_a_whole(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        ledger.save_trial(replace(TRIAL, number=number))
    fewer = [replace(TRIAL, number=2)]
    assert newer_results(ledger, "démo", fewer) == ledger.trials("démo")
    monkeypatch.setattr(module, "AT_ONCE", 1)
    many = [replace(RUNNING, number=number) for number in range(3)]
    assert newer_results(ledger, "démo", many) == ledger.trials("démo")
