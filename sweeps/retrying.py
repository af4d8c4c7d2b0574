"""`frontune resume NAME --retry-failed`: trials that failed are put back to be trained."""

from __future__ import annotations

from dataclasses import replace

from storage.records import TrialOutcome, TrialRecord
from sweeps.books import Books

DIVERGED = "diverged"
"""How the reason of a trial begins that would come out the same (`sweeps.training.slot.Diverged`)."""


def put_back(books: Books) -> int:
    """Put back every trial that failed, but for those that diverged; return how many.

    They begin anew, with all retries. What their studies were told stays, and samplers do not learn better.
    """
    failed = [trial for trial in books.trials.values() if _may_do_better(trial)]
    for trial in failed:
        reason = f"put back, having failed: {str(trial.reason).splitlines()[0]}"
        books.end(TrialOutcome(replace(trial, state="interrupted", reason=reason, mirrored=False)))
    return len(failed)


def _may_do_better(trial: TrialRecord) -> bool:
    return trial.state == "failed" and not str(trial.reason).startswith(DIVERGED)
