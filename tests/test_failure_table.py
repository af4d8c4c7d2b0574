"""What follows each kind of failure: the table of the code, walked row by row, and that of its page."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from storage.records import TrialOutcome
from sweeps.failures import POLICIES, Again, Failures
from sweeps.training.recipe import Recipe
from sweeps.trial import Failed, FailureKind, TrialSpec
from sweeps.trial_records import PlannedTrial
from tests.test_pareto import make_trial

PAGE = Path(__file__).parents[1] / "docs" / "unattended.md"
MAX_RETRIES, BATCH, OFTEN = 2, 4, 50
HALVES = 2
"""From a batch of four rows to one."""


def planned(number: int = 0) -> PlannedTrial:
    spec = TrialSpec("s", number, "lora(r_q=1)", Recipe(steps=3, batch_size=BATCH), "unused", 0, "hash")
    return PlannedTrial(spec, make_trial(number=number, state="running"))


def walked(kind: FailureKind) -> tuple[list[Again], TrialOutcome | None]:
    """All that follows while a trial fails in one way, again and again: what is tried, and its end."""
    failures, trial, tried = Failures(MAX_RETRIES, None), planned(), list[Again]()
    for _ in range(OFTEN):
        after = failures.after(trial, Failed(0, "why", "Traceback", kind))
        if isinstance(after, TrialOutcome):
            return tried, after
        tried.append(after)
        trial = after.planned
    return tried, None


def test_every_kind_of_failure_has_a_row() -> None:
    assert set(POLICIES) == set(typing.get_args(FailureKind))


@pytest.mark.parametrize("kind", POLICIES)
def test_a_trial_that_fails_is_tried_again_as_its_kinds_row_says(kind: FailureKind) -> None:
    policy = POLICIES[kind]
    tried, end = walked(kind)
    wanted = {"no": 0, "with half the micro-batch": HALVES}.get(policy.again)
    if wanted is None:
        wanted = MAX_RETRIES if policy.most == "max_retries" else policy.most or OFTEN
    assert len(tried) == wanted
    assert (end and end.trial.state) == policy.ends
    if end is not None:
        assert "why" in str(end.trial.reason)
        assert str(end.trial.reason).endswith("Traceback")
    assert all("; again" in each.why for each in tried)
    rows = [each.planned.spec.recipe.micro_batch for each in tried]
    assert rows == ([2, 1] if policy.again == "with half the micro-batch" else [None] * len(tried))
    room = [each.room_bytes for each in tried]
    assert (sorted(set(room)) == room) if policy.again == "once there is room" else not any(room)


@pytest.mark.parametrize("kind", POLICIES)
def test_a_trials_end_counts_toward_max_failures_as_its_kinds_row_says(kind: FailureKind) -> None:
    failures = Failures(MAX_RETRIES, max_failures=2)
    said = [failures.too_many(Failed(number, "why", kind=kind)) for number in range(2)]
    assert said == ["", "2 trials failed, max_failures is 2: why" if POLICIES[kind].counts else ""]


def test_without_max_failures_no_number_of_them_ends_the_sweep() -> None:
    failures = Failures(MAX_RETRIES, None)
    assert not any(failures.too_many(Failed(number, "why")) for number in range(OFTEN))


def test_errors_and_lost_workers_share_max_retries() -> None:
    failures = Failures(1, None)
    assert isinstance(failures.after(planned(), Failed(0, "why", kind="lost")), Again)
    assert isinstance(failures.after(planned(1), Failed(1, "why")), Again)
    assert isinstance(failures.after(planned(), Failed(0, "why")), TrialOutcome)


def test_the_page_shows_the_table() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| `")]
    shown = {row[0].strip("`"): row[2:] for row in cells if len(row) == 6}
    wanted = {}
    for kind, policy in POLICIES.items():
        most = "`max_retries`" if policy.most == "max_retries" else str(policy.most or "")
        wanted[kind] = [policy.again, most, policy.ends or "", "yes" if policy.counts else "no"]
    assert shown == wanted
