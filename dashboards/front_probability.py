"""How probable it is that a configuration is on the front: a bootstrap over seeds (Efron 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, groupby
from math import comb, factorial, prod

import numpy as np
from numpy.typing import NDArray

from dashboards.pareto import DIGITS
from dashboards.replicates import Replicates

MOST_RESAMPLES = 2000
"""Up to so many different resamples of a configuration's seeds are enumerated (seven seeds have 1,716); of
more this many are drawn, with a fixed generator."""
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def front_probabilities(groups: Sequence[Replicates]) -> dict[str, float]:
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
    if all(group.n == 1 for group in groups):
        return {}
    ordered = sorted(groups, key=lambda group: (group.first.trainable_params, group.first.number))
    drawn = [_resampled_means(group.scores) for group in ordered]
    grid = np.unique(np.concatenate([values for values, _ in drawn]))
    means = [_Means(np.searchsorted(grid, values), counts) for values, counts in drawn]
    # For each configuration and each of its means: the probability that no other beats it.
    unbeaten = [np.ones(len(mean.places)) for mean in means]
    before = _Product(len(grid))
    for _, same in groupby(range(len(ordered)), key=lambda i: ordered[i].first.trainable_params):
        numbers = list(same)
        for i in numbers:
            unbeaten[i] *= before.values[means[i].places]
            before.times(means[i], ties_lose=True)
        after = _Product(len(grid) if len(numbers) > 1 else 0)
        for i in reversed(numbers if len(numbers) > 1 else []):
            unbeaten[i] *= after.values[means[i].places]
            after.times(means[i], ties_lose=False)
    return {
        group.first.config_hash: float(mean.counts @ wins / mean.counts.sum())
        for group, mean, wins in zip(ordered, means, unbeaten, strict=True)
    }


@dataclass(frozen=True)
class _Means:
    """A configuration's resampled means: their ascending places on the grid, and how often each comes."""

    places: Whole
    counts: Whole

    def unbeating(self, ties_lose: bool) -> Floats:
        """From the lowest mean's place to the highest's: the probability of a mean below, or up to, it.

        Summed in whole numbers, so that certainty is exactly 1.
        """
        low = self.places[0]
        scattered = np.zeros(self.places[-1] - low + 1, dtype=np.int64)
        scattered[self.places - low] = self.counts
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


def _resampled_means(scores: Sequence[float]) -> tuple[Floats, Whole]:
    """The different means of n scores drawn with replacement, and in how many of the draws each comes."""
    resamples, orders = _resamples(len(scores))
    means = np.round(np.asarray(scores)[resamples].mean(axis=1), DIGITS)
    values, where = np.unique(means, return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, where, orders)
    return values, counts


@cache
def _resamples(n: int) -> tuple[Whole, Whole]:
    """Which of n are drawn, sorted, and in how many orders; of too many, some, each as it was drawn."""
    if comb(2 * n - 1, n) > MOST_RESAMPLES:
        drawn = np.random.default_rng(n).integers(n, size=(MOST_RESAMPLES, n))
        return drawn, np.ones(MOST_RESAMPLES, dtype=np.int64)
    resamples = list(combinations_with_replacement(range(n), n))
    orders = [factorial(n) // prod(factorial(resample.count(i)) for i in range(n)) for resample in resamples]
    return np.array(resamples), np.array(orders)
