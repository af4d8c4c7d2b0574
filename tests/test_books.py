"""The books: what MLflow has not been told is never forgotten, and nothing is written down twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from storage.lease import leased
from storage.ledger import Ledger
from storage.records import Measurement, TrialOutcome
from storage.tracking import Tracker, TrackingAway
from storage.workspace import Workspace
from sweeps.books import Books
from sweeps.mirror import Mirror
from tests.test_ledger import PROVENANCE, TRIAL
from tests.test_plan import plan_of

BLEU = Measurement("bleu", "validation", 3, 0.5)
OpenBooks = Callable[[], Books]


@dataclass
class Mlflow:
    """A tracker that notes what it is told of how trials ended."""

    away: bool = False
    asked: int = 0
    told: list[tuple[str, set[str]]] = field(default_factory=list)
    marked: dict[str, bool] = field(default_factory=dict)

    def reach(self) -> None:
        self.asked += 1
        if self.away:
            raise TrackingAway("MLflow is away")

    def start_sweep(self, *arguments: Any) -> str:
        return "parent"

    def start_trial(self, parent: str, trial: Any, may_have: bool = True) -> str:
        if self.away:
            raise TrackingAway("MLflow is away")
        return f"run {trial.number}"

    def finish_trial(self, run: str, trial: Any, measured: Any, files: Any) -> None:
        if self.away:
            raise TrackingAway("MLflow is away")
        self.told.append((run, {each.metric for each in measured}))

    def finish_sweep(self, parent: str, status: Any, runs: dict[str, bool], *arguments: Any) -> None:
        self.marked = runs


@pytest.fixture
def mlflow() -> Mlflow:
    return Mlflow()


@dataclass
class Clock:
    """Stands still unless it is moved."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_books(base: str, tmp_path: Path, mlflow: Mlflow, clock: Clock) -> Iterator[OpenBooks]:
    """Opens the books of a sweep, as each run of it does."""
    plan, workspace = plan_of(base), Workspace.open(tmp_path, create=True)
    with closing(Ledger.open(workspace.database_url)) as ledger, leased(ledger, "s") as lease:

        def opened() -> Books:
            mirror = Mirror(lambda: cast(Tracker, mlflow), lambda text: None, clock)
            books = Books(plan, workspace, ledger, lease, mirror, lambda text: None)
            books.open(PROVENANCE)
            return books

        yield opened


def test_what_is_added_to_a_trial_that_mlflow_knows_is_told_once_it_is_back(
    open_books: OpenBooks, mlflow: Mlflow
) -> None:
    books = open_books()
    begun = books.begin(replace(TRIAL, sweep="s", state="running"))
    ended = books.end(TrialOutcome(replace(begun, state="complete", score=0.5)))
    mlflow.away = True
    books.add(ended, [BLEU])
    books.close("complete")
    known = books.ledger.trial("s", TRIAL.number)
    assert known
    assert not known.mirrored
    mlflow.away = False
    open_books().send_missed()
    assert mlflow.told == [(f"run {TRIAL.number}", set()), (f"run {TRIAL.number}", {"bleu"})]


def test_what_mlflow_missed_is_told_trial_by_trial_once_it_is_back_while_the_sweep_goes_on(
    open_books: OpenBooks, mlflow: Mlflow, clock: Clock
) -> None:
    books, mlflow.away = open_books(), True
    for number in (0, 1):
        begun = books.begin(replace(TRIAL, sweep="s", number=number, state="running", seed=number))
        books.end(TrialOutcome(replace(begun, state="complete", score=0.5)))
    mlflow.away = False
    books.catch_up()
    assert (mlflow.asked, mlflow.told) == (0, []), "it was away a moment ago"
    clock.now_s = 31.0
    told = []
    for _ in range(3):
        books.catch_up()
        told.append([run for run, _ in mlflow.told])
    assert told == [["run 0"], ["run 0", "run 1"], ["run 0", "run 1"]]


def test_an_mlflow_that_is_slow_to_be_found_away_is_asked_less_often(clock: Clock) -> None:
    asked: list[float] = []

    def connect() -> Tracker:
        asked.append(clock.now_s)
        clock.now_s += 10.0
        raise TrackingAway("MLflow does not answer")

    mirror = Mirror(connect, lambda text: None, clock)
    assert mirror.attempt(lambda tracker: True) is None
    while clock.now_s < 250.0:
        assert not mirror.answers()
        clock.now_s += 1.0
    assert asked == [0.0, 210.0]


def test_the_front_is_marked_also_on_runs_that_mlflow_got_at_the_very_end(
    open_books: OpenBooks, mlflow: Mlflow
) -> None:
    books, mlflow.away = open_books(), True
    begun = books.begin(replace(TRIAL, sweep="s", state="running"))
    books.end(TrialOutcome(replace(begun, state="complete", score=0.5)))
    mlflow.away = False
    books.close("complete")
    assert mlflow.marked == {f"run {TRIAL.number}": True}


def test_how_a_trial_ended_is_not_told_once_it_has_begun_again(open_books: OpenBooks, mlflow: Mlflow) -> None:
    books, trial = open_books(), replace(TRIAL, sweep="s", state="running")
    mlflow.away = True
    ended = books.end(TrialOutcome(replace(books.begin(trial), state="failed", score=None)))
    books.end(TrialOutcome(replace(ended, state="interrupted")))
    books.begin(replace(ended, state="running"))
    mlflow.away = False
    books.send_missed(now=True)
    assert mlflow.told == []


def test_what_is_measured_is_there_once_however_often_it_is_added(open_books: OpenBooks) -> None:
    books = open_books()
    ended = books.end(TrialOutcome(replace(TRIAL, sweep="s", state="complete", score=0.5)))
    for value in (0.25, 0.5):
        books.add(ended, [replace(BLEU, value=value)])
    assert books.ledger.measurements("s", TRIAL.number) == [BLEU]
