"""An interrupted, terminated or killed sweep goes on to the same numbers as an undisturbed one."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.errors import FrontuneError
from methods.loading import load_base, load_tokenizer
from storage.lease import Lease, SweepTaken, leased
from storage.ledger import Ledger, LedgerAway
from storage.models import LeaseRow
from storage.records import TrialOutcome
from storage.workspace import Workspace
from sweeps.data import prepare_data, read_examples
from sweeps.executors.inline import InlineExecutor
from sweeps.interrupts import held_back, let_through
from sweeps.judge import judge
from sweeps.settings import TaskSettings
from sweeps.training.recipe import Recipe
from sweeps.training.train import PackRunner
from sweeps.trial import Failed, Finished, TrialEvent, TrialSpec
from tests.alone import train_trial
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of

MakeWorkspace = Callable[[], Path]
QUIET = {"trials": 6, "points": ["adapter_l(r=2, lr=1e-2)"]}


@pytest.fixture(scope="module")
def undisturbed(
    make_workspace: MakeWorkspace, frontune: Frontune, small_sweep: dict[str, Any], tmp_path_factory: Any
) -> list[Any]:
    """What the small sweep finds when nothing interrupts it."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("undisturbed") / "small.yaml"
    file.write_text(json.dumps(small_sweep | QUIET))
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return outcome(workspace)


