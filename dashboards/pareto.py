"""The Pareto front of mean score (higher is better) against trainable parameters (fewer is better).

Means over seeds, because a front of single trials would reward the seed that was lucky; for the same reason
none of configurations that were pruned with one of their seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dashboards.replicates import Cost, Replicates, replicates
from storage.records import TrialRecord

DIGITS = 12
"""Means are compared rounded to these, so that ties are ties however their sums were rounded."""
LOWER_IS_BETTER = ("ter", "loss")


def pareto_front(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return every replicate of the configurations on the front, by trainable parameters, then by number.

    Raises FrontuneError if the trials are not all of one task and metric.
    """
    return [trial for group in front_of(replicates(trials)) for trial in group.trials]


def front_of(groups: Iterable[Replicates], cost: Cost = "trainable_params") -> list[Replicates]:
    """Return the configurations that no other beats, ordered by cost.

    One is beaten by another with mean score >= (of metrics such as TER <=) and cost <= with one of them
    strict; of exact ties the earliest stays, imported ones last. One whose cost is not known is left
    out. O(n log n).
    """
    known = [
        (group, round(direction(group.first.metric) * group.score, DIGITS), price)
        for group in groups
        if (price := group.cost(cost)) is not None
    ]
    front: list[Replicates] = []
    best = -math.inf
    for group, mean, _ in sorted(known, key=_cheapest_first):
        if mean > best:
            front.append(group)
            best = mean
    return front


def direction(metric: str) -> int:
    """Return 1 where a higher value of the metric is better, -1 where a lower one is."""
    return -1 if metric.partition("/")[0] in LOWER_IS_BETTER else 1


def _cheapest_first(scored: tuple[Replicates, float, float]) -> tuple[float, float, int]:
    """Of the same cost the best first, of exact ties the earliest."""
    group, mean, price = scored
    return price, -mean, group.first.place
