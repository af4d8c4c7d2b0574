"""Pruning on the front: successive halving in which nobody is judged against a larger trial.

The idea of asynchronous successive halving (Li et al. 2020, ASHA), with competitors of at most one's own
number of trainable parameters: a small method may score less than a large one and still be on the front.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from storage.records import RungScore

NEVER_PRUNED = 3
"""The first at a rung go on: there is too little to compare them with."""
REDUCTION = 3
"""Where nothing is pruned, rungs still lie where they would, for states to be kept there."""
RUNGS = 3
SIMILAR = 2
"""Rivals have at most one's own parameters, and at least one in so many of them."""


def rung_steps(total_steps: int, reduction: int = REDUCTION) -> tuple[int, ...]:
    """Return the steps after which a trial is at a rung: 1/18, 1/6 and 1/2 of its way with reduction 3."""
    steps = {total_steps // (2 * reduction**k) for k in range(RUNGS)}
    return tuple(sorted(step for step in steps if 0 < step < total_steps))


def rung_number(step: int, rungs: Sequence[int]) -> int:
    """Return which rung a step is at: 0 is the first, also for a trial too short to have all."""
    return RUNGS - len(rungs) + rungs.index(step)


@dataclass(frozen=True, order=True)
class Standing:
    """How a trial stands at a rung, the better the greater: by its score, of equal scores by its loss."""

    score: float
    less_loss: float
    """Minus the validation loss: early on many trials are at chance to the digit, their losses differ."""

    @classmethod
    def of(cls, found: RungScore) -> Standing:
        """Without a loss, or with one that is not finite, a trial stands last among those of its score."""
        if found.loss is None or not math.isfinite(found.loss):
            return cls(found.score, -math.inf)
        return cls(found.score, -found.loss)


def goes_on(
    standing: Standing,
    trainable_params: int,
    earlier: Sequence[tuple[Standing, int]],
    reduction: int = REDUCTION,
) -> bool:
    """Return whether a trial that has just reached a rung trains on.

    `earlier` are (standing, trainable parameters) of those that reached this rung before it. It must be in
    the better ``1 / reduction`` of its rivals, those of at most its own parameters and of similar size,
    itself among them; ties are in. Why not of all that are smaller: docs/decisions/0010.
    """
    if len(earlier) < NEVER_PRUNED:
        return True
    rivals = [other for other, params in earlier if params <= trainable_params <= SIMILAR * params]
    better = sum(other > standing for other in rivals)
    return better < math.ceil((1 + len(rivals)) / reduction)


@dataclass
class Rungs:
    """How trials stood at each rung of a sweep so far, in the order of events."""

    reduction: int
    _reached: dict[int, dict[int, tuple[Standing, int]]] = field(default_factory=dict)

    def restore(self, found: Iterable[RungScore], params: dict[int, int]) -> None:
        """Take in what earlier runs of the sweep found."""
        for each in found:
            self._at(each.rung)[each.number] = (Standing.of(each), params[each.number])

    def reach(self, found: RungScore, trainable_params: int) -> bool:
        """A trial reached a rung; return whether it goes on. Twice is as good as once: it is judged against
        those that were there before it the first time."""
        reached = self._at(found.rung)
        reached.setdefault(found.number, (Standing.of(found), trainable_params))
        earlier = [reached[number] for number in takewhile(lambda n: n != found.number, reached)]
        return goes_on(reached[found.number][0], trainable_params, earlier, self.reduction)

    def _at(self, rung: int) -> dict[int, tuple[Standing, int]]:
        return self._reached.setdefault(rung, {})
