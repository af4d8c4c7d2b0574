"""Is the difference of two methods more than noise? A paired test over seeds and examples.

Seeds and examples are both samples of what one wants to know about, and crossed: every seed meets every
example. So the test is that for two crossed random factors (Clark 1973, "The language-as-fixed-effect
fallacy", quasi-F): testing over examples alone calls the luck of a few seeds a difference, over seeds alone
that of a few examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
ROUNDING = 1e-12
"""What varies by less than this part of what was subtracted does not vary: floats of it are no better."""


@dataclass(frozen=True)
class PairedTest:
    """A mean difference with its 95% interval and two-sided p-value; all three None where nothing varies.

    `n_examples` is 0 where only scores are known.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    n_seeds: int
    n_examples: int


def paired_test(
    differences: Sequence[Sequence[float]] | NDArray[np.float64], size: float = 1.0
) -> PairedTest:
    """Test whether differences, a row for each seed and a column for each example, have the mean 0; `size` is
    how large that is of which they are differences.

    With several seeds the larger of two p-values counts, and the wider of two intervals: that of the means
    by seed (t with S - 1 degrees of freedom), and that of seeds and examples together (variance
    (MS_seeds + MS_examples - MS_rest) / (S E), not below either alone; Satterthwaite's degrees of freedom).
    With one seed it is the t-test over examples, which knows nothing of seeds.
    """
    d_SE = np.asarray(differences, dtype=np.float64)
    (S, E), mean = d_SE.shape, float(d_SE.mean())
    if S == 1 and E == 1:
        return PairedTest(mean, None, None, None, 1, E)
    if S == 1 or E == 1:
        values = d_SE.ravel()
        return _worst(mean, [(float(values.var(ddof=1)) / len(values), len(values) - 1)], size, S, E)
    by_seed, by_example = d_SE.mean(axis=1), d_SE.mean(axis=0)
    rest_SE = d_SE - by_seed[:, None] - by_example[None, :] + mean
    seeds = _Square(E * float(((by_seed - mean) ** 2).sum()), S - 1)
    examples = _Square(S * float(((by_example - mean) ** 2).sum()), E - 1)
    rest = _Square(float((rest_SE**2).sum()), (S - 1) * (E - 1))
    return _worst(
        mean,
        [(seeds.mean / (S * E), seeds.freedom), _crossed(seeds, examples, rest, S * E)],
        size,
        S,
        E,
    )


def score_test(differences: Sequence[float], size: float = 1.0) -> PairedTest:
    """Test whether differences of scores, one for each seed, have the mean 0; examples are not known."""
    found = paired_test([[value] for value in differences], size)
    return PairedTest(found.difference, found.low, found.high, found.p, found.n_seeds, 0)


@dataclass(frozen=True)
class _Square:
    """A sum of squares, and its degrees of freedom."""

    total: float
    freedom: int

    @property
    def mean(self) -> float:
        return self.total / self.freedom


def _crossed(seeds: _Square, examples: _Square, rest: _Square, n: int) -> tuple[float, float]:
    """The variance of the mean of all, and its degrees of freedom."""
    larger = max(seeds, examples, key=lambda square: square.mean)
    both = seeds.mean + examples.mean - rest.mean
    if both <= larger.mean:
        return larger.mean / n, larger.freedom
    spread = sum(square.mean**2 / square.freedom for square in (seeds, examples, rest))
    return both / n, both**2 / spread


def _worst(
    mean: float, variances: Sequence[tuple[float, float]], size: float, n_seeds: int, n_examples: int
) -> PairedTest:
    """The test by each variance and its degrees of freedom; the one that says least counts."""
    errors = [(math.sqrt(variance), freedom) for variance, freedom in variances]
    varying = [each for each in errors if each[0] > ROUNDING * size]
    if not varying:
        return PairedTest(mean, None, None, None, n_seeds, n_examples)
    reach = max(error * float(stats.t.ppf((1 + LEVEL) / 2, freedom)) for error, freedom in varying)
    p = max(2 * float(stats.t.sf(abs(mean) / error, freedom)) for error, freedom in varying)
    return PairedTest(mean, mean - reach, mean + reach, p, n_seeds, n_examples)
