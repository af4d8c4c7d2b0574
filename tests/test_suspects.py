"""Trials that were lost with their worker: who is to blame shows itself, and nobody else pays for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sweeps.running
from storage.records import TrialOutcome
from sweeps.executors.base import Executor
from sweeps.executors.crew import Crew
from sweeps.executors.messages import AtMost, Gone, Happened, Room
from sweeps.executors.processes import process_crew
from sweeps.failures import Failures
from sweeps.training.growth import MOST, Growth
from sweeps.trial import Failed, Finished, Rung, TrialEvent, TrialSpec
from sweeps.trial_records import PlannedTrial
from tests.conftest import Frontune, SweepFile
from tests.runners import Doomed, Scripted, result, scripted_trial
from tests.sweep_outcomes import trials_of
from tests.test_crew import FakeHand, FakeStaff
from tests.test_interruptions import MakeWorkspace
from tests.test_pareto import make_trial

SLOTS = 8


def room_for_all(hand: FakeHand) -> Room:
    return Room(SLOTS - len(hand.trials), len(hand.submits))


def fill(crew: Crew, waiting: list[TrialSpec]) -> None:
    while waiting and crew.capacity:
        crew.submit(waiting.pop(0))


def lose(crew: Crew, hand: FakeHand) -> list[Failed]:
    """The worker ends; what is said of the trials that were on it."""
    count = len(hand.trials)
    hand.says = [Gone("was killed")]
    events = crew.events()
    found = [next(events) for _ in range(count)]
    assert all(isinstance(event, Failed) for event in found)
    return [event for event in found if isinstance(event, Failed)]


@pytest.fixture
def staff() -> FakeStaff:
    return FakeStaff(first_room=Room(SLOTS))


def test_trials_that_were_lost_together_are_dealt_in_halves_and_only_one_alone_is_charged(
    staff: FakeStaff, tmp_path: Path
) -> None:
    crew = Crew(staff, 60)
    trials = {number: scripted_trial(number, "walk", tmp_path) for number in range(SLOTS)}
    waiting, sizes = list(trials.values()), list[int]()
    kinds = set[str]()
    for _ in range(4):
        fill(crew, waiting)
        hand = staff.hands[-1]
        sizes.append(len(hand.trials))
        failed = lose(crew, hand)
        kinds = {event.kind for event in failed}
        waiting = [trials[event.number] for event in failed] + waiting
        if len(sizes) < 4:
            assert kinds == {"lost_in_company"}
    assert sizes == [8, 4, 2, 1]
    assert kinds == {"lost"}


def test_who_passes_a_rung_may_have_company_again_once_and_not_for_the_same_rung(
    staff: FakeStaff, tmp_path: Path
) -> None:
    crew = Crew(staff, 60)
    trials = [scripted_trial(number, "walk", tmp_path) for number in range(3)]
    for trial in trials[:2]:
        crew.submit(trial)
    lose(crew, staff.hands[-1])
    for turn in range(2):
        crew.submit(trials[0])
        hand = staff.hands[-1]
        assert crew.capacity == 0
        hand.says = [Happened(hand.ticket(), Rung(0, 5, None))]
        assert isinstance(next(crew.events()), Rung)
        assert crew.capacity == (SLOTS - 1 if turn == 0 else 0)
        if turn == 0:
            crew.submit(trials[2])
            lose(crew, hand)


def test_who_should_have_less_company_waits_until_others_have_ended(staff: FakeStaff, tmp_path: Path) -> None:
    crew = Crew(staff, 60)
    trials = [scripted_trial(number, "walk", tmp_path) for number in range(4)]
    for trial in trials[:2]:
        crew.submit(trial)
    lose(crew, staff.hands[-1])
    for trial in trials[2:]:
        crew.submit(trial)
    hand = staff.hands[-1]
    crew.submit(trials[0])
    assert crew.capacity == 0
    assert hand.trials == [2, 3]
    second, third = (submit.ticket for submit in hand.submits)
    hand.says = [Happened(second, Finished(2, result(1)))]
    assert isinstance(next(crew.events()), Finished)
    assert hand.trials == [2, 3]
    crew.cancel(3)
    assert hand.trials == [2, 3, 0]
    assert crew.capacity == 0
    assert third != hand.ticket()


def test_who_waited_on_a_worker_that_is_lost_is_not_charged(staff: FakeStaff, tmp_path: Path) -> None:
    crew = Crew(staff, 60)
    trials = [scripted_trial(number, "walk", tmp_path) for number in range(3)]
    for trial in trials[:2]:
        crew.submit(trial)
    lose(crew, staff.hands[-1])
    crew.submit(trials[2])
    crew.submit(trials[0])
    staff.hands[-1].says = [Gone("was killed")]
    events = crew.events()
    kinds = {event.number: event.kind for event in (next(events), next(events)) if isinstance(event, Failed)}
    assert kinds == {2: "lost", 0: "lost_in_company"}


def test_a_place_where_several_were_lost_gets_smaller_packs_until_one_is_found_to_blame(
    staff: FakeStaff, tmp_path: Path
) -> None:
    crew = Crew(staff, 60)
    for number in range(SLOTS):
        crew.submit(scripted_trial(number, "walk", tmp_path))
    lose(crew, staff.hands[-1])
    assert staff.hands[-1].told == [AtMost(4)]
    crew.submit(scripted_trial(0, "walk", tmp_path))
    (failed,) = lose(crew, staff.hands[-1])
    assert failed.kind == "lost"
    assert staff.hands[-1].told == []


def test_a_pack_that_grows_by_itself_grows_no_further_and_a_users_number_is_kept() -> None:
    growing, fixed = Growth(limit=8), Growth.fixed(8)
    for growth in (growing, fixed):
        growth.at_most(4)
    assert (growing.limit, growing.most) == (4, 4)
    assert (fixed.limit, fixed.most) == (8, 8)
    growing.at_most(MOST)
    assert growing.most == 4


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[Executor]:
    """One worker with four slots that follows a script."""
    made = process_crew(Scripted(slots=4), ["cpu"], tmp_path / "logs", timeout_s=600)
    yield made
    made.close()


def test_a_trial_that_ends_every_worker_costs_no_other_one_anything(
    executor: Executor, tmp_path: Path
) -> None:
    does = ["walk", "doom", "walk", "walk", "walk"]
    trials = {n: scripted_trial(n, how, tmp_path, steps=40) for n, how in enumerate(does)}
    planned = {n: PlannedTrial(trial, make_trial(number=n)) for n, trial in trials.items()}
    failures, waiting, last = Failures(1, None), list(trials), dict[int, TrialEvent | TrialOutcome]()
    while len(last) < len(trials):
        while waiting and executor.capacity:
            executor.submit(trials[waiting.pop(0)])
        for event in executor.events():
            if isinstance(event, Finished):
                last[event.number] = event
            elif isinstance(event, Failed):
                after = failures.after(planned[event.number], event)
                if isinstance(after, TrialOutcome):
                    last[event.number] = after
                else:
                    waiting.insert(0, event.number)
            while waiting and executor.capacity:
                executor.submit(trials[waiting.pop(0)])
    assert [n for n, end in sorted(last.items()) if isinstance(end, Finished)] == [0, 2, 3, 4]
    doomed = last[1]
    assert isinstance(doomed, TrialOutcome)
    assert doomed.trial.state == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("slots", [3, "auto"])
def test_a_sweep_loses_the_trial_that_ends_its_workers_and_no_other(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
    slots: int | str,
) -> None:
    real = sweeps.running.trainer
    monkeypatch.setattr("sweeps.running.trainer", lambda plan: Doomed(real(plan), number=1))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    points = [f"lora(r_q={r}, lr=1e-2)" for r in (1, 2, 3, 4)]
    content = {"methods": None, "trials": None, "points": points, "seeds": [0], "recipe": {"steps": 36}}
    file = sweep_file(**content, slots_per_device=slots, executor="processes", max_failures=2)
    workspace = make_workspace()
    run = frontune("run", file, "--workspace", workspace)
    assert run.exit_code == 0, run.output
    assert [t.state for t in trials_of(workspace)] == ["complete", "failed", "complete", "complete"]
