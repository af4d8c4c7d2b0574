"""Studies and ledger in a real PostgreSQL, which the tests start: what holds on SQLite holds there."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import yaml
from sqlalchemy import Engine, create_engine, insert, inspect, select

from storage import models, schema
from storage.imported import add_imported
from storage.lease import STALE_AFTER_S, SweepTaken, leased
from storage.ledger import Ledger, LedgerError
from storage.migrations import VERSION_TABLE
from storage.models import LeaseRow
from storage.progress import progress_of, save_progress
from storage.read_only import Watch, open_read_only
from storage.records import TrialProgress
from storage.stores import DATABASE, TRACKING
from storage.workspace import Workspace
from sweeps.executors.inline import InlineExecutor
from sweeps.studies import open_storage
from tests.conftest import Frontune, SweepFile
from tests.postgres import PASSWORD, QUOTED, Postgres, absent, running_postgres
from tests.schemas import schema_differences
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of
from tests.test_interruptions import interrupt_at
from tests.test_killed import life, processes
from tests.test_ledger import NOON, SWEEP, TRIAL

MakeWorkspace = Callable[[], Path]
__all__ = ["processes"]
pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "it is there")
LORA = {"r_q": {"low": 1, "high": 8}, "r_v": "r_q", "lr": {"low": 1e-3, "high": 1e-1, "log": True}}
SMALL = {
    "methods": {"lora": LORA},
    "points": ["adapter_l(r=2, lr=1e-2)"],
    "sampler": "tpe",
    "trials": 14,
    "seeds": [0],
    "recipe": {"steps": 2, "batch_size": 4},
}
"""Enough points for the sampler to learn from the database before the end."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as started:
        yield started


