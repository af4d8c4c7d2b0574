"""The driver's side of several workers, with workers that only say what a test has them say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from methods.errors import FrontuneError
from sweeps.executors.crew import MOST_IN_VAIN, Crew
from sweeps.executors.messages import Cancel, Close, Command, Gone, Happened, Message, Room, Submit
from sweeps.executors.pulse import Pulse
from sweeps.executors.staff import Hand
from sweeps.executors.throttle import Throttle
from sweeps.executors.wear import MOST_MORE_BYTES, Wear
from sweeps.trial import Failed, Finished, Progress, Rung, Scoring, TrialEvent
from tests.runners import result, scripted_trial


@dataclass(eq=False)
class FakeHand:
    name: str
    first_room: Room = field(default_factory=lambda: Room(1))
    told: list[Command] = field(default_factory=list)
    says: list[Message] = field(default_factory=list)
    is_ended: bool = False

    def send(self, command: Command) -> None:
        self.told.append(command)

    def end(self, patience_s: float) -> None:
        self.is_ended = True

    @property
    def submits(self) -> list[Submit]:
        return [each for each in self.told if isinstance(each, Submit)]

    @property
    def trials(self) -> list[int]:
        """The numbers of what was submitted."""
        return [each.trial.number for each in self.submits]

    def ticket(self) -> int:
        """Of what was submitted last."""
        return self.submits[-1].ticket


@dataclass
class FakeStaff:
    n_places: int = 1
    hands: list[FakeHand] = field(default_factory=list)
    first_room: Room = field(default_factory=lambda: Room(1))

    def places(self) -> Sequence[int]:
        return range(self.n_places)

    def hire(self, place: int) -> FakeHand:
        self.hands.append(FakeHand(f"worker {place}", self.first_room))
        return self.hands[-1]

    def listen(self, hands: Sequence[Hand], timeout_s: float) -> Mapping[Hand, list[Message]]:
        heard: dict[Hand, list[Message]] = {}
        for hand in self.hands:
            if hand in hands and hand.says:
                heard[hand], hand.says = hand.says, []
        return heard


def progress(number: int, step: int) -> Progress:
    return Progress(number, step, 9, 1.0, 1.0)


def test_room_counts_what_is_under_way(tmp_path: Path) -> None:
    staff = FakeStaff()
    crew = Crew(staff, 60)
    (hand,) = staff.hands
    assert crew.capacity == 1
    crew.submit(scripted_trial(0, "walk", tmp_path))
    assert crew.capacity == 0
    # Said before the trial had reached the worker, and then after.
    hand.says = [Room(3), Happened(hand.ticket(), progress(0, 1))]
    assert next(crew.events()) == progress(0, 1)
    assert crew.capacity == 2
    hand.says = [Room(2, submits=1), Happened(hand.ticket(), progress(0, 2))]
    assert next(crew.events()) == progress(0, 2)
    assert crew.capacity == 2
    crew.cancel(0)
    assert crew.capacity == 3
    assert hand.told[-1] == Cancel(hand.ticket())


def test_what_a_cancelled_attempt_still_says_is_not_heard(tmp_path: Path) -> None:
    staff = FakeStaff()
    crew = Crew(staff, 60)
    (hand,) = staff.hands
    crew.submit(scripted_trial(0, "walk", tmp_path))
    old = hand.ticket()
    crew.cancel(0)
    crew.submit(scripted_trial(0, "walk", tmp_path))
    hand.says = [Happened(old, Finished(0, result(1))), Happened(hand.ticket(), progress(0, 1))]
    assert next(crew.events()) == progress(0, 1)


def test_events_that_came_together_are_dropped_when_their_trial_is_cancelled(tmp_path: Path) -> None:
    staff = FakeStaff()
    crew = Crew(staff, 60)
    (hand,) = staff.hands
    crew.submit(scripted_trial(0, "walk", tmp_path))
    hand.says = [Happened(hand.ticket(), progress(0, step)) for step in (1, 2, 3)]
    seen: list[TrialEvent] = []
    for event in crew.events():
        seen.append(event)
        crew.cancel(0)
    assert seen == [progress(0, 1)]


def test_what_had_finished_when_the_crew_is_closed_is_given_back_once(tmp_path: Path) -> None:
    staff = FakeStaff(n_places=3)
    crew = Crew(staff, 60)
    for number in range(3):
        crew.submit(scripted_trial(number, "walk", tmp_path))
    ends = [Happened(hand.ticket(), Finished(n, result(3))) for n, hand in enumerate(staff.hands)]
    crew.cancel(2)
    staff.hands[0].says = [Happened(staff.hands[0].ticket(), progress(0, 1)), ends[0]]
    assert next(crew.events()) == progress(0, 1)
    staff.hands[1].says, staff.hands[2].says = [ends[1]], [ends[2]]
    assert list(crew.close()) == [ends[0].event, ends[1].event]
    assert list(crew.close()) == []


def test_a_worn_worker_gets_no_more_trials_and_is_replaced_when_it_is_empty(tmp_path: Path) -> None:
    staff = FakeStaff()
    crew = Crew(staff, 60)
    (worn,) = staff.hands
    crew.submit(scripted_trial(0, "walk", tmp_path))
    worn.says = [Room(0, submits=1, worn=True), Happened(worn.ticket(), progress(0, 1))]
    assert next(crew.events()) == progress(0, 1)
    assert crew.capacity == 0
    worn.says = [Happened(worn.ticket(), Finished(0, result(3)))]
    (event,) = crew.events()
    assert isinstance(event, Finished)
    assert worn.is_ended
    assert len(staff.hands) == 2
    assert crew.capacity == 1


def test_a_worn_worker_whose_last_trial_was_cancelled_is_replaced_when_it_says_so(tmp_path: Path) -> None:
    staff = FakeStaff(n_places=2)
    crew = Crew(staff, 60)
    for number in (0, 1):
        crew.submit(scripted_trial(number, "walk", tmp_path))
    worn, other = staff.hands
    crew.cancel(0)
    worn.says = [Room(0, submits=1, cancels=1, worn=True)]
    other.says = [Happened(other.ticket(), progress(1, 1))]
    assert next(crew.events()) == progress(1, 1)
    assert worn.is_ended
    assert crew.capacity == 1


def test_a_place_is_not_given_up_while_trials_get_on_there(tmp_path: Path) -> None:
    staff = FakeStaff()
    crew = Crew(staff, 60)
    for number in range(2 * MOST_IN_VAIN):
        crew.submit(scripted_trial(number, "walk", tmp_path))
        hand = staff.hands[-1]
        hand.says = [Happened(hand.ticket(), Rung(number, 1, None)), Gone("was killed")]
        assert isinstance(list(crew.events())[-1], Failed)


def test_a_place_is_not_given_up_for_machines_that_went(tmp_path: Path) -> None:
    staff = FakeStaff()
    crew = Crew(staff, 60)
    for number in range(2 * MOST_IN_VAIN):
        crew.submit(scripted_trial(number, "walk", tmp_path))
        staff.hands[-1].says = [Gone("died with its node", with_machine=True)]
        (event,) = crew.events()
        assert isinstance(event, Failed)
        assert event.kind == "machine_lost"


def test_a_worker_that_is_gone_gives_back_all_its_trials_after_what_it_had_said(tmp_path: Path) -> None:
    staff = FakeStaff(n_places=2)
    crew = Crew(staff, 60)
    for number in (0, 1):
        crew.submit(scripted_trial(number, "walk", tmp_path))
    first, second = staff.hands
    first.says = [Happened(first.ticket(), progress(0, 1)), Gone("was killed")]
    events = crew.events()
    assert next(events) == progress(0, 1)
    assert next(events) == Failed(0, "worker 0 was killed", kind="lost")
    assert first.is_ended
    assert not second.is_ended
    assert [hand.name for hand in staff.hands] == ["worker 0", "worker 1", "worker 0"]


def test_a_place_that_comes_is_filled_and_one_that_goes_is_not(tmp_path: Path) -> None:
    staff = FakeStaff(n_places=1)
    crew = Crew(staff, 60)
    crew.submit(scripted_trial(0, "walk", tmp_path))
    staff.n_places = 2
    (old,) = staff.hands
    old.says = [Happened(old.ticket(), progress(0, 1))]
    assert next(crew.events()) == progress(0, 1)
    assert crew.capacity == 1
    staff.n_places = 1
    staff.hands[1].says = [Gone("went away")]
    old.says = [Happened(old.ticket(), progress(0, 2))]
    assert next(crew.events()) == progress(0, 2)
    assert crew.capacity == 0
    with pytest.raises(RuntimeError, match="no worker has room for trial 1"):
        crew.submit(scripted_trial(1, "walk", tmp_path))
    crew.close()
    assert isinstance(old.told[-1], Close)
    assert all(hand.is_ended for hand in staff.hands)


@dataclass
class SlowStaff(FakeStaff):
    """Its workers take nothing before they have said so."""

    def hire(self, place: int) -> FakeHand:
        self.hands.append(FakeHand(f"worker {place}", Room(0), says=[Room(1)]))
        return self.hands[-1]


def test_where_nothing_runs_any_more_there_is_room(tmp_path: Path) -> None:
    staff = SlowStaff()
    crew = Crew(staff, 60)
    assert crew.capacity == 1
    crew.submit(scripted_trial(0, "walk", tmp_path))
    staff.hands[0].says = [Gone("was killed")]
    (event,) = crew.events()
    assert isinstance(event, Failed)
    assert crew.capacity == 1
    crew.submit(scripted_trial(0, "walk", tmp_path))
    staff.hands[1].says = [Room(0, submits=1, worn=True), Happened(staff.hands[1].ticket(), progress(0, 1))]
    assert next(crew.events()) == progress(0, 1)
    crew.cancel(0)
    assert staff.hands[1].is_ended
    assert crew.capacity == 1


def test_no_worker_in_time_is_said() -> None:
    with pytest.raises(FrontuneError, match="no worker was ready within 2 s"):
        Crew(FakeStaff(n_places=0), 2)


def test_progress_is_told_ten_times_a_second_and_always_the_last() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    told: list[TrialEvent] = []
    for step in range(1, 31):
        told += throttle.passed(progress(0, step))
        told += throttle.passed(progress(1, step)) if step == 1 else []
        now[0] += 1 / 32
    assert told == [progress(0, 1), progress(1, 1), *(progress(0, step) for step in range(5, 30, 4))]
    assert throttle.passed(Scoring(0)) == [progress(0, 30), Scoring(0)]
    throttle.forget(0)
    assert throttle.passed(Scoring(0)) == [Scoring(0)]


def test_a_worker_is_worn_when_it_holds_twice_what_it_held_after_its_first_trial_and_a_gib() -> None:
    memory = iter([5 * 2**30, 9 * 2**30, 10 * 2**30 + MOST_MORE_BYTES, 10 * 2**30 + MOST_MORE_BYTES + 1])
    wear = Wear(lambda: next(memory))
    found = []
    for _ in range(4):
        wear.trial_ended()
        found.append(wear.is_worn)
    assert found == [False, False, False, True]


def test_a_thread_has_moved_when_its_stack_is_elsewhere_or_it_went_round_its_loop() -> None:
    pulse, found = Pulse(), []
    for _ in range(3):
        found.append(pulse.moved())
    for turn in (False, True):
        if turn:
            pulse.turned()
        found.append(pulse.moved())
    assert found == [True, False, False, True, True]
