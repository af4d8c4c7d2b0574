"""Two first openings at once: each finds the tables whole."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import threading
from pathlib import Path

import optuna
import pytest

from storage.making_tables import making_tables
from sweeps.studies import open_storage


def test_who_comes_while_tables_are_made_waits_until_they_are(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    order: list[str] = []

    def second() -> None:
        with making_tables(url):
            order.append("second")

    with making_tables(url):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_made_tables_are_opened_without_a_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    open_storage(url)
    with making_tables(url), making_tables(url):
        assert optuna.study.get_all_study_names(open_storage(url)) == []


def test_a_maker_that_failed_leaves_the_way_free(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    with pytest.raises(RuntimeError), making_tables(url):
        raise RuntimeError
    assert optuna.study.get_all_study_names(open_storage(url)) == []


def _open_with_others(url: str, ready: multiprocessing.synchronize.Barrier) -> None:
    ready.wait()
    open_storage(url)


def test_processes_that_open_a_new_database_at_once_all_can(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(4)
    processes = [
        spawn.Process(target=_open_with_others, args=(f"sqlite:///{tmp_path / 'studies.db'}", ready))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
