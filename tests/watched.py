"""Ledgers for the page to show: sweeps whose trials are told one by one, as a driver would tell them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from storage.ledger import Ledger
from storage.progress import save_progress
from storage.records import RungScore, SweepRecord, TrialOutcome, TrialProgress, TrialRecord
from storage.rungs import add_rung
from tests.test_pareto import make_trial

KINDS = (("lora", "LoRA", 1_000), ("adapter_h", "Adapter^H", 3_000), ("prefix_embed", "PrefixEmbed", 100))
STEPS = 100


def watched_trial(sweep: str, number: int, **changes: Any) -> TrialRecord:
    """The complete trial of that number: its method, size, seed and score follow from the number."""
    point = number // 2
    method, title, size = KINDS[point % len(KINDS)]
    values: dict[str, Any] = {
        "sweep": sweep,
        "study": f"{sweep}/{method}",
        "number": number,
        "method": method,
        "title": title,
        "label": f"r = {point + 1}",
        "hyperparameters": {"r": point + 1},
        "config_hash": f"{sweep} {point}",
        "seed": number % 2,
        "trainable_params": size * (point + 1),
        "score": 0.3 + 0.05 * point + 0.01 * (number % 2),
        "steps": STEPS,
        "train_seconds": 50.0,
    }
    return make_trial(**(values | changes))


def add_sweep(ledger: Ledger, name: str, n: int) -> None:
    """A sweep with so many trials that have ended; the last one was stopped at a rung."""
    ledger.add_sweep(
        SweepRecord(name, "gpt2-medium", "mnli", "accuracy", {"trials": n + 4}, datetime.now(UTC))
    )
    for number in range(n - 1):
        ledger.save_outcome(TrialOutcome(watched_trial(name, number)))
    ledger.save_outcome(
        TrialOutcome(watched_trial(name, n - 1, state="pruned", config_hash=f"{name} pruned"))
    )


def begin(ledger: Ledger, name: str, number: int) -> None:
    """A trial begins, and after 40 of its 100 steps has been scored at two rungs."""
    ledger.save_trial(
        watched_trial(
            name, number, state="running", score=None, train_seconds=None, created_at=datetime.now(UTC)
        )
    )
    for rung, step in enumerate((5, 16)):
        add_rung(ledger, name, RungScore(number, rung, step, 0.25 + 0.1 * rung, 1.0))
    step_to(ledger, name, number, 40)


def step_to(ledger: Ledger, name: str, number: int, step: int) -> None:
    """A running trial is after this step, of half a second each."""
    now = datetime.now(UTC)
    losses = tuple((each, 3.0 / each) for each in range(1, step + 1))
    first = now - timedelta(seconds=0.5 * (step - 1))
    save_progress(ledger, name, [TrialProgress(number, step, STEPS, now, 1, first, losses)])


def end(ledger: Ledger, name: str, number: int, **changes: Any) -> None:
    """A running trial ends."""
    ledger.save_outcome(TrialOutcome(watched_trial(name, number, **changes)))
