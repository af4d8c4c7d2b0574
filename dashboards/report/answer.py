"""The answer to a sweep's question: which method is best at which budget, and how few parameters suffice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dashboards.comparison import Candidate, Comparison, compare
from dashboards.front_probability import front_probabilities
from dashboards.pareto import DIGITS, direction, front_of
from dashboards.replicates import Replicates, replicates
from methods.errors import FrontuneError
from storage.records import TrialRecord

FULL = "the best full fine-tuning"
SHARES = (0.9, 0.95, 0.99, 1.0)
"""Of the best score: for each the smallest configuration that reaches it is named."""
Values = Mapping[int, Sequence[float]]
"""For each trial, by number, what its score is the mean of, row by row, or its score alone."""
ValuesOf = Callable[[Iterable[TrialRecord]], Values]


@dataclass(frozen=True)
class Reign:
    """`winner` has the best mean score of all budgets from its own parameters to fewer than `below`, or, with
    None, from its own on.

    `runner_up` is the best of another method with fewer than `below`, so that its distance is the least of
    the reign; None where no other method was tried so small. `front_probability` is None where no seed was
    repeated.
    """

    winner: Candidate
    below: int | None
    runner_up: Candidate | None
    front_probability: float | None

    @property
    def lead(self) -> float:
        """How much better the winner's mean is than the runner-up's, each over its own seeds, as scores are
        stored; 0 without one. What is said of the seeds that both have is `compared`'s."""
        if self.runner_up is None:
            return 0.0
        sign = direction(self.winner.best.first.metric)
        return sign * (self.winner.best.score - self.runner_up.best.score)


@dataclass(frozen=True)
class Enough:
    """The smallest configuration that reaches `score`; `what` says what that score is, and `less` are the
    smaller shares of the best score that nothing smaller reaches either."""

    what: str
    score: float
    smallest: Replicates
    less: tuple[float, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Reigns by parameters, one for each configuration on the front, and what suffices for which score.

    `frozen` is the best of all methods but full fine-tuning; None where there is none."""

    reigns: tuple[Reign, ...]
    enough: tuple[Enough, ...]
    frozen: Replicates | None

    @property
    def best(self) -> Replicates:
        """The configuration with the best mean score, the smallest of several."""
        return self.reigns[-1].winner.best

    @property
    def stretches(self) -> list[list[Reign]]:
        """The reigns, neighbours of one method together."""
        return [list(same) for _, same in groupby(self.reigns, key=lambda r: r.winner.best.first.method)]


def find_answer(trials: Sequence[TrialRecord]) -> Answer | None:
    """Return the answer of a sweep's trials; None where none has a score that counts."""
    groups = replicates(trials)
    if not groups:
        return None
    frozen = max((g for g in groups if g.first.method != "fine_tune"), key=_rank, default=None)
    return Answer(tuple(_reigns(groups)), tuple(_enough(groups)), frozen)


def compared(reign: Reign, values_of: ValuesOf) -> Comparison | None:
    """Test winner minus runner-up over their seeds and examples; None where no seed is of both."""
    one, other = reign.winner, reign.runner_up
    if other is None:
        return None
    values = values_of([*one.best.trials, *other.best.trials])
    try:
        return compare(one, other, one.best.first.metric, values)
    except FrontuneError:
        return None


def _reigns(groups: Sequence[Replicates]) -> Iterable[Reign]:
    front, chances = front_of(groups), front_probabilities(groups)
    by_params = sorted(groups, key=_params)
    best: dict[str, Replicates] = {}
    tried: Counter[str] = Counter()
    seen = 0
    for winner, after in zip(front, [*front[1:], None], strict=True):
        below = None if after is None else _params(after)
        while seen < len(by_params) and (below is None or _params(by_params[seen]) < below):
            group = by_params[seen]
            method = group.first.method
            tried[method] += 1
            best[method] = max(best.get(method, group), group, key=_rank)
            seen += 1
        own = winner.first.method
        runner_up = max((group for method, group in best.items() if method != own), key=_rank, default=None)
        yield Reign(
            winner=Candidate(winner, tried[own]),
            below=below,
            runner_up=Candidate(runner_up, tried[runner_up.first.method]) if runner_up else None,
            front_probability=chances.get(winner.first.config_hash),
        )


def _enough(groups: Sequence[Replicates]) -> Iterable[Enough]:
    """Nothing for scores of which a share has no meaning: lower is better, or none is above 0."""
    best = max(group.score for group in groups)
    if direction(groups[0].first.metric) < 0 or best <= 0:
        return
    for smallest, same in groupby(SHARES, key=lambda share: _smallest(groups, share * best)):
        # What suffices for several shares is named once.
        *less, share = same
        yield Enough(f"{share:.0%} of the best score", share * best, smallest, tuple(less))
    full = [group.score for group in groups if group.first.method == "fine_tune"]
    if full and len(full) < len(groups):
        yield Enough(FULL, max(full), _smallest(groups, max(full)))


def _smallest(groups: Sequence[Replicates], score: float) -> Replicates:
    """Of those that reach it."""
    reaching = [group for group in groups if round(group.score, DIGITS) >= round(score, DIGITS)]
    return min(reaching, key=lambda group: (_params(group), -group.score, group.first.place))


def _params(group: Replicates) -> int:
    return group.first.trainable_params


def _rank(group: Replicates) -> tuple[float, int]:
    """Of equal means the earliest is the better."""
    return round(direction(group.first.metric) * group.score, DIGITS), -group.first.place
