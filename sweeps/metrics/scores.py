"""What a set of predictions is worth: metrics by name, and why one is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scores:
    """Fractions of 1 (accuracy, bleu, meteor, ter, rouge_l, chrf), nist and cider as they are defined.

    A metric of a part of the rows is named ``metric/part`` (``bleu/seen``). A metric that could not be
    computed is not in `metrics` but in `missing`, with the reason: it is never 0. `outcomes` holds, row by
    row, what a task's score is the mean of, where it is a mean over rows.
    """

    metrics: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[float, ...] = ()
