"""One Optuna study for each method of a sweep (docs/decisions/0001): asked for points, told their scores.

Why not one study with the method as a parameter: Optuna's samplers would see `method` as the only
parameter common to all trials and draw everything else at random.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sweeps.point import Point
from sweeps.samplers import LEARNING, Seen, distribution, draw
from sweeps.sizes import Sizes
from sweeps.space import MOST_GRID_POINTS, Space
from sweeps.training.seeds import derived_seed

MOST_KNOWN_DRAWS = 5
"""After so many draws that were known, a point of a finite space is chosen among those that are left."""
MOST_DRAWS = 100
"""After so many draws that were all known, a space is taken to hold nothing new."""
POINT = "frontune:point"
"""User attribute of an Optuna trial: all parameter values of its point, tied and constant ones included."""
SCORE, PARAMS = "frontune:score", "frontune:trainable_params"
"""User attributes of a pruned trial, which has no values in Optuna; the score is that of its last rung."""
TRAINABLE = "trainable"
"""Constraint of an Optuna trial, above 0 where its point cannot be trained."""


def same_values(point: Point) -> Hashable:
    """The identity of a point where nothing is known of defaults: its values as they are written."""
    return frozenset(point.values.items())


class MethodStudy:
    """The study ``SWEEP/METHOD``: its own sampler, seeded by sweep seed, method and trial number, so that a
    resumed sweep asks what an undisturbed one would. Nobody else may write it while it is open."""

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        sweep: str,
        method: str,
        space: Space,
        sampler: str,
        seed: int,
        sizes: Sizes | None = None,
        identity: Callable[[Point], Hashable] | None = None,
    ) -> None:
        self.name, self.method, self._space = f"{sweep}/{method}", method, space
        self._sampler, self._seed, self._sizes = sampler, seed, sizes
        self._identity = identity or same_values
        self._distributions = {key: distribution(d) for key, d in space.free.items()}
        self._storage = storage
        self._study = optuna.create_study(
            storage=storage,
            study_name=self.name,
            directions=["maximize", "minimize"],
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.set_metric_names(["score", "trainable_params"])
        # Optuna would read all that wait from the database again at every look.
        self._trials: list[FrozenTrial] = self._study.get_trials()
        self._known: set[Hashable] = set()
        self._n_asked = self._n_inside = 0
        self._in_doubt = False
        for trial in self._trials:
            self._know(trial)

    def add(self, point: Point) -> int:
        """Take in a point in one step and return its number; samplers learn from it where it lies in the
        search space.

        May be repeated where the database was away: what it took in all the same is there once.
        """
        if (number := self._taken_in(point)) is not None:
            return number
        fits = self._space.contains(point.values)
        trial = create_trial(
            state=TrialState.RUNNING,
            params={key: point.values[key] for key in self._distributions} if fits else {},
            distributions=self._distributions if fits else {},
            user_attrs={POINT: dict(point.values)},
        )
        self._in_doubt = True
        self._study.add_trial(trial)
        self._in_doubt = False
        trial.number = number = len(self._trials)
        self._trials.append(trial)
        self._know(trial)
        return number

    def _taken_in(self, point: Point) -> int | None:
        """The point's number where an earlier attempt to add it came through, though its answer did not."""
        if not self._in_doubt:
            return None
        came = self._study.get_trials()[len(self._trials) :]
        self._in_doubt = False
        for trial in came:
            self._trials.append(trial)
            self._know(trial)
        return next((t.number for t in came if t.user_attrs.get(POINT) == dict(point.values)), None)

    def knows(self, point: Point) -> bool:
        """Whether this configuration was asked for before, in whatever words."""
        return self._identity(point) in self._known

    def ask(self) -> tuple[int, Point] | None:
        """Return the number of a new Optuna trial and its point, one that was not asked for before.

        None where the sampler gives no other any more: the space is used up, or all but.
        """
        space = self._space.size
        if space is not None and self._n_inside >= space:
            return None
        seen = list(self._seen()) if self._sampler in LEARNING else []
        for attempt in range(MOST_DRAWS):
            seed = derived_seed(self._seed, self.method, self._n_asked, *([attempt] if attempt else []))
            # A sampler that has learned where to look may look there again and again.
            stuck = attempt >= MOST_KNOWN_DRAWS
            if stuck and space is not None and space <= MOST_GRID_POINTS:
                point = self._untried(seed)
                return None if point is None else (self.add(point), point)
            kind = "random" if stuck else self._sampler
            drawn = draw(kind, seed, self._space.free, self._sizes, seen)
            point = Point(self.method, self._space.fill(drawn))
            if self._identity(point) not in self._known:
                return self.add(point), point
        return None

    def _untried(self, seed: int) -> Point | None:
        """One of the points of a small space that were not asked for."""
        points = [Point(self.method, values) for values in self._space.grid(self.name)]
        left = [point for point in points if self._identity(point) not in self._known]
        return left[seed % len(left)] if left else None

    def tell(self, number: int, score: float | None, trainable_params: int) -> None:
        """Report a point's score, the mean of its replicates; None is a failure. Twice is as good as once."""
        if not self._waits(number):
            return
        if score is None:
            self._tell(number, TrialState.FAIL)
        else:
            self._tell(number, TrialState.COMPLETE, [score, trainable_params])

    def tell_pruned(self, number: int, score: float | None, trainable_params: int) -> None:
        """Report a point that was stopped at a rung, with its score there, from which samplers learn."""
        if self._waits(number):
            self._remember(number, {SCORE: score, PARAMS: trainable_params})
            self._tell(number, TrialState.PRUNED)

    def tell_infeasible(self, number: int, trainable_params: int) -> None:
        """Report a point that cannot be trained, for memory or because it is refused: a constraint is
        violated. Optuna asks for values of complete trials, and there is no score, so it is pruned."""
        if not self._waits(number):
            return
        self._remember(number, {PARAMS: trainable_params})
        trial = self._trial(number)
        if TRAINABLE not in trial.constraints:
            trial.set_constraint(TRAINABLE, 1.0)
        self._tell(number, TrialState.PRUNED)

    def asked(self) -> list[tuple[int, Point, bool]]:
        """Every point asked for so far: its number, its values, and whether it still waits to be told."""
        return [
            (trial.number, Point(self.method, trial.user_attrs[POINT]), trial.state == TrialState.RUNNING)
            for trial in self._trials
            if POINT in trial.user_attrs
        ]

    def _seen(self) -> Iterator[Seen]:
        """What samplers learn from: the points inside the search space but those that failed."""
        for trial in self._trials:
            attrs, params = trial.user_attrs, trial.params
            if not params:
                continue
            if trial.state == TrialState.RUNNING:
                yield Seen(params, state="waits")
            elif trial.state == TrialState.COMPLETE:
                yield Seen(params, int(trial.values[1]), trial.values[0])
            elif trial.constraints.get(TRAINABLE, 0.0) > 0:
                yield Seen(params, attrs[PARAMS], state="infeasible")
            elif attrs.get(SCORE) is not None:
                yield Seen(params, attrs[PARAMS], attrs[SCORE])

    def _know(self, trial: FrozenTrial) -> None:
        if POINT in trial.user_attrs:
            point = Point(self.method, trial.user_attrs[POINT])
            identity = self._identity(point)
            self._n_inside += identity not in self._known and self._space.contains(point.values)
            self._known.add(identity)
            self._n_asked += 1

    def _waits(self, number: int) -> bool:
        return bool(self._trials[number].state == TrialState.RUNNING)

    def _tell(self, number: int, state: TrialState, values: list[float] | None = None) -> None:
        # It may have been told already, by an attempt whose answer was lost.
        self._study.tell(number, values, state, skip_if_finished=True)
        self._trials[number] = self._storage.get_trial(self._id(number))

    def _remember(self, number: int, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self._trial(number).set_user_attr(key, value)

    def _trial(self, number: int) -> Trial:
        return Trial(self._study, self._id(number))

    def _id(self, number: int) -> int:
        study = self._storage.get_study_id_from_name(self.name)
        return int(self._storage.get_trial_id_from_study_id_trial_number(study, number))
