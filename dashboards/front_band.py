"""How far the front would have moved with other seeds: a bootstrap (Efron 1979) of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashboards.pareto import DIGITS
from dashboards.replicates import Replicates

RESAMPLES = 1000
SHARE = 0.90
"""Of the resampled fronts, so many lie within the band at each budget."""


@dataclass(frozen=True)
class BandStep:
    """From `trainable_params` on, up to the next step: the band's edges as scores are stored."""

    trainable_params: int
    low: float
    high: float


def front_band(groups: Sequence[Replicates]) -> list[BandStep]:
    """Return the steps of the band by trainable parameters; empty where no seed was repeated.

    Each configuration's seeds are resampled with replacement, independently of the others', and the best
    resampled mean up to each budget is taken: the edges are its quantiles, with a fixed generator.

    A configuration with one seed is taken as exact, and few seeds vary too little (`front_probabilities`), so
    the band is rather too narrow. The best of many noisy means is too high, so the band may lie above the
    front's line where many configurations are about as good.
    """
    if all(group.n == 1 for group in groups):
        return []
    generator = np.random.default_rng(0)
    best = np.full(RESAMPLES, -np.inf)
    edges = 50 * (1 - SHARE), 50 * (1 + SHARE)
    steps: list[BandStep] = []
    for group in _that_may_be_best(groups):
        scores = np.asarray(group.scores)
        drawn = scores[generator.integers(group.n, size=(RESAMPLES, group.n))].mean(axis=1)
        best = np.maximum(best, np.round(drawn, DIGITS))
        low, high = np.percentile(best, edges)
        steps.append(BandStep(group.first.trainable_params, float(low), float(high)))
    # Of as many parameters the last step holds all of them.
    at = {step.trainable_params: step for step in steps}
    kept: list[BandStep] = []
    for step in at.values():
        if not kept or (step.low, step.high) != (kept[-1].low, kept[-1].high):
            kept.append(step)
    return kept


def _that_may_be_best(groups: Sequence[Replicates]) -> list[Replicates]:
    """Leave out what no resample can bring above all cheaper ones: of 100,000 configurations nearly all."""
    ordered = sorted(groups, key=lambda g: (g.first.trainable_params, g.first.place))
    kept, sure = [], -np.inf
    for group in ordered:
        scores = group.scores
        if max(scores) > sure:
            kept.append(group)
            sure = max(sure, min(scores))
    return kept
