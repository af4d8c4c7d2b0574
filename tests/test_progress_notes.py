"""Notes of running trials: seldom, short, and never in the sweep's way."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storage.ledger import Ledger, LedgerAway
from storage.progress import progress_of
from storage.records import TrialProgress
from sweeps import progress_notes
from sweeps.progress_notes import AWAY_S, CURVE_POINTS, NOTED_EVERY_S, ProgressNotes
from sweeps.trial import Progress
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of
from tests.test_ledger import SWEEP, TRIAL


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def step(number: int, at: int, steps: int = 1000, loss: float = 1.0) -> Progress:
    return Progress(number, at, steps, loss, 10.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = Ledger.open(f"sqlite:///{tmp_path / 'frontune.db'}")
    opened.add_sweep(SWEEP)
    for number in (0, 1):
        opened.save_trial(replace(TRIAL, number=number, state="running", score=None))
    return opened


def steps_noted(ledger: Ledger) -> dict[int, int]:
    return {each.number: each.step for each in progress_of(ledger, "démo")}


def test_what_trials_did_is_noted_at_most_every_two_seconds(ledger: Ledger) -> None:
    clock = Clock()
    notes = ProgressNotes(ledger, "démo", clock)
    notes.stepped(step(0, 1))
    notes.stepped(step(0, 2))
    notes.stepped(step(1, 1))
    assert steps_noted(ledger) == {0: 1}
    clock.now += NOTED_EVERY_S
    notes.stepped(step(0, 3))
    assert steps_noted(ledger) == {0: 3, 1: 1}
    ledger.close()


def test_a_trial_that_begins_again_is_noted_from_there(ledger: Ledger) -> None:
    clock = Clock()
    notes = ProgressNotes(ledger, "démo", clock)
    for at in (1, 2, 3, 2):
        clock.now += NOTED_EVERY_S
        notes.stepped(step(0, at))
    (found,) = progress_of(ledger, "démo")
    assert (found.first_step, found.step) == (2, 2)
    assert found.first_at == found.at
    ledger.close()


def test_a_curve_holds_the_means_of_a_hundredth_of_the_steps(ledger: Ledger) -> None:
    clock = Clock()
    notes = ProgressNotes(ledger, "démo", clock)
    for at in range(1, 2 * CURVE_POINTS * 10 + 1):
        notes.stepped(step(0, at, steps=2 * CURVE_POINTS * 10, loss=math.nan if at == 7 else float(at)))
    clock.now += NOTED_EVERY_S
    notes.stepped(step(1, 1))
    losses = progress_of(ledger, "démo")[0].losses
    assert len(losses) == CURVE_POINTS
    assert losses[0] == (20, (sum(range(1, 21)) - 7) / 19)
    assert losses[-1] == (2000, sum(range(1981, 2001)) / 20)
    ledger.close()


def test_a_ledger_that_is_away_is_not_asked_for_a_minute(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = Clock(), []

    def away(*given: object) -> None:
        asked.append(clock.now)
        raise LedgerAway("locked")

    monkeypatch.setattr(progress_notes, "save_progress", away)
    notes = ProgressNotes(ledger, "démo", clock)
    for _ in range(70):
        notes.stepped(step(0, 1))
        clock.now += 1.0
    assert asked == [100.0, 100.0 + AWAY_S]
    ledger.close()


def test_a_sweep_that_runs_notes_its_trials_and_leaves_no_note(
    sweep_file: SweepFile,
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, seen = make_workspace(), list[TrialProgress]()
    real = ProgressNotes.stepped

    def stepped(notes: ProgressNotes, event: Progress) -> None:
        real(notes, event)
        seen.extend(progress_of(notes.ledger, notes.sweep))

    monkeypatch.setattr(progress_notes, "NOTED_EVERY_S", 0.0)
    monkeypatch.setattr(ProgressNotes, "stepped", stepped)
    assert frontune("run", sweep_file(trials=2, seeds=[0]), "--workspace", workspace).exit_code == 0
    assert [(each.number, each.step, each.steps) for each in seen] == [
        (number, at, 3) for number in (0, 1) for at in (1, 2, 3)
    ]
    with closing(ledger_of(workspace)) as ledger:
        assert progress_of(ledger, "small") == []
