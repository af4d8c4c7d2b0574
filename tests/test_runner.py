"""The runner of a device: trials come and go side by side, and what one does depends on no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.base import Edit, Rows
from methods.frozen import FrozenBase
from methods.loading import load_base
from sweeps.data import TaskData
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from sweeps.training.train import PackRunner
from sweeps.trial import Failed, Finished, Progress, Rung, TrialEvent, TrialSpec
from tests.alone import train_trial

MIXED = (
    "lora(r_q=2, r_v=2)",
    "adapter_h(r=2)",
    "prefix_embed(l_p=3, l_i=1)",
    "adapter_l(r=4)",
    "prefix_layer(l_p=2, l_i=0)",
    "lora(r_q=1, dropout=0.2) + prefix_embed(l_p=2, l_i=0)",
)


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., TrialSpec]:
    def make(number: int, method: str, rungs: tuple[int, ...] = (), **recipe: Any) -> TrialSpec:
        chosen = {"lr": 1e-2, "steps": 4, "batch_size": 4, "seed": number, **recipe}
        return TrialSpec(
            "s",
            number,
            method,
            Recipe(**chosen),
            str(tmp_path / f"adapter-{number}"),
            number,
            f"hash-{number}",
            rungs=rungs,
            score_rungs=True,
            checkpoint_file=str(tmp_path / f"state-{number}"),
        )

    return make


def drive(runner: PackRunner, trials: list[TrialSpec]) -> list[TrialEvent]:
    """Keep the runner full until every trial has ended."""
    trials, events = list(trials), []
    while trials or runner.busy:
        while trials and runner.capacity:
            runner.submit(trials.pop(0))
        events += list(runner.advance())
    return events


def finished(events: list[TrialEvent]) -> dict[int, Finished]:
    return {event.number: event for event in events if isinstance(event, Finished)}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_trial_is_the_same_alone_and_among_others_that_come_and_go(
    base: str, data: TaskData, make_spec: Callable[..., TrialSpec], dtype: torch.dtype, tolerance: float
) -> None:
    frozen = load_base(base, dtype)
    trials = [make_spec(i, MIXED[i % 6], steps=3 + i % 4, batch_size=2 + i % 3) for i in range(24)]
    alone = {t.number: finished(list(train_trial(frozen, data, t)))[t.number] for t in trials}
    for slots in (4, 16):
        together = finished(drive(PackRunner(lambda: frozen, data, slots), trials))
        assert together.keys() == alone.keys()
        for number, event in together.items():
            mine, wanted = event.result, alone[number].result
            assert [step for step, _ in mine.curve] == [step for step, _ in wanted.curve]
            losses = torch.tensor([[a, b] for (_, a), (_, b) in zip(mine.curve, wanted.curve, strict=True)])
            torch.testing.assert_close(losses[:, 0], losses[:, 1], rtol=tolerance, atol=tolerance / 10)
            assert mine.metrics["loss"] == pytest.approx(wanted.metrics["loss"], rel=tolerance)
            assert (mine.score, mine.outcomes) == (wanted.score, wanted.outcomes)
            assert (mine.train_tokens, mine.steps) == (wanted.train_tokens, wanted.steps)


def test_only_a_trial_that_never_shared_its_device_has_a_peak_of_memory(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec]
) -> None:
    trials = [make_spec(0, MIXED[0], rungs=(2,), steps=4), make_spec(1, MIXED[1], steps=2)]
    runner = PackRunner(lambda: frozen, data, 2)
    together = finished(drive(runner, trials))
    assert [together[number].result.peak_memory_bytes for number in (0, 1)] == [None, None]
    again = finished(drive(runner, trials[:1]))[0].result
    assert again.peak_memory_bytes is None, "it goes on from a rung that it reached beside another"
    alone = finished(drive(runner, [make_spec(2, MIXED[0])]))[2].result
    assert alone.peak_memory_bytes


def test_a_slot_that_ends_is_filled_at_once_while_the_others_go_on(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec]
) -> None:
    trials = [make_spec(0, MIXED[0], steps=2), make_spec(1, MIXED[1], steps=6), make_spec(2, MIXED[2])]
    events = drive(PackRunner(lambda: frozen, data, 2), trials)
    order = [event.number for event in events if isinstance(event, Progress)]
    assert order == [0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 1, 2]


def test_trials_that_need_the_base_alone_wait_for_the_others_and_then_come_together(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec]
) -> None:
    before = {name: tensor.clone() for name, tensor in frozen.model.state_dict().items()}
    exclusive = {1, 3}
    trials = [make_spec(i, "ft_top2(n_layers=1)" if i in exclusive else MIXED[0], steps=2) for i in range(6)]
    runner = PackRunner(lambda: frozen, data, 2)
    events = drive(runner, trials)
    ended = [event.number for event in events if isinstance(event, Finished)]
    assert ended == [0, 2, 1, 3, 4, 5]
    assert all(torch.equal(before[name], tensor) for name, tensor in frozen.model.state_dict().items())
    assert runner.capacity == 2


def test_a_cancelled_trial_gives_no_more_events_and_makes_room(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec]
) -> None:
    runner = PackRunner(lambda: frozen, data, 2)
    for number in (0, 1):
        runner.submit(make_spec(number, MIXED[number], rungs=(2,)))
    seen: list[TrialEvent] = []
    while runner.busy:
        for event in runner.advance():
            seen.append(event)
            if isinstance(event, Rung) and event.number == 0:
                runner.cancel(0)
                assert runner.capacity == 1
    assert [type(e).__name__ for e in seen if e.number == 0] == ["Progress", "Progress", "Rung"]
    assert finished(seen).keys() == {1}


class Broken(Edit):
    """Fails in every pass."""

    def __init__(self, inner: Edit) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x_BTI: torch.Tensor, y_BTO: torch.Tensor, rows: Rows) -> torch.Tensor:
        raise ValueError("a defect")


def test_a_trial_whose_edit_has_a_defect_fails_alone_with_the_traceback(
    frozen: FrozenBase,
    data: TaskData,
    make_spec: Callable[..., TrialSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = finished(list(train_trial(frozen, data, make_spec(5, MIXED[5]))))[5].result
    real = Slot.place

    def place(slot: Slot, *arguments: Any) -> Any:
        if slot.recipe.seed == 1:
            slot.edits = {site: Broken(edit) for site, edit in slot.edits.items()}
        return real(slot, *arguments)

    monkeypatch.setattr(Slot, "place", place)
    trials = [make_spec(i, MIXED[i]) for i in (0, 1, 2, 5)]
    events = drive(PackRunner(lambda: frozen, data, 4), trials)
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (failed.number, failed.kind, failed.reason) == (1, "error", "ValueError: a defect")
    assert "in forward" in failed.traceback
    assert finished(events).keys() == {0, 2, 5}
    # Dropout masks are drawn again for the pass that had to be repeated.
    assert finished(events)[5].result.metrics["loss"] == pytest.approx(wanted.metrics["loss"], rel=1e-5)


@pytest.fixture
def room_for_two(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Memory suffices for passes of two slots; the sizes of passes that were tried are noted."""
    real = Pack._losses
    tried: list[int] = []

    def losses(pack: Pack, turn: Any) -> Any:
        tried.append(len(turn))
        if len(turn) > 2:
            raise torch.OutOfMemoryError("simulated")
        return real(pack, turn)

    monkeypatch.setattr(Pack, "_losses", losses)
    return tried


