"""What becomes of a trial that failed: it is tried again, or its end is recorded with the reason.

All that driver and executors do about a failure follows from one table, which docs/unattended.md shows.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from methods.errors import FrontuneError
from storage.records import TrialOutcome
from sweeps.trial import Failed, FailureKind
from sweeps.trial_records import PlannedTrial

TriedAgain = Literal["no", "yes", "in less company", "with half the micro-batch", "once there is room"]
Most = Literal["max_retries"] | int
ROOM_TRIES = 3
"""So often a trial that found no room for its files is tried again, with more room each time."""


@dataclass(frozen=True)
class Policy:
    """What follows a kind of failure: how the trial is tried again, from its last rung, and at most how often
    (None: as often as it happens); what it is at last; and whether it then counts toward `max_failures`."""

    again: TriedAgain
    most: Most | None
    ends: Literal["failed", "infeasible"] | None
    counts: bool


POLICIES: Mapping[FailureKind, Policy] = {
    # NaN and what cannot be trained would come out the same; the one is a result, the other a mistake.
    "diverged": Policy("no", None, "failed", counts=False),
    "refused": Policy("no", None, "failed", counts=True),
    # Half the rows go through the base at a time, down to one, and the result is the same.
    "out_of_memory": Policy("with half the micro-batch", None, "infeasible", counts=False),
    "too_large": Policy("no", None, "infeasible", counts=False),
    "no_space": Policy("once there is room", ROOM_TRIES, "failed", counts=True),
    "error": Policy("yes", "max_retries", "failed", counts=True),
    "lost": Policy("in less company", "max_retries", "failed", counts=True),
    # One of them is to blame, or their number; who it is shows itself once it is alone.
    "lost_in_company": Policy("in less company", None, None, counts=False),
    "machine_lost": Policy("yes", None, None, counts=False),
}


@dataclass(frozen=True)
class Again:
    """The trial is tried again, once so much room is free on the disk; `why` is for the user."""

    planned: PlannedTrial
    why: str
    room_bytes: int = 0


@dataclass
class Failures:
    """Those of one run of a sweep."""

    max_retries: int
    max_failures: int | None
    _tries: Counter[tuple[int, Most | None]] = field(default_factory=Counter)
    _n_failed: int = 0

    def after(self, planned: PlannedTrial, event: Failed) -> Again | TrialOutcome:
        """Return what to do now that the trial failed."""
        policy, number = POLICIES[event.kind], event.number
        self._tries[number, policy.most] += 1
        tries, most = self._tries[number, policy.most], self._most(policy)
        again = _again(planned, event, policy, tries) if most is None or tries <= most else None
        if again is None:
            assert policy.ends, "what is tried again without end has none"
            return TrialOutcome(replace(planned.record, state=policy.ends, reason=_reason(event, policy)))
        of = f" ({tries} of {most})" if most is not None else ""
        return replace(again, why=f"{_name(planned)}: {again.why}{of}")

    def too_many(self, event: Failed) -> str:
        """Count a trial whose end this was; return why the sweep ends with it, empty where it goes on."""
        self._n_failed += POLICIES[event.kind].counts
        if self.max_failures is None or self._n_failed < self.max_failures:
            return ""
        return f"{self._n_failed} trials failed, max_failures is {self.max_failures}: {event.reason}"

    def _most(self, policy: Policy) -> int | None:
        return self.max_retries if policy.most == "max_retries" else policy.most


def failed_by(number: int, error: Exception) -> Failed:
    """What an error in the driver means for the trial that it was about; it may be chance."""
    if isinstance(error, FrontuneError):
        return Failed(number, str(error))
    trace = "".join(traceback.format_exception(error))
    return Failed(number, f"{type(error).__name__}: {error}", trace)


def _again(planned: PlannedTrial, event: Failed, policy: Policy, tries: int) -> Again | None:
    said = event.reason.partition("\n")[0]
    if policy.again == "no":
        return None
    if policy.again == "with half the micro-batch":
        return _with_half_the_micro_batch(planned)
    if policy.again == "once there is room":
        room_bytes = _files_bytes(planned) * 2 ** (tries - 1)
        return Again(planned, f"{said}; again once {room_bytes / 1e6:,.0f} MB are free", room_bytes)
    return Again(
        planned, f"{said}; again" + " with half as many beside it" * (event.kind == "lost_in_company")
    )


def _with_half_the_micro_batch(planned: PlannedTrial) -> Again | None:
    recipe = planned.spec.recipe
    rows = min(recipe.micro_batch or recipe.batch_size, recipe.batch_size)
    if rows == 1:
        return None
    spec = replace(planned.spec, recipe=replace(recipe, micro_batch=rows // 2))
    return Again(replace(planned, spec=spec), f"out of memory; again with micro_batch {rows // 2}")


def _files_bytes(planned: PlannedTrial) -> int:
    """Weights and AdamW's two moments in float32, which a rung writes, and a MiB for what goes with them."""
    return 3 * 4 * planned.record.trainable_params + 2**20


def _reason(event: Failed, policy: Policy) -> str:
    said = event.reason
    if event.kind == "out_of_memory":
        said = f"out of memory with one row at a time: {said}"
    elif event.kind == "too_large":
        said = f"out of memory though alone on its device: {said}"
    elif event.kind == "no_space":
        said = f"{said}, {policy.most} times again after there had been room for its files"
    return f"{said}\n{event.traceback}".strip()


def _name(planned: PlannedTrial) -> str:
    record = planned.record
    return f"trial {record.number} {record.title} {record.label}".rstrip()
