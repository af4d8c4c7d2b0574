"""How probable it is that a configuration is on the front: a bootstrap over seeds (Efron 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, groupby
from math import comb, factorial, prod

import numpy as np
from numpy.typing import NDArray

from dashboards.pareto import DIGITS, direction
from dashboards.replicates import Cost, Replicates

MOST_RESAMPLES = 2000
"""Up to so many different resamples of a configuration's seeds are enumerated (seven seeds have 1,716); of
more this many are drawn, with a fixed generator."""
TOGETHER = 500
"""Configurations that are resampled at once, so that the memory it takes is bounded."""
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def front_probabilities(groups: Sequence[Replicates], cost: Cost = "trainable_params") -> dict[str, float]:
    """Return the probability of each configuration, by `config_hash`; empty where no seed was repeated.

    Each configuration's seeds are resampled with replacement, independently of the others', and the front is
    that of the resampled means, exact ties going to the earliest. Since configurations are independent, no
    resampled fronts are drawn: the probability is the sum over a configuration's means of the product of
    the others' probabilities not to beat that mean, which is exact for up to seven seeds.

    What it cannot say: one seed is resampled to itself, so a configuration with one is taken as exact,
    which makes its own and its rivals' probabilities too sure; with n seeds the resampled means vary by
    (n - 1) / n of the variance that they should (half with 2, two thirds with 3), so with 2 or 3 it shows
    which places on the front are shaky, and is no level of confidence. Examples are not resampled.
    """
    prices = {id(group): group.cost(cost) for group in groups}
    groups = [group for group in groups if prices[id(group)] is not None]
    if all(group.n == 1 for group in groups):
        return {}
    ordered = sorted(groups, key=lambda group: (prices[id(group)], group.first.place))
    means, grid = _resampled_means([_higher_is_better(group) for group in ordered])
    # For each configuration and each of its means: the probability that no other beats it.
    unbeaten = [np.ones(len(mean.places)) for mean in means]
    before = _Product(grid)
    for _, same in groupby(range(len(ordered)), key=lambda i: prices[id(ordered[i])]):
        numbers = list(same)
        for i in numbers:
            unbeaten[i] *= before.values[means[i].places]
            before.times(means[i], ties_lose=True)
        if len(numbers) == 1:
            continue
        after = _Product(grid)
        for i in reversed(numbers):
            unbeaten[i] *= after.values[means[i].places]
            after.times(means[i], ties_lose=False)
    return {
        group.first.config_hash: float(mean.counts @ wins / mean.counts.sum())
        for group, mean, wins in zip(ordered, means, unbeaten, strict=True)
    }


@dataclass(frozen=True)
class _Means:
    """A configuration's resampled means: their ascending places on the grid, and how often each comes; equal
    means may stand twice."""

    places: Whole
    counts: Whole

    def unbeating(self, ties_lose: bool) -> Floats:
        """From the lowest mean's place to the highest's: the probability of a mean below, or up to, it.

        Summed in whole numbers, so that certainty is exactly 1.
        """
        low = self.places[0]
        # Equal means share a place. Whole numbers below 2**53, which bincount's float64 holds exactly.
        scattered = np.bincount(self.places - low, weights=self.counts)
        summed = scattered.cumsum() - (scattered if ties_lose else 0)
        return np.asarray(summed / self.counts.sum())


class _Product:
    """For each value of the grid, the probability that none of some configurations beats it."""

    def __init__(self, size: int) -> None:
        self.values = np.ones(size)
        self._zero_below = 0

    def times(self, mean: _Means, ties_lose: bool) -> None:
        """Another configuration, which needs more than the value, or as much, to beat it."""
        start, stop = int(mean.places[0]), int(mean.places[-1]) + 1
        self.values[self._zero_below : start] = 0.0
        self._zero_below = max(self._zero_below, start)
        if self._zero_below < stop:
            self.values[self._zero_below : stop] *= mean.unbeating(ties_lose)[self._zero_below - start :]


def _higher_is_better(group: Replicates) -> list[float]:
    return [direction(group.first.metric) * score for score in group.scores]


def _resampled_means(scores: Sequence[Sequence[float]]) -> tuple[list[_Means], int]:
    """The means of each configuration's scores drawn with replacement, and how many values the grid has.

    Configurations with as many seeds are resampled together.
    """
    found: dict[int, tuple[Floats, Whole]] = {}
    by_n: dict[int, list[int]] = {}
    for i, own in enumerate(scores):
        by_n.setdefault(len(own), []).append(i)
    for n, numbers in by_n.items():
        resamples, orders = _resamples(n)
        for first in range(0, len(numbers), TOGETHER):
            some = numbers[first : first + TOGETHER]
            values = np.array([scores[i] for i in some])[:, resamples].mean(axis=2)
            means = np.round(values, DIGITS)
            order = means.argsort(axis=1)
            sorted_means = np.take_along_axis(means, order, axis=1)
            found |= zip(some, zip(sorted_means, orders[order], strict=True), strict=True)
    grid = np.unique(np.concatenate([values for values, _ in found.values()]))
    return [_Means(np.searchsorted(grid, found[i][0]), found[i][1]) for i in range(len(scores))], len(grid)


@cache
def _resamples(n: int) -> tuple[Whole, Whole]:
    """Which of n are drawn, sorted, and in how many orders; of too many, some, each as it was drawn."""
    if comb(2 * n - 1, n) > MOST_RESAMPLES:
        drawn = np.random.default_rng(n).integers(n, size=(MOST_RESAMPLES, n))
        return drawn, np.ones(MOST_RESAMPLES, dtype=np.int64)
    resamples = list(combinations_with_replacement(range(n), n))
    orders = [factorial(n) // prod(factorial(resample.count(i)) for i in range(n)) for resample in resamples]
    return np.array(resamples), np.array(orders)
