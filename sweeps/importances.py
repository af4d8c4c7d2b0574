"""How much each hyperparameter matters within its method: Optuna's importances over the sweep's studies."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from dashboards.appearance import method_order
from dashboards.figure_source import Importance
from storage.records import TrialRecord
from sweeps.studies import open_storage

FEWEST = 8
"""Of fewer configurations nothing is learned."""


def importances(url: str, sweep: str, trials: Sequence[TrialRecord]) -> list[Importance]:
    """Return the shares within each method, methods in the paper's order, the largest share first.

    By functional ANOVA (Hutter et al. 2014) as Optuna has it: how much of the variance of a random forest's
    predicted score each hyperparameter explains alone; what only combinations explain is in none of them, so
    they add up to 1 at most. Seeded. A configuration's score is the one its sampler was told, the mean over
    the seeds of the search: later replicates, which the front alone has, are not in it. A method with fewer
    than `FEWEST` completed configurations, or nothing that was searched, is left out.
    """
    storage = open_storage(url)
    known = {summary.study_name for summary in optuna.get_all_study_summaries(storage=storage)}
    titles = {t.method: t.title for t in trials}
    found: list[Importance] = []
    for method in sorted(titles, key=method_order):
        name = f"{sweep}/{method}"
        if name in known:
            study = optuna.load_study(study_name=name, storage=storage)
            found += _of_study(study, method, titles[method])
    return found


def _of_study(study: optuna.Study, method: str, title: str) -> list[Importance]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    searched = [trial for trial in trials if trial.params]
    varied = [key for key in _shared(searched) if len({repr(t.params[key]) for t in searched}) > 1]
    if len(searched) < FEWEST or not varied or len({_score(trial) for trial in searched}) == 1:
        return []
    # Optuna's get_param_importances would make them add up to 1.
    shares = FanovaImportanceEvaluator(seed=0).evaluate(study, params=varied, target=_score)
    return [Importance(method, title, name, share, len(searched)) for name, share in shares.items()]


def _shared(trials: Sequence[FrozenTrial]) -> list[str]:
    """The hyperparameters that all trials have."""
    return [key for key in trials[0].params if all(key in t.params for t in trials)] if trials else []


def _score(trial: FrozenTrial) -> float:
    return float(trial.values[0])