def test_more_trials_go_on_with_the_sweep_and_the_ledger_knows_how_many(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, undisturbed: list[Any]
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    frontune("run", file, "--workspace", workspace, "--trials", 3)
    assert len(trials_of(workspace)) == 2
    more = frontune("run", file, "--workspace", workspace)
    assert "[3/6] trial 2 " in more.stdout
    assert outcome(workspace) == undisturbed
    assert "6 of 6 trials" in frontune("status", "small", "--workspace", workspace).stdout
    assert len(ledger_of(workspace).provenance("small")) == 2


INTERRUPTIONS = {
    "while the sweep is opened": ("storage.ledger:Ledger.set_sweep_run", 1, "by a signal"),
    "in the middle of training": ("sweeps.training.pack:Pack.step", 8, "before"),
    "in the middle of scoring": ("sweeps.training.train:evaluate_all", 4, "before"),
    "between asking and the ledger": ("storage.ledger:Ledger.save_trial", 5, "before"),
    "after MLflow began the run": ("storage.tracking:Tracker.start_trial", 5, "after"),
    "after the ledger has the result": ("storage.tracking:Tracker.finish_trial", 5, "before"),
    "before the driver knows what the ledger does": (
        "storage.ledger:Ledger.save_outcome",
        3,
        "by a signal afterwards",
    ),
    "before the study is told": ("sweeps.study:MethodStudy.tell", 2, "before"),
}


COMPLETE_THEN = {"before the driver knows what the ledger does": 3, "after the ledger has the result": 5}
"""So many trials had ended before the interruption, and that they did is not forgotten."""


def test_what_had_finished_when_the_run_was_interrupted_is_kept(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread: list[Finished] = []
    real = InlineExecutor.events

    def events(executor: InlineExecutor) -> Iterator[TrialEvent]:
        for event in real(executor):
            if isinstance(event, Finished):
                unread.append(event)
                raise KeyboardInterrupt
            yield event

    monkeypatch.setattr(InlineExecutor, "events", events)
    monkeypatch.setattr(InlineExecutor, "close", lambda executor: tuple(unread))
    workspace = make_workspace()
    stopped = frontune("run", sweep_file(trials=3, seeds=[0]), "--workspace", workspace)
    assert stopped.exit_code == 130
    (trial,) = trials_of(workspace)
    assert (trial.state, trial.score) == ("complete", unread[0].result.score)
    assert [run.info.status for run in runs_of(workspace)[1]] == ["FINISHED"]


def interrupt_at(monkeypatch: pytest.MonkeyPatch, target: str, nth: int, when: str) -> None:
    """Raise KeyboardInterrupt before or after the nth call of MODULE:NAME, or send ourselves SIGINT."""
    place, name, real, calls = *found(target), list[int]()

    def interrupted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == nth and when == "before":
            raise KeyboardInterrupt
        if len(calls) == nth and when == "by a signal":
            signal.raise_signal(signal.SIGINT)
        value = real(*arguments, **options)
        if len(calls) == nth and when == "after":
            raise KeyboardInterrupt
        if len(calls) == nth and when == "by a signal afterwards":
            signal.raise_signal(signal.SIGINT)
        return value

    monkeypatch.setattr(place, name, interrupted)


def found(target: str) -> tuple[Any, str, Any]:
    """Where MODULE:NAME is, its last name, and what it is."""
    module, _, path = target.partition(":")
    *holder, name = path.split(".")
    place: Any = importlib.import_module(module)
    for step in holder:
        place = getattr(place, step)
    return place, name, getattr(place, name)


@pytest.mark.parametrize("where", INTERRUPTIONS)
def test_an_interrupted_sweep_ends_cleanly_and_goes_on_to_the_same_numbers(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    undisturbed: list[Any],
    where: str,
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, *INTERRUPTIONS[where])
        stopped = frontune("run", file, "--workspace", workspace)
    assert stopped.exit_code == 130
    assert "goes on with it" in stopped.stderr
    states = [t.state for t in trials_of(workspace)]
    assert set(states) <= {"complete", "interrupted"}
    n_done = states.count("complete")
    assert n_done >= COMPLETE_THEN.get(where, 0)
    assert all(
        f"[{n_done}/6] " in line for line in stopped.stdout.splitlines() if line.endswith(": interrupted")
    )
    parent, children = runs_of(workspace)
    assert parent.info.status == "KILLED"
    for t, run in zip(trials_of(workspace), children, strict=True):
        assert run.info.status == {"complete": "FINISHED", "interrupted": "KILLED"}[t.state]
        assert run.info.end_time
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed
    parent, children = runs_of(workspace)
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert len(children) == len(undisturbed)


@pytest.mark.parametrize("where", ["in the middle of training", "after the ledger has the result"])
def test_a_killed_sweep_loses_no_finished_trial_and_repeats_none(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    undisturbed: list[Any],
    where: str,
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, *INTERRUPTIONS[where])
        interrupt_at(monkeypatch, "sweeps.driver:Driver._close", 1, "before")
        assert frontune("run", file, "--workspace", workspace).exit_code == 130
    done = {t.number: t.created_at for t in trials_of(workspace) if t.state == "complete"}
    assert done
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed
    assert {t.number: t.created_at for t in trials_of(workspace) if t.number in done} == done
    assert {run.info.status for run in runs_of(workspace)[1]} == {"FINISHED"}


def test_a_first_run_that_died_before_its_ledger_was_made_may_be_repeated(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    (workspace / "frontune.db").touch()
    file = sweep_file(methods=None, points=["lora(r_q=1)"], trials=2)
    assert frontune("run", file, "--workspace", workspace).exit_code == 0


def test_sigterm_ends_a_sweep_as_ctrl_c_does(make_workspace: MakeWorkspace, sweep_file: SweepFile) -> None:
    workspace, file = make_workspace(), sweep_file(recipe={"steps": 20_000, "batch_size": 2})
    command = [sys.executable, "-m", "sweeps.cli", "run", str(file), "--workspace", str(workspace)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "FRONTUNE_DEVICE": "cpu"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        latest = time.monotonic() + 120
        while time.monotonic() < latest and process.poll() is None and not is_training(workspace):
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert "goes on with it" in stderr
    assert "Traceback" not in stderr
    assert stdout.startswith("sweep small: demo (24 training rows, 30 to score)")
    assert [t.state for t in trials_of(workspace)] == ["interrupted"]
    assert {run.info.status for run in (runs_of(workspace)[0], *runs_of(workspace)[1])} == {"KILLED"}


def is_training(workspace: Path) -> bool:
    database = workspace / "frontune.db"
    try:
        return database.exists() and any(t.state == "running" for t in trials_of(workspace))
    except FrontuneError:
        return False


def test_a_sweep_that_is_being_run_is_refused_naming_the_process(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    with closing(Ledger.open(Workspace.open(workspace, create=False).database_url)) as ledger:
        with leased(ledger, "small"):
            second = frontune("run", file, "--workspace", workspace)
        assert second.exit_code == 2
        assert f"sweep 'small' is being run already, by process {os.getpid()} on " in second.stderr
        assert ledger.sweeps() == []
    assert frontune("run", file, "--workspace", workspace).exit_code == 0


def test_a_driver_that_lost_its_lease_ends_and_leaves_the_books_to_the_other(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    undisturbed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)

    def check(lease: Lease) -> None:
        # The second trial runs: MLflow, opened beside the first, shows the sweep.
        if (latest := trials_of(workspace)[-1:]) and (latest[0].number, latest[0].state) == (1, "running"):
            raise SweepTaken(f"sweep {lease.sweep!r} has been taken over by process 1 on another")

    with monkeypatch.context() as slept:
        slept.setattr(Lease, "check", check)
        lost = frontune("run", file, "--workspace", workspace)
    assert lost.exit_code == 2
    assert "sweep 'small' has been taken over by process 1 on another" in lost.stderr
    assert trials_of(workspace)[-1].state == "running"
    assert runs_of(workspace)[0].info.status == "RUNNING"
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed


@pytest.mark.parametrize("when", ["before it is interrupted", "before its trial ends"])
def test_a_driver_that_slept_past_its_lease_writes_nothing_over_what_the_next_one_found(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, when: str
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    judged: list[int] = []

    def sleep_over_the_third_trial(*arguments: Any) -> Any:
        judged.append(1)
        if len(judged) == 3:
            take_over(workspace)
            if when == "before it is interrupted":
                raise KeyboardInterrupt
        return judge(*arguments)

    with pytest.MonkeyPatch.context() as slept:
        slept.setattr("sweeps.verdicts.judge", sleep_over_the_third_trial)
        lost = frontune("run", file, "--workspace", workspace)
    assert lost.exit_code == 2
    assert "sweep 'small' has been taken over by process 7 on elsewhere" in lost.stderr
    assert [(t.state, t.score) for t in trials_of(workspace)][2:] == [("complete", 0.25)]


def take_over(workspace: Path) -> None:
    """As another driver does, which then finishes the trial that ran last."""
    with closing(ledger_of(workspace)) as ledger:
        with ledger.session(write=True) as session:
            row = session.get(LeaseRow, "small")
            assert row is not None
            row.host, row.process = "elsewhere", "7@1"
        last = ledger.trials("small")[-1]
        ledger.save_outcome(TrialOutcome(replace(last, state="complete", score=0.25)))


def test_a_trial_written_over_after_its_study_was_told_is_trained_again(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, undisturbed: list[Any]
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    with closing(ledger_of(workspace)) as ledger:
        for number, state in ((1, "interrupted"), (4, "running")):
            over = replace(ledger.trials("small")[number], state=state, score=None)  # type: ignore[arg-type]
            ledger.save_outcome(TrialOutcome(over))
    assert outcome(workspace) != undisturbed
    assert frontune("resume", "small", "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed


def test_an_interruption_that_is_held_back_comes_at_the_end() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        done.append("all")
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@dataclass
class AwayLedger:
    """A ledger that is away from some moment on, and a clock that runs while it is waited for.

    After so many waits comes a signal; who waits for ten minutes waits for ever."""

    away: bool = False
    signal_after: int | None = None
    seconds: float = 0.0
    waits: int = 0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.waits += 1
        if self.waits == self.signal_after:
            signal.raise_signal(signal.SIGTERM)
        assert self.seconds < 600, "it waits for ever"

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Ledger.session

        def session(ledger: Ledger, *, write: bool = False) -> Any:
            if self.away and write:
                raise LedgerAway("the ledger cannot be used now: database is locked")
            return real(ledger, write=write)

        monkeypatch.setattr(Ledger, "session", session)
        monkeypatch.setattr("sweeps.patience.time", self)


LEAVES = {
    "when MLflow is opened": ("storage.tracking:Tracker.start_sweep", 1, 3),
    "when a trial has been interrupted": ("sweeps.training.pack:Pack.step", 8, 2),
    "when the sweep is closed": ("sweeps.driver:fill_missing", 1, 1),
}


@pytest.mark.parametrize("when", LEAVES)
def test_a_driver_whose_ledger_is_away_ends_when_it_is_told_to(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    undisturbed: list[Any],
    when: str,
) -> None:
    workspace, file = make_workspace(), sweep_file(**QUIET)
    interrupted = when == "when a trial has been interrupted"
    ledger = AwayLedger(signal_after=None if interrupted else 3)
    with pytest.MonkeyPatch.context() as monkeypatch:
        ledger.patch(monkeypatch)
        target, nth, said = LEAVES[when]
        place, name, real = found(target)
        calls: list[int] = []

        def leave(*arguments: Any) -> Any:
            calls.append(1)
            ledger.away |= len(calls) == nth
            if interrupted and ledger.away:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(place, name, leave)
        stopped = frontune("run", file, "--workspace", workspace)
    assert stopped.exit_code == 130
    # Beside trials it waits as long as it takes: 7 s had passed when it was told to end.
    assert ledger.seconds <= 10 + (7 if when == "when MLflow is opened" else 0)
    assert stopped.stderr == f"interrupted; `frontune run {file}` with the same options goes on with it\n"
    assert stopped.stdout.count("cannot be used now: database is locked") == said
    with ledger_of(workspace).session(write=True) as session:
        # It could not be given back; of a process that is gone it would be taken over.
        session.delete(session.get(LeaseRow, "small"))
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert outcome(workspace) == undisturbed


def test_an_interruption_comes_at_the_end_of_the_outermost_hold_but_ends_a_wait_within_it() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012
        with held_back():
            signal.raise_signal(signal.SIGINT)
        done.append("after the inner one")
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012
        with let_through():
            done.append("nothing has come")
        signal.raise_signal(signal.SIGTERM)
        with let_through():
            done.append("never")
    with pytest.raises(KeyboardInterrupt), held_back(), let_through():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        done.append("never")
    assert done == ["after the inner one", "nothing has come"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_executor_that_does_not_close_keeps_no_one_from_closing_the_books(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    def broken(executor: InlineExecutor) -> None:
        raise FrontuneError("a worker cannot be ended")

    workspace, file = make_workspace(), sweep_file(**QUIET)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupt_at(monkeypatch, "sweeps.training.pack:Pack.step", 8, "before")
        monkeypatch.setattr(InlineExecutor, "close", broken)
        ended = frontune("run", file, "--workspace", workspace)
    assert (ended.exit_code, ended.stderr) == (2, "frontune: a worker cannot be ended\n")
    assert [t.state for t in trials_of(workspace)] == ["complete", "complete", "interrupted"]
    assert {run.info.status for run in runs_of(workspace)[1]} == {"FINISHED", "KILLED"}


def test_an_interrupted_exclusive_trial_leaves_the_base_as_it_was(base: str) -> None:
    frozen = load_base(base)
    before = {name: tensor.clone() for name, tensor in frozen.model.state_dict().items()}
    data = prepare_data(
        read_examples(TaskSettings(name="demo", train_examples=8, eval_examples=4)), load_tokenizer(base)
    )
    executor = InlineExecutor(PackRunner(lambda: frozen, data))
    executor.submit(TrialSpec("s", 0, "fine_tune()", Recipe(lr=0.1, steps=9), "unused", 0, "hash"))
    assert executor.capacity == 0

    def read_two_events_and_stop() -> None:
        for number, _ in enumerate(executor.events()):
            if number == 1:
                assert not torch.equal(frozen.model.lm_head.weight, before["lm_head.weight"])
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_two_events_and_stop()
    executor.close()
    assert executor.capacity == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen.model.state_dict().items())


def test_a_trial_whose_weights_cannot_be_written_fails_and_leaves_the_base_alone(
    base: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    data = prepare_data(
        read_examples(TaskSettings(name="demo", train_examples=8, eval_examples=4)), load_tokenizer(base)
    )
    spec = TrialSpec("s", 0, "lora(r_q=1)", Recipe(steps=1), str(tmp_path / "file" / "x"), 0, "hash")
    *_, last = train_trial(load_base(base), data, spec)
    assert isinstance(last, Failed)
    assert last.reason.startswith("cannot write")
    assert last.traceback == ""
