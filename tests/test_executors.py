"""The contract of all executors: what goes in comes back in order, once, and as if trained here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from methods.errors import FrontuneError
from methods.loading import load_base
from sweeps.data import TaskData
from sweeps.executors.base import Executor
from sweeps.executors.inline import InlineExecutor
from sweeps.executors.processes import process_crew
from sweeps.executors.ray_crew import ray_crew
from sweeps.executors.trainer import SweepTrainer
from sweeps.training.recipe import Recipe
from sweeps.trial import Failed, Finished, Progress, Rung, Scoring, TrialEvent, TrialSpec
from tests.alone import train_trial
from tests.events import drained, ended, first

MakeExecutor = Callable[[SweepTrainer], Executor]
MakeTrial = Callable[..., TrialSpec]
KINDS = ("inline", "processes", "ray")
SLOTS = 2


@pytest.fixture(scope="module")
def sweep_trainer(base: str, data: TaskData) -> SweepTrainer:
    return SweepTrainer(base, "float32", False, data, SLOTS)


@pytest.fixture(scope="module", params=KINDS)
def make_executor(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[MakeExecutor]:
    """Makes executors of one worker; workers count in one thread, as the tests do, or digits would differ."""
    made: list[Executor] = []
    if request.param == "ray":
        cluster = request.getfixturevalue("ray_cluster")

    def make(trainer: SweepTrainer) -> Executor:
        if request.param == "inline":
            made.append(InlineExecutor(trainer("cpu")))
        elif request.param == "ray":
            # Of one kind there is one worker alone, and the first one made stays.
            own = {"cell": 2.0} if not made else {"seat": 1.0}
            made.append(ray_crew(trainer, cluster.address, own, timeout_s=600))
        else:
            made.append(process_crew(trainer, ["cpu"], tmp_path_factory.mktemp("logs"), timeout_s=600))
        return made[-1]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        yield make
    for executor in made:
        executor.close()


@pytest.fixture(scope="module")
def warm(make_executor: MakeExecutor, sweep_trainer: SweepTrainer, tmp_path_factory: Any) -> Executor:
    """An executor that has trained a trial, so that its workers have said how many they take."""
    executor = make_executor(sweep_trainer)
    executor.submit(trial_in(tmp_path_factory.mktemp("first"))(99, steps=1))
    drained(executor, 99)
    return executor


def trial_in(folder: Path) -> MakeTrial:
    def make(number: int, method: str = "lora(r_q=2, r_v=1)", steps: int = 4, **changes: Any) -> TrialSpec:
        recipe = Recipe(**{"lr": 1e-2, "steps": steps, "batch_size": 4, "seed": number, **changes})
        files = str(folder / f"adapter-{number}"), str(folder / f"state-{number}")
        return TrialSpec(
            "s", number, method, recipe, files[0], number, f"h{number}", checkpoint_file=files[1]
        )

    return make


@pytest.fixture
def make_trial(tmp_path: Path) -> MakeTrial:
    return trial_in(tmp_path)


def test_a_trials_events_come_in_order_and_end_with_its_result(warm: Executor, make_trial: MakeTrial) -> None:
    trial = replace(make_trial(0, steps=6), rungs=(2, 4), score_rungs=True)
    state, adapter = Path(trial.checkpoint_file), Path(trial.adapter_file)
    there = []
    warm.submit(trial)
    events = drained(warm, 0, at=lambda event: there.append((state.is_file(), adapter.is_file())))
    others = [type(event) for event in events if not isinstance(event, Progress)]
    assert others == [Rung, Rung, Scoring, Finished]
    steps = [event.step for event in events if isinstance(event, Progress | Rung)]
    assert steps == sorted(steps)
    assert isinstance(events[-3], Progress)
    assert events[-3].step == events[-3].steps == 6
    for event, (has_state, has_adapter) in zip(events, there, strict=True):
        assert has_state or not isinstance(event, Rung)
        assert has_adapter or not isinstance(event, Finished)
    assert list(warm.events()) == []


def test_every_number_is_the_one_that_training_here_gives(
    warm: Executor, make_trial: MakeTrial, base: str, data: TaskData, tmp_path: Path
) -> None:
    trial = make_trial(1, "lora(r_q=2, dropout=0.1) + prefix_embed(l_p=2, l_i=0)")
    (tmp_path / "here").mkdir()
    mine = replace(trial, adapter_file=str(tmp_path / "here" / "adapter"), checkpoint_file="")
    wanted = ended(list(train_trial(load_base(base), data, mine)))[1]
    warm.submit(trial)
    found = ended(drained(warm, 1))[1]
    assert isinstance(wanted, Finished)
    assert isinstance(found, Finished)
    for name in ("score", "metrics", "curve", "trainable_params", "steps", "train_tokens", "rows"):
        assert getattr(found.result, name) == getattr(wanted.result, name), name
    assert Path(trial.adapter_file).read_bytes() == Path(mine.adapter_file).read_bytes()


def test_trials_run_side_by_side_as_far_as_there_is_room(warm: Executor, make_trial: MakeTrial) -> None:
    assert warm.capacity == SLOTS
    for number in (0, 1):
        warm.submit(make_trial(number, steps=60))
    assert warm.capacity == 0
    with pytest.raises(RuntimeError, match="for trial 2"):
        warm.submit(make_trial(2))
    events = drained(warm, 0, 1)
    first_end = min(i for i, event in enumerate(events) if isinstance(event, Finished))
    assert {event.number for event in events[:first_end]} == {0, 1}
    assert warm.capacity == SLOTS


def test_there_is_room_for_another_as_soon_as_one_has_ended(warm: Executor, make_trial: MakeTrial) -> None:
    room = []

    def fill(event: TrialEvent) -> None:
        if isinstance(event, Finished):
            room.append(warm.capacity)
        if isinstance(event, Finished) and event.number < 2:
            warm.submit(make_trial(event.number + 2))

    for number in (0, 1):
        warm.submit(make_trial(number))
    drained(warm, 0, 1, 2, 3, at=fill)
    assert room[-1] == SLOTS
    assert min(room) >= 1


def test_a_cancelled_trial_gives_no_more_events_and_makes_room_at_once(
    warm: Executor, make_trial: MakeTrial
) -> None:
    after: list[TrialEvent] = []

    def cancel(event: TrialEvent) -> None:
        if event.number == 0:
            after.append(event)
            if isinstance(event, Rung):
                warm.cancel(0)
                assert warm.capacity == 1

    warm.submit(replace(make_trial(0, steps=500), rungs=(3,)))
    warm.submit(make_trial(1, steps=8))
    drained(warm, 1, at=cancel)
    assert isinstance(after[-1], Rung)
    warm.cancel(0)
    warm.cancel(12345)
    assert list(warm.events()) == []
    assert warm.capacity == SLOTS


def test_a_cancelled_trial_that_is_submitted_again_goes_on_and_ends_once(
    warm: Executor, make_trial: MakeTrial
) -> None:
    trial = replace(make_trial(0, steps=30), rungs=(10,))

    def cancel(event: TrialEvent) -> None:
        if isinstance(event, Rung) and event.step == 10:
            warm.cancel(0)
            warm.submit(replace(trial, rungs=()))

    warm.submit(trial)
    events = drained(warm, 0, at=cancel)
    again = events[[isinstance(event, Rung) for event in events].index(True) + 1 :]
    assert next(event.step for event in again if isinstance(event, Progress)) == 11
    assert len([event for event in events if isinstance(event, Finished)]) == 1
    result = ended(events)[0]
    assert isinstance(result, Finished)
    assert [step for step, _ in result.result.curve] == list(range(1, 31))


def test_trials_that_fail_stop_no_other(warm: Executor, make_trial: MakeTrial, tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.touch()
    waiting = [
        make_trial(0, "adapter_h(r=2)", lr=1e30),
        make_trial(1, steps=8),
        make_trial(2, "lora(r_q=9999)"),
        make_trial(3),
        make_trial(4, "not_installed_here(r=2)"),
        replace(make_trial(5), adapter_file=str(blocked / "adapter")),
    ]

    def fill(event: TrialEvent | None) -> None:
        while waiting and warm.capacity:
            warm.submit(waiting.pop(0))

    fill(None)
    last = ended(drained(warm, *range(6), at=fill))
    kinds = {number: event.kind for number, event in last.items() if isinstance(event, Failed)}
    assert kinds == {0: "diverged", 2: "refused", 4: "error", 5: "error"}


def test_a_method_that_needs_the_base_alone_and_others_all_come_to_their_end(
    warm: Executor, make_trial: MakeTrial
) -> None:
    waiting = [make_trial(i, "ft_top2(n_layers=1)" if i % 2 else "lora(r_q=1)") for i in range(6)]

    def fill(event: TrialEvent | None) -> None:
        while waiting and warm.capacity:
            warm.submit(waiting.pop(0))

    fill(None)
    last = ended(drained(warm, *range(6), at=fill))
    assert all(isinstance(event, Finished) for event in last.values())


def test_a_base_that_cannot_be_loaded_ends_the_events_with_its_sentence(
    make_executor: MakeExecutor, sweep_trainer: SweepTrainer, make_trial: MakeTrial, tmp_path: Path
) -> None:
    executor = make_executor(replace(sweep_trainer, base=str(tmp_path)))
    executor.submit(make_trial(0))
    with pytest.raises(FrontuneError, match=r"neither config\.json nor"):
        drained(executor, 0)
    executor.close()


def test_closing_ends_what_runs_and_twice_is_as_good_as_once(
    make_executor: MakeExecutor, sweep_trainer: SweepTrainer, make_trial: MakeTrial
) -> None:
    executor = make_executor(sweep_trainer)
    executor.submit(make_trial(0, steps=100_000))
    assert isinstance(first(executor), Progress)
    assert list(executor.close()) == []
    assert list(executor.close()) == []
    assert list(executor.events()) == []
