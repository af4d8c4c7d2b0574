"""One Optuna study for each method of a sweep (docs/decisions/0001): asked for points, told their scores.

Why not one study with the method as a parameter: Optuna's samplers would see `method` as the only
parameter common to all trials and draw everything else at random.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from methods.errors import FrontuneError
from sweeps.point import Point
from sweeps.space import MOST_GRID_POINTS, Choice, Range, Space
from sweeps.spec import SweepSpec
from sweeps.training.seeds import derived_seed

POPULATION = 10
"""Of NSGA-II: a method of a sweep has tens of points, not the thousands that Optuna's 50 is made for."""
MOST_KNOWN_DRAWS = 5
"""After so many draws that were known, a point of a finite space is chosen among those that are left."""
MOST_DRAWS = 100
"""After so many draws that were all known, a sampler is taken to have nothing new to say."""
POINT = "frontune:point"
"""User attribute of an Optuna trial: all parameter values of its point, tied and constant ones included."""


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Open Optuna's tables; raises FrontuneError where they are from another version."""
    logging.getLogger("optuna").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": _patience(url)})
    except (RuntimeError, OSError, SQLAlchemyError) as error:
        said = str(error).splitlines()[0]
        raise FrontuneError(f"{url} cannot hold the studies: {said}") from error


def open_studies(url: str, spec: SweepSpec, spaces: Mapping[str, Space | None]) -> dict[str, MethodStudy]:
    """Open the study of each method of a sweep; one that has only explicit points has no space."""
    storage = open_storage(url)
    return {
        method: MethodStudy(storage, spec.name, method, space or Space({}), spec.sampler, spec.sampler_seed)
        for method, space in spaces.items()
    }


class MethodStudy:
    """The study ``SWEEP/METHOD``: its own sampler, seeded by sweep seed, method and trial number, so that a
    resumed sweep asks what an undisturbed one would."""

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        sweep: str,
        method: str,
        space: Space,
        sampler: str,
        seed: int,
    ) -> None:
        self.name, self.method, self._space = f"{sweep}/{method}", method, space
        self._sampler, self._seed = sampler, seed
        self._distributions = {key: _distribution(d) for key, d in space.free.items()}
        self._study = optuna.create_study(
            storage=storage,
            study_name=self.name,
            directions=["maximize", "minimize"],
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.set_metric_names(["score", "trainable_params"])
        self._drop_half_asked()

    def add(self, point: Point) -> int:
        """Take in an explicit point in one step and return its number; samplers learn from it where it lies
        in the search space."""
        fits = self._space.contains(point.values)
        trial = create_trial(
            state=TrialState.RUNNING,
            params={key: point.values[key] for key in self._distributions} if fits else {},
            distributions=self._distributions if fits else {},
            user_attrs={POINT: dict(point.values)},
        )
        self._study.add_trial(trial)
        return int(self._trials()[-1].number)

    def ask(self) -> tuple[int, Point] | None:
        """Return the number of a new Optuna trial and its point, one that was not asked for before.

        None where the sampler gives no other any more: the space is used up, or all but.
        """
        known = [point.values for _, point, _ in self.asked()]
        space = self._space.size
        if space is not None and sum(self._space.contains(values) for values in known) >= space:
            return None
        for attempt in range(MOST_DRAWS):
            seed = derived_seed(self._seed, self.method, len(known), *([attempt] if attempt else []))
            # A sampler that has learned where to look may look there again and again.
            if attempt >= MOST_KNOWN_DRAWS and space is not None and space <= MOST_GRID_POINTS:
                point = self._untried(known, seed)
                return None if point is None else (self.add(point), point)
            self._study.sampler = _make_sampler(self._sampler, seed, self._distributions)
            trial = self._study.ask(self._distributions)
            point = Point(self.method, self._space.fill(trial.params))
            if point.values not in known:
                trial.set_user_attr(POINT, dict(point.values))
                return trial.number, point
            self._study.tell(trial.number, state=TrialState.FAIL)
        return None

    def _untried(self, known: list[Mapping[str, Any]], seed: int) -> Point | None:
        """One of the points of a small space that were not asked for."""
        left = [values for values in self._space.grid(self.name) if values not in known]
        return Point(self.method, left[seed % len(left)]) if left else None

    def tell(self, number: int, score: float | None, trainable_params: int) -> None:
        """Report a point's score, the mean of its replicates; None is a failure. Twice is as good as once."""
        trial = self._trials()[number]
        if trial.state != TrialState.RUNNING:
            return
        if score is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._place_in_generation(trial)
            self._study.tell(number, [score, trainable_params])

    def tell_pruned(self, number: int, score: float | None, trainable_params: int) -> None:
        if self._trials()[number].state == TrialState.RUNNING:
            self._study.tell(number, state=TrialState.PRUNED)

    def tell_infeasible(self, number: int) -> None:
        if self._trials()[number].state == TrialState.RUNNING:
            self._study.tell(number, state=TrialState.PRUNED)

    def asked(self) -> list[tuple[int, Point, bool]]:
        """Every point asked for so far: its number, its values, and whether it still waits to be told."""
        return [
            (trial.number, Point(self.method, trial.user_attrs[POINT]), trial.state == TrialState.RUNNING)
            for trial in self._trials()
            if POINT in trial.user_attrs
        ]

    def _drop_half_asked(self) -> None:
        """An interruption between Optuna's asking and our remembering the point leaves a trial of no use."""
        for trial in self._trials():
            if trial.state == TrialState.RUNNING and POINT not in trial.user_attrs:
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _place_in_generation(self, trial: FrozenTrial) -> None:
        """Let an explicit point be a parent, too; Optuna places only what it samples, and none once told."""
        if self._sampler == "nsga2" and trial.params:
            _Nsga2(self._seed, self._distributions).get_trial_generation(self._study, trial)

    def _trials(self) -> list[FrozenTrial]:
        trials: list[FrozenTrial] = self._study.get_trials(deepcopy=False)
        return trials


class _Nsga2(NSGAIISampler):  # type: ignore[misc]
    """Optuna's takes what all trials have in common for the search space; a point outside leaves nothing."""

    def __init__(self, seed: int, space: Mapping[str, BaseDistribution]) -> None:
        super().__init__(seed=seed, population_size=POPULATION)
        self._space = dict(space)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._space


def _distribution(dimension: Choice | Range) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _make_sampler(kind: str, seed: int, space: Mapping[str, BaseDistribution]) -> BaseSampler:
    if kind == "tpe":
        return TPESampler(seed=seed)
    if kind == "nsga2":
        return _Nsga2(seed, space)
    return RandomSampler(seed=seed)


def _patience(url: str) -> Mapping[str, Any]:
    return {"timeout": 30} if url.startswith("sqlite") else {}


def mean_score(scores: Sequence[float | None]) -> float | None:
    """The mean over a point's replicates that have a score; None if none has."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
