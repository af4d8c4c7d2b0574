"""The Pareto front of mean score (higher is better) against trainable parameters (fewer is better).

Means over seeds, because a front of single trials would reward the seed that was lucky; for the same reason
none of configurations that were pruned with one of their seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dashboards.replicates import Replicates, replicates
from storage.records import TrialRecord

DIGITS = 12
"""Means are compared rounded to these, so that ties are ties however their sums were rounded."""


def pareto_front(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return every replicate of the configurations on the front, by trainable parameters, then by number.

    Raises FrontuneError if the trials are not all of one task and metric.
    """
    return [trial for group in front_of(replicates(trials)) for trial in group.trials]


def front_of(groups: Iterable[Replicates]) -> list[Replicates]:
    """Return the configurations that no other beats, ordered by trainable parameters.

    One is beaten by another with mean score >= and parameters <= with one of them strict; of exact ties the
    one with the lowest first number stays. O(n log n).
    """
    front: list[Replicates] = []
    best = -math.inf
    for group, mean in sorted(((group, round(group.score, DIGITS)) for group in groups), key=_cheapest_first):
        if mean > best:
            front.append(group)
            best = mean
    return front


def _cheapest_first(scored: tuple[Replicates, float]) -> tuple[int, float, int]:
    """Of as many parameters the best first, of exact ties the earliest."""
    group, mean = scored
    return group.first.trainable_params, -mean, group.first.number
