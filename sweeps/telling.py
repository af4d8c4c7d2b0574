"""How a point's study is told what came of it, once all of its replicates have ended."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import TrialRecord
from sweeps.study import MethodStudy, mean_score


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