def test_a_pack_that_memory_does_not_suffice_for_shrinks_and_loses_nothing(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec], room_for_two: list[int]
) -> None:
    trials = [make_spec(i, MIXED[i]) for i in (0, 1, 2, 5)]
    events = drive(PackRunner(lambda: frozen, data, 4), trials)
    assert finished(events).keys() == {0, 1, 2, 5}
    assert room_for_two == [4, 2, 2] + [2] * 6
    room_for_two.clear()
    for trial in trials:
        alone = finished(list(train_trial(frozen, data, trial)))[trial.number].result
        mine = finished(events)[trial.number].result
        assert mine.metrics["loss"] == pytest.approx(alone.metrics["loss"], rel=1e-5)
        assert [step for step, _ in mine.curve] == [step for step, _ in alone.curve]
        assert mine.train_tokens == alone.train_tokens


def too_large(monkeypatch: pytest.MonkeyPatch, *, alone: bool) -> list[int]:
    """Memory suffices for no pass with a step of nine rows, or for none with others; the sizes of the passes
    that it suffices for are noted."""
    real, passes = Pack._losses, list[int]()

    def losses(pack: Pack, turn: Any) -> Any:
        if (alone or len(turn) > 1) and any(slot.recipe.batch_size == 9 for slot, _ in turn):
            raise torch.OutOfMemoryError("simulated")
        passes.append(len(turn))
        return real(pack, turn)

    monkeypatch.setattr(Pack, "_losses", losses)
    return passes


def test_a_trial_that_is_too_large_alone_takes_neither_passes_nor_slots_from_the_others(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = too_large(monkeypatch, alone=True)
    trials = [make_spec(i, MIXED[i % 6], batch_size=9 if i == 1 else 4) for i in range(11)]
    runner = PackRunner(lambda: frozen, data, 4)
    events = drive(runner, trials)
    assert {e.number: e.kind for e in events if isinstance(e, Failed)} == {1: "out_of_memory"}
    assert finished(events).keys() == set(range(11)) - {1}
    assert passes[:5] == [1, 2, 3, 3, 3], "only the step that finds it out is taken apart"
    assert passes[-4:] == [4] * 4, "it has failed alone, and there are four slots again"
    assert runner.capacity == 4


def test_passes_are_whole_again_once_the_trial_has_ended_that_needed_one_of_its_own(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = too_large(monkeypatch, alone=False)
    sizes = {0: (6, 4), 1: (2, 9), 2: (6, 4)}
    trials = [make_spec(i, MIXED[i], steps=steps, batch_size=rows) for i, (steps, rows) in sizes.items()]
    runner = PackRunner(lambda: frozen, data, 3)
    assert finished(drive(runner, trials)).keys() == {0, 1, 2}
    assert passes == [1, 1, 1] * 2 + [2] * 4
    assert runner.capacity == 3


def test_a_trial_that_diverges_ends_alone(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec]
) -> None:
    trials = [make_spec(0, MIXED[0]), make_spec(1, MIXED[1], lr=1e30), make_spec(2, MIXED[2])]
    events = drive(PackRunner(lambda: frozen, data, 3), trials)
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (failed.number, failed.kind) == (1, "diverged")
    assert finished(events).keys() == {0, 2}


def test_a_full_runner_takes_no_trial(
    frozen: FrozenBase, data: TaskData, make_spec: Callable[..., TrialSpec]
) -> None:
    runner = PackRunner(lambda: frozen, data)
    runner.submit(make_spec(0, MIXED[0]))
    with pytest.raises(RuntimeError, match="no slot is free for trial 1"):
        runner.submit(make_spec(1, MIXED[0]))
    runner.close()
    assert not runner.busy
