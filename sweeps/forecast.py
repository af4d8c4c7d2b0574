"""What a sweep is going to take: trials, parameters, memory, tokens and time of each method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from methods.base import Method
from methods.expression import format_method
from methods.registry import plugin_fingerprint
from storage.ledger import Ledger
from sweeps.books import ENDED
from sweeps.calibration import Pace
from sweeps.expected import Expected
from sweeps.front_replicates import searched
from sweeps.plan import Plan
from sweeps.point import Point
from sweeps.pruning import rung_steps
from sweeps.training.batches import steps_in, tokens_in
from sweeps.training.recipe import Recipe


@dataclass(frozen=True)
class MethodForecast:
    """`done` of the trials have ended before, `reused` are known from the ledger; tokens and seconds are of
    the rest, the latter one trial after another. Memory is of tensors, in bytes, each trial alone. The
    front's further replicates are in none of them."""

    method: str
    title: str
    trials: int
    done: int
    reused: int
    params_low: int
    params_high: int
    memory_low: int
    memory_high: int
    train_tokens: int
    seconds: float | None


@dataclass(frozen=True)
class Cost:
    """What one point takes, as far as shapes say."""

    method: Method
    recipe: Recipe
    params: int
    steps: int
    tokens: float


def forecast(
    plan: Plan, expected: Sequence[Expected], ledger: Ledger | None, paces: Mapping[str, Pace]
) -> list[MethodForecast]:
    """Return a line for each method; without a pace its seconds are None."""
    known = KnownTrials(plan, ledger)
    return [_of_method(plan, each, known, paces.get(each.method)) for each in expected]


def trials_done(plan: Plan, ledger: Ledger | None) -> int:
    """How many of the trials that `trials` counts have ended before, of whatever method."""
    return KnownTrials(plan, ledger).done.total()


def middle(plan: Plan, expected: Expected) -> Cost:
    """The point whose parameters are in the middle of the method's."""
    costs = sorted((cost_of(plan, point) for point in expected.examples), key=lambda cost: cost.params)
    return costs[len(costs) // 2]


def cost_of(plan: Plan, point: Point) -> Cost:
    """Count a point's parameters, steps and real tokens."""
    rows = plan.data.train
    method, recipe = point.build(plan.spec.recipe.recipe(seed=plan.spec.seeds[0]))
    steps = steps_in(len(rows), recipe.batch_size, recipe.epochs, recipe.steps)
    tokens = tokens_in(len(rows), fmean(row.tokens for row in rows), recipe.batch_size, steps)
    return Cost(method, recipe, method.count(plan.shape), steps, tokens)


def _of_method(plan: Plan, expected: Expected, known: KnownTrials, pace: Pace | None) -> MethodForecast:
    n_seeds = len(plan.spec.seeds)
    costs = [cost_of(plan, point) for point in expected.examples]
    params = [cost.params for cost in costs]
    memory = [plan.memory.of(cost.method, cost.recipe).peak for cost in _extremes(costs)]
    trials = expected.n_points * n_seeds
    reused = sum(known.is_reused(point, seed) for point in expected.known for seed in plan.spec.seeds)
    done = known.done[expected.method]
    left = max(0, trials - done - reused)
    seconds = [pace.seconds(c.steps, c.tokens, _scorings(plan, c)) for c in costs] if pace else []
    return MethodForecast(
        method=expected.method,
        title=costs[0].method.title,
        trials=trials,
        done=done,
        reused=reused,
        params_low=min(params),
        params_high=max(params),
        memory_low=min(memory),
        memory_high=max(memory),
        train_tokens=round(left * fmean(cost.tokens for cost in costs)),
        seconds=left * fmean(seconds) if seconds else None if left else 0.0,
    )


def _extremes(costs: Sequence[Cost]) -> list[Cost]:
    """Points that take the least and the most memory: by parameters, and by rows of a pass."""

    def rows(cost: Cost) -> int:
        return min(cost.recipe.batch_size, cost.recipe.micro_batch or cost.recipe.batch_size)

    def params(cost: Cost) -> int:
        return cost.params

    return [choose(costs, key=by) for by in (params, rows) for choose in (min, max)]


def _scorings(plan: Plan, cost: Cost) -> int:
    """A trial is scored at its end, and where trials are pruned at its rungs."""
    pruning = plan.spec.pruning
    return 1 + (len(rung_steps(cost.steps, pruning.reduction)) if pruning else 0)


class KnownTrials:
    """What a workspace's ledger knows of a sweep's trials."""

    def __init__(self, plan: Plan, ledger: Ledger | None) -> None:
        self._plan, self._ledger = plan, ledger
        mine = ledger.trials(plan.spec.name) if ledger else []
        ended = [trial for trial in mine if trial.state in ENDED]
        self.done = Counter(trial.method for trial in searched(ended, plan.spec.seeds))
        self._ended = Counter((trial.config_hash, trial.seed) for trial in ended)
        self._seen: set[tuple[str, int]] = set()

    def is_reused(self, point: Point, seed: int) -> bool:
        """Whether this trial has not ended and is going to take over a result: another sweep's, or that of
        a point that stood in this one before. Asked once for each trial, in their order."""
        method, recipe = point.build(self._plan.spec.recipe.recipe(seed))
        key = (
            self._plan.context.config_hash(format_method(method), recipe, plugin_fingerprint(method)),
            seed,
        )
        if self._ended[key]:
            self._ended[key] -= 1
            self._seen.add(key)
            return False
        if key in self._seen:
            return True
        self._seen.add(key)
        return self._ledger is not None and self._ledger.find_complete(*key) is not None
