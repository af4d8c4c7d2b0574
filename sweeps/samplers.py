"""What a sampler is shown of a study, and where it then looks: Optuna's samplers, made anew for every draw.

A sampler never sees the study itself but a copy in memory, made for one draw. In the copy

- a pruned point has the score at which it was stopped: Optuna's NSGA-II and GP would else not see it at all;
- a point that cannot be trained violates a constraint, and all others keep it;
- the second objective is log10 of the trainable parameters, and so is the axis of whole-number sizes: there a
  front is drawn and measured, and there a model of it is smooth;
- points outside the search space are left out: they would leave the samplers no common parameters.
"""

from __future__ import annotations

import logging
import math
import random
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.samplers.nsgaii import PolynomialMutation, SBXCrossover
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.sizes import Sizes
from sweeps.space import Choice, Range

START_UP = 10
"""So many points with a score are drawn evenly before a sampler that learns is asked."""
POPULATION = 10
"""Of NSGA-II: a method of a sweep has tens of points, not the thousands that Optuna's 50 is made for."""
KEEPS, VIOLATES = -1.0, 1.0
"""Values of the one constraint, that a point can be trained: Optuna takes above 0 for violated."""


@dataclass(frozen=True)
class Seen:
    """A point of a study as a sampler is shown it: `params` are those that are searched.

    `waits`: it is being trained, so nothing else is known of it. An infeasible one has no score.
    """

    params: Mapping[str, Any]
    trainable_params: int = 0
    score: float | None = None
    state: Literal["scored", "infeasible", "waits"] = "scored"


def draw(
    sampler: str,
    seed: int,
    space: Mapping[str, Choice | Range],
    sizes: Sizes | None,
    seen: Sequence[Seen],
) -> dict[str, Any]:
    """Return the searched parameters of the point that the sampler asks for next, known or not.

    It follows from the arguments alone, so a resumed sweep draws what an undisturbed one would.
    """
    sized = sizes.keys if sizes else ()
    distributions = {key: distribution(d, even_in_log=key in sized) for key, d in space.items()}
    if sampler in LEARNING and sum(each.state == "scored" for each in seen) >= START_UP:
        return _asked(_shown(seen, distributions), LEARNING[sampler](seed), distributions)
    drawn = _asked(_shown((), distributions), RandomSampler(seed=seed), distributions)
    return sizes.evenly(drawn, random.Random(seed).random()) if sizes else drawn


def distribution(dimension: Choice | Range, *, even_in_log: bool = False) -> BaseDistribution:
    """Return a searched parameter as Optuna has it."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    log = dimension.log or (even_in_log and dimension.low >= 1)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=log)
    return FloatDistribution(dimension.low, dimension.high, log=log)


def _asked(
    study: optuna.Study, sampler: BaseSampler, distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    study.sampler = sampler
    params: dict[str, Any] = study.ask(dict(distributions)).params
    return params


def _shown(seen: Sequence[Seen], distributions: Mapping[str, BaseDistribution]) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"])
    scores = [each.score for each in seen if each.score is not None]
    constrained = any(each.state == "infeasible" for each in seen)
    # The score of a point that cannot be trained is not known; the mean pulls a model nowhere.
    unknown = statistics.fmean(scores) if scores else 0.0
    study.add_trials([_trial(each, distributions, unknown, constrained) for each in seen])
    return study


def _trial(
    each: Seen, distributions: Mapping[str, BaseDistribution], unknown: float, constrained: bool
) -> FrozenTrial:
    if each.state == "waits":
        return create_trial(state=TrialState.RUNNING, params=dict(each.params), distributions=distributions)
    score = unknown if each.score is None else each.score
    value = VIOLATES if each.state == "infeasible" else KEEPS
    return create_trial(
        values=[score, math.log10(max(each.trainable_params, 1))],
        params=dict(each.params),
        distributions=distributions,
        constraints={"trainable": value} if constrained else None,
        # All are one generation, so parents are the best of all so far (Durillo et al. 2009, steady state).
        system_attrs={NSGAIISampler._get_generation_key(): 0},
    )


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=START_UP)


def _nsga2(seed: int) -> BaseSampler:
    # As NSGA-II was published (Deb et al. 2002); Optuna's own mutation draws anew from the whole range.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return NSGAIISampler(
            seed=seed,
            population_size=POPULATION,
            crossover=SBXCrossover(),
            mutation=PolynomialMutation(),
        )


def _gp(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return GPSampler(seed=seed, n_startup_trials=START_UP, deterministic_objective=False)


LEARNING = {"tpe": _tpe, "nsga2": _nsga2, "gp": _gp}
"""Samplers that learn from scores; `random` draws evenly, `grid` and `points` are enumerated by us."""


def quiet_optuna() -> None:
    """Keep Optuna's and Alembic's notes of every study and trial out of our output."""
    logging.getLogger("optuna").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
