"""The area under a Pareto front, over log10 of the trainable parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable

Found = tuple[int, float]
"""Trainable parameters, score."""


def hypervolume(found: Iterable[Found], most_params: float, least_score: float) -> float:
    """Return the area that trials dominate, up to the reference point (`most_params`, `least_score`).

    >>> hypervolume([(10, 0.7), (100, 0.6), (100, 0.9)], 1000, 0.5)
    0.6
    """
    area, best = 0.0, least_score
    for params, score in sorted(found):
        if score > best and params < most_params:
            # What this trial adds above all smaller ones reaches from its count to the reference.
            area += (score - best) * math.log10(most_params / params)
            best = score
    return round(area, 12)
