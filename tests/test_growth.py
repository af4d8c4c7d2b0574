"""How many trials a device trains side by side, and that a sweep finds the same with any number of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.budget import Budget
from sweeps.training.growth import MEASURED, SETTLING, Growth, room_on
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import trials_of

MakeWorkspace = Callable[[], Path]
FULL = SETTLING + MEASURED


def run_full(growth: Growth, tokens_per_second: float) -> None:
    """As many steps of a full pack as are measured."""
    for _ in range(FULL):
        growth.stepped(growth.limit, round(tokens_per_second), 1.0)


def test_a_pack_doubles_while_that_makes_it_faster_and_falls_back_to_the_last_that_did() -> None:
    growth, limits = Growth(), []
    for rate in (100, 190, 350, 355):
        run_full(growth, rate)
        limits.append(growth.limit)
    assert limits == [2, 4, 8, 4]
    run_full(growth, 10_000)
    assert growth.limit == 4


def test_one_slot_is_kept_where_two_are_no_faster() -> None:
    growth = Growth()
    run_full(growth, 100)
    run_full(growth, 103)
    assert growth.limit == 1


def test_steps_of_a_pack_that_is_not_full_and_the_first_ones_do_not_count() -> None:
    growth = Growth(limit=2)
    for _ in range(3 * FULL):
        growth.stepped(1, 100, 1.0)
    assert growth.limit == 2
    for number in range(FULL):
        growth.stepped(2, 1 if number < SETTLING else 100, 1.0)
    assert growth.limit == 4


def test_a_pack_grows_only_where_memory_has_room_and_shrinks_where_it_did_not_suffice() -> None:
    growth = Growth(has_room=lambda: growth.limit < 4)
    for rate in (100, 200, 400):
        run_full(growth, rate)
    assert growth.limit == 4
    growth.shrink(2)
    run_full(growth, 10_000)
    assert growth.limit == 2
    growth.shrink(3)
    assert growth.limit == 2, "that three fit is not learned from where three do not"


def test_a_trial_that_is_too_large_alone_says_nothing_of_how_many_others_fit() -> None:
    growth = Growth(limit=4)
    for slots in (3, 1):
        growth.shrink(slots)
    growth.restore()
    run_full(growth, 100)
    assert growth.limit == 8
    growth.shrink(6)
    assert growth.limit == 6


def test_a_number_that_the_user_gave_is_kept() -> None:
    growth = Growth.fixed(3)
    for rate in (100, 1000):
        run_full(growth, rate)
    assert growth.limit == 3


@pytest.mark.parametrize(("free", "enough"), [(2000, True), (10, False)])
def test_room_is_judged_by_the_measured_peak(
    monkeypatch: pytest.MonkeyPatch, free: int, enough: bool
) -> None:
    monkeypatch.setattr("sweeps.training.growth.peak_memory_bytes", lambda device: 1500)
    monkeypatch.setattr("sweeps.training.growth.free_memory_bytes", lambda device: free)
    assert room_on(None, before=500)() == enough  # type: ignore[arg-type]


@pytest.mark.parametrize("slots", [3, "auto"])
def test_a_sweep_with_several_slots_finds_what_one_slot_finds(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, slots: int | str
) -> None:
    points = [f"lora(r_q={r}, r_v={r}, lr=1e-2)" for r in (1, 2, 3, 4)]
    points += ["adapter_l(r=2, lr=1e-2)", "ft_top2(n_layers=1, lr=1e-3)", "prefix_embed(l_p=2, lr=1e-2)"]
    changes = {"methods": None, "trials": None, "points": points, "seeds": [0, 1]}
    one, several = make_workspace(), make_workspace()
    assert frontune("run", sweep_file(**changes), "--workspace", one).exit_code == 0
    file = sweep_file(**changes, slots_per_device=slots)
    assert frontune("run", file, "--workspace", several).exit_code == 0
    wanted, found = trials_of(one), trials_of(several)
    assert [(t.number, t.method, t.seed, t.label) for t in found] == [
        (t.number, t.method, t.seed, t.label) for t in wanted
    ]
    assert [t.score for t in found] == pytest.approx([t.score for t in wanted], abs=0.04)
    assert {t.state for t in found} == {"complete"}


def test_slots_may_change_between_runs_and_a_free_one_is_offered_nothing_until_a_trial_ends(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, asked = make_workspace(), list[int]()
    assert frontune("run", sweep_file(trials=2), "--workspace", workspace).exit_code == 0
    real = Budget.cannot_train

    def cannot_train(budget: Budget, tokens: int, *others: Any) -> str:
        asked.append(tokens)
        return real(budget, tokens, *others)

    monkeypatch.setattr(Budget, "cannot_train", cannot_train)
    # Enough for two more trials, not for the third, for which there is a slot.
    tokens = round(4.5 * (trials_of(workspace)[0].train_tokens or 0))
    file = sweep_file(trials=6, slots_per_device=3, train_tokens=tokens)
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert [trial.state for trial in trials_of(workspace)] == ["complete"] * 4
    assert len(asked) == 5, "of two that begin, of a third, and of it again after each end"


@pytest.mark.parametrize("slots", [0, "many", 1.5])
def test_other_numbers_of_slots_are_refused(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, slots: object
) -> None:
    result = frontune("run", sweep_file(slots_per_device=slots), "--workspace", tmp_path / "runs")
    assert result.exit_code == 2
    assert "slots_per_device" in result.stderr
