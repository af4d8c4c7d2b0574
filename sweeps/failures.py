"""What becomes of a trial that failed: it is tried again, or its end is recorded with the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from storage.records import TrialOutcome
from sweeps.trial import Failed
from sweeps.trial_records import PlannedTrial

TRIED_AGAIN = ("error", "lost")
"""What may be chance, and counts as a failure of the sweep where it is none."""


@dataclass(frozen=True)
class Again:
    """The trial is tried again, from its last rung; `why` is for the user."""

    planned: PlannedTrial
    why: str


def after_failure(
    planned: PlannedTrial, event: Failed, attempts: int, max_retries: int
) -> Again | TrialOutcome:
    """Return what to do after the trial failed, for the so many-th time by what may be chance.

    Where memory did not suffice, half the rows go through the base at a time, down to one, and the result
    is the same; what does not fit then is infeasible. A full disk is waited for, and a machine that went
    is no trial's fault. Only what may be chance is tried again: NaN and what cannot be trained would come
    out the same.
    """
    what = f"trial {planned.record.number} {planned.record.title} {planned.record.label}".rstrip()
    if event.kind == "out_of_memory":
        rows = planned.spec.recipe.micro_batch or planned.spec.recipe.batch_size
        rows = min(rows, planned.spec.recipe.batch_size)
        if rows > 1:
            recipe = replace(planned.spec.recipe, micro_batch=rows // 2)
            smaller = replace(planned, spec=replace(planned.spec, recipe=recipe))
            return Again(smaller, f"{what}: out of memory; again with micro_batch {rows // 2}")
        reason = f"out of memory with one row at a time: {event.reason}"
        return TrialOutcome(replace(planned.record, state="infeasible", reason=reason))
    if event.kind == "no_space":
        return Again(planned, f"{what}: {event.reason}; again once there is room")
    if event.kind == "machine_lost":
        return Again(planned, f"{what}: {event.reason}; again")
    if event.kind in TRIED_AGAIN and attempts <= max_retries:
        return Again(planned, f"{what}: {event.reason.splitlines()[0]}; again ({attempts} of {max_retries})")
    reason = f"{event.reason}\n{event.traceback}".strip()
    return TrialOutcome(replace(planned.record, state="failed", reason=reason))
