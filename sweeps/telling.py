"""How a point's study is told what came of it, once all of its replicates have ended."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import TrialRecord
from sweeps.study import MethodStudy


def tell_study(study: MethodStudy, number: int, trials: Sequence[TrialRecord]) -> None:
    """A point with a replicate that was pruned, or that memory does not suffice for, is so as a whole."""
    states = {trial.state for trial in trials}
    score, params = mean_score([trial.score for trial in trials]), trials[0].trainable_params
    if "infeasible" in states:
        study.tell_infeasible(number, params)
    elif "pruned" in states:
        study.tell_pruned(number, score, params)
    else:
        study.tell(number, score, params)


def mean_score(scores: Sequence[float | None]) -> float | None:
    """The mean over a point's replicates that have a score; None if none has."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