@pytest.fixture
def url(server: Postgres, monkeypatch: pytest.MonkeyPatch, numbers: Iterator[int]) -> str:
    """An empty database of the test's own, named by the environment."""
    made = server.create(f"test {next(numbers)}")
    monkeypatch.setenv(DATABASE, made)
    return made


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(Workspace(tmp_path).database_url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def on_sqlite(
    make_workspace: MakeWorkspace, frontune: Frontune, small_sweep: dict[str, Any], tmp_path_factory: Any
) -> list[Any]:
    """What the small sweep finds with its stores in files."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("sqlite") / "small.yaml"
    file.write_text(yaml.safe_dump(small_sweep | SMALL, sort_keys=False))
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return outcome(workspace)


def test_a_sweep_finds_the_same_as_on_sqlite_and_every_command_finds_it(
    url: str,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    on_sqlite: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    workspace = make_workspace()
    result = frontune("run", sweep_file(**SMALL), "--workspace", workspace)
    assert result.exit_code == 0, result.output
    assert outcome(workspace) == on_sqlite
    assert not (workspace / "frontune.db").exists()
    with ledger_of(workspace).engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
    assert {"alembic_version", "studies", VERSION_TABLE, "frontune_trials"} <= names
    elsewhere = frontune("list", "--workspace", workspace / "not there")
    assert "small: demo on " in elsewhere.stdout
    # The place is remembered; the password comes from where PostgreSQL's own programs look for it.
    monkeypatch.delenv(DATABASE)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    doctor = frontune("doctor", "--workspace", workspace)
    assert doctor.exit_code == 0, doctor.stdout
    assert "in postgresql://frontune@/test" in doctor.stdout
    assert "small: ledger, studies, MLflow and files agree on 14 trials that ended" in doctor.stdout
    for command in ("status", "table", "pareto", "test"):
        assert frontune(command, "small", "--workspace", workspace).exit_code == 0
    assert "14 complete" in frontune("list", "--workspace", workspace).stdout
    plan = frontune("plan", sweep_file(**SMALL), "--workspace", workspace)
    assert plan.exit_code == 0, plan.output
    check_no_password(workspace)


def check_no_password(workspace: Path) -> None:
    for file in workspace.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert PASSWORD.encode() not in content, file
            assert QUOTED.encode() not in content, file


def test_mlflow_may_have_a_database_of_its_own_there(
    server: Postgres,
    url: str,
    tmp_path: Path,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TRACKING, server.create("mlflow"))
    workspace, file = tmp_path / "runs", sweep_file(methods=None, points=["lora(r_q=1)"], trials=None)
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    parent, children = runs_of(workspace)
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert [run.data.metrics["score"] for run in children] == [t.score for t in trials_of(workspace)]
    doctor = frontune("doctor", "--workspace", workspace)
    assert doctor.exit_code == 0, doctor.stdout
    check_no_password(workspace)
    monkeypatch.setenv(TRACKING, url)
    assert "one database" in frontune("list", "--workspace", workspace).stderr


def test_an_interrupted_sweep_goes_on_to_the_same_numbers(
    url: str,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    on_sqlite: list[Any],
) -> None:
    workspace = make_workspace()
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, "sweeps.training.pack:Pack.step", 26, "before")
        # As a driver that is killed: nothing is closed.
        interrupt_at(monkeypatch, "sweeps.driver:Driver._close", 1, "before")
        assert frontune("run", sweep_file(**SMALL), "--workspace", workspace).exit_code == 130
    assert "running" in {t.state for t in trials_of(workspace)}
    found = frontune("doctor", "--workspace", workspace)
    assert found.exit_code == 1
    assert "are marked as running, though nobody runs them" in found.stdout
    assert frontune("doctor", "--workspace", workspace, "--repair").exit_code == 0
    assert frontune("resume", "small", "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == on_sqlite
    assert {run.info.status for run in runs_of(workspace)[1]} == {"FINISHED"}


def test_a_server_that_restarts_in_mid_sweep_is_waited_for_and_nothing_is_lost(
    server: Postgres,
    url: str,
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    on_sqlite: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, real, submitted = make_workspace(), InlineExecutor.submit, []

    def submit(executor: InlineExecutor, trial: Any) -> None:
        submitted.append(trial)
        if len(submitted) == 13:
            server.stop()
        real(executor, trial)

    def start_again(seconds: float) -> None:
        if seconds > 1:
            server.start()

    monkeypatch.setattr(InlineExecutor, "submit", submit)
    monkeypatch.setattr("sweeps.patience.time", SimpleNamespace(sleep=start_again, monotonic=monotonic))
    try:
        result = frontune("run", sweep_file(**SMALL), "--workspace", workspace)
    finally:
        if not server.is_running:
            server.start()
    assert result.exit_code == 0, result.output
    assert "waiting: the ledger postgresql" in result.stdout
    assert PASSWORD not in result.output
    assert outcome(workspace) == on_sqlite


def drive(url: str, arguments: list[str], started: Any) -> None:
    """A run in a process of its own."""
    os.environ[DATABASE] = url
    life(arguments, started)


def test_two_sweeps_at_once_in_a_new_database_do_not_disturb_each_other(
    url: str, make_workspace: MakeWorkspace, sweep_file: SweepFile, on_sqlite: list[Any], processes: Any
) -> None:
    workspace, names = make_workspace(), ("one", "two")
    arguments = [["run", str(sweep_file(name, **SMALL)), "--workspace", str(workspace)] for name in names]
    started = processes.Event()
    running = [processes.Process(target=drive, args=(url, each, started)) for each in arguments]
    for process in running:
        process.start()
    try:
        for process in running:
            process.join(300)
    finally:
        for process in running:
            process.kill()
    assert [process.exitcode for process in running] == [0, 0]
    for name in names:
        # Another process may differ in a loss's last digits; files of weights name their sweep.
        assert [row[2:7] for row in outcome(workspace, name)] == [row[2:7] for row in on_sqlite]


def test_of_many_drivers_at_once_one_has_the_lease_and_the_others_hear_of_it(ledger: Ledger) -> None:
    together, ended = threading.Barrier(6), threading.Event()
    won: list[str] = []
    refused: list[Exception] = []

    def drive() -> None:
        together.wait()
        try:
            with leased(ledger, "s"):
                won.append("one")
                ended.wait()
        except LedgerError as error:
            refused.append(error)

    threads = [threading.Thread(target=drive) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(won) + len(refused) < 6:
        pass
    ended.set()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert {type(error) for error in refused} == {SweepTaken}
    assert all(f"being run already, by process {os.getpid()}" in str(error) for error in refused)


def test_a_second_run_is_refused_and_a_stale_one_taken_over(
    ledger: Ledger, make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace, file = make_workspace(), sweep_file(methods=None, points=["lora(r_q=1)"], trials=None)
    with leased(ledger, "small"):
        second = frontune("run", file, "--workspace", workspace)
        assert second.exit_code == 2
        assert f"sweep 'small' is being run already, by process {os.getpid()} on " in second.stderr
        with ledger.session(write=True) as session:
            row = session.get(LeaseRow, "small")
            assert row is not None
            row.host = "elsewhere"
            row.renewed_at -= timedelta(seconds=STALE_AFTER_S + 1)
        assert frontune("run", file, "--workspace", workspace).exit_code == 0


def test_studies_opened_by_many_at_once_in_an_empty_database_are_there_for_all(
    url: str, tmp_path: Path
) -> None:
    together = threading.Barrier(4)
    errors: list[Exception] = []

    def open_them() -> None:
        together.wait()
        try:
            optuna.study.get_all_study_names(open_storage(Workspace(tmp_path).database_url))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_them) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_ledger_of_the_first_schema_is_brought_up_to_date_with_all_it_holds(
    url: str, tmp_path: Path
) -> None:

    where = Workspace(tmp_path).database_url
    engine = create_engine(where)
    schema._upgrade(engine, "0001")
    copy_golden_rows(engine)
    engine.dispose()
    with closing(Ledger.open(where)) as ledger:
        trials = ledger.trials("old")
        assert [(t.state, t.score) for t in trials] == [
            ("complete", 0.5),
            ("failed", None),
            ("interrupted", None),
        ]
        assert all(t.mirrored and t.train_tokens is None for t in trials)
        assert schema_differences(ledger.engine) == []


def test_a_ledger_is_watched_without_writing_and_each_change_is_told(ledger: Ledger, tmp_path: Path) -> None:
    with closing(open_read_only(Workspace(tmp_path).database_url)) as watched:
        watch = Watch(watched)
        first = watch.mark()
        assert watch.mark() == first
        ledger.add_sweep(SWEEP)
        second = watch.mark()
        assert second != first
        watched.trials("démo")
        assert watch.mark() == second
        with pytest.raises(LedgerError, match="read-only transaction"):
            watched.save_trial(TRIAL)
        ledger.save_trial(replace(TRIAL, state="running"))
        save_progress(ledger, "démo", [TrialProgress(0, 4, 9, NOON, 1, NOON, ((1, 2.5), (4, 1.25)))])
        assert watch.mark() != second
        assert progress_of(watched, "démo") == progress_of(ledger, "démo") != []


def test_imported_results_follow_the_trials_and_give_way_to_a_corrected_file(ledger: Ledger) -> None:
    ledger.add_sweep(SWEEP)
    ledger.save_trial(TRIAL)
    first = replace(TRIAL, imported_from="a.csv")
    add_imported(ledger, "démo", [first, first])
    ledger.save_trial(replace(TRIAL, number=1))
    add_imported(ledger, "démo", [first], instead_of=[0, -1])
    assert [each.number for each in ledger.results("démo")] == [0, 1, -2, -3]
    assert [each.number for each in ledger.trials("démo")] == [0, 1]


def copy_golden_rows(engine: Engine) -> None:
    """Fill tables of the first schema with what the SQLite ledger of that time holds."""
    golden = create_engine(f"sqlite:///{Path(__file__).parent / 'golden' / 'ledger-0001.db'}")
    there = inspect(engine)
    with golden.connect() as old, engine.begin() as new:
        for table in models.Base.metadata.sorted_tables:
            if not there.has_table(table.name):
                continue
            known = {column["name"] for column in there.get_columns(table.name)}
            rows = old.execute(select(*(column for column in table.columns if column.name in known)))
            if values := [dict(row) for row in rows.mappings()]:
                new.execute(insert(table), values)
    golden.dispose()


def test_a_wrong_password_or_server_is_one_sentence_and_nothing_is_written(
    server: Postgres,
    url: str,
    tmp_path: Path,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = {
        url.replace(QUOTED, "wr0ng"): "password authentication failed",
        url.replace("/test", "/nothing"): "does not exist",
        url.replace(str(server.folder), "/nowhere"): "No such file or directory",
    }
    for bad, said in wrong.items():
        monkeypatch.setenv(DATABASE, bad)
        result = frontune("run", sweep_file(**SMALL), "--workspace", tmp_path / "none")
        assert result.exit_code == 2
        assert said in result.stderr
        assert "\n" not in result.stderr.strip()
        with pytest.raises(Exception, match=said) as caught:
            open_storage(Workspace(tmp_path / "none").database_url)
        assert not {QUOTED, PASSWORD, "wr0ng"} & set(result.stderr.split("'"))
        assert all(word not in result.stderr + str(caught.value) for word in (QUOTED, PASSWORD, "wr0ng"))
    assert not (tmp_path / "none").exists()
