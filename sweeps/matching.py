"""`match_params`: for each method the size (rank, bottleneck, length) whose count comes nearest to a budget.

All methods are then compared at that one size; whatever else their blocks search is searched as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from methods.base import Shape
from storage.records import Refusal
from sweeps.point import Point
from sweeps.sizes import sizes_of
from sweeps.space import Choice, SameAs, Space

MOST_OFF = 1.5
"""Between sizes 1 and 2 a count doubles at most, so within a method's reach the nearest is never further off
than by this factor; beyond it the method cannot be of that size."""

Refuse = Callable[[Point], Refusal | None]


@dataclass(frozen=True)
class Match:
    """A method whose `keys` were all set to `size`, which makes `count` trainable parameters."""

    method: str
    keys: tuple[str, ...]
    size: int
    count: int
    space: Space

    def __str__(self) -> str:
        """Such as ``lora r_q = r_v = 9 (345,600)``."""
        return f"{self.method} {' = '.join(self.keys)} = {self.size} ({self.count:,})"


def match_all(
    sweep: str, spaces: Mapping[str, Space], budget: int, shape: Shape, refuse: Refuse
) -> tuple[list[Match], list[Refusal]]:
    """Return the methods that can be of that size, and those that cannot and why, in the file's order."""
    found = [match(sweep, method, space, budget, shape, refuse) for method, space in spaces.items()]
    return (
        [each for each in found if isinstance(each, Match)],
        [each for each in found if isinstance(each, Refusal)],
    )


def match(
    sweep: str, method: str, space: Space, budget: int, shape: Shape, refuse: Refuse
) -> Match | Refusal:
    """Solve the closed form of one method for its sizes, all of which get the same value.

    Of two values that are as near, the smaller one is taken.
    """
    keys = _solved(method, space, shape)
    if not keys:
        count = sizes_of(method, space, shape).count({})
        reason = f"it has {count:,} trainable parameters, and no size to solve for match_params = {budget:,}"
        return Refusal(sweep, method, "", reason)

    def at(size: int) -> Match:
        sized = Space({**space.dimensions, **dict.fromkeys(keys, Choice((size,)))})
        count = sizes_of(method, sized, shape).count({})
        tied = tuple(k for k, d in sized.dimensions.items() if k in keys or _follows(d, keys))
        return Match(method, tied, size, count, sized)

    def problem(found: Match) -> Refusal | None:
        refusals = [refuse(Point(method, values)) for values in found.space.probes()]
        return refusals[0] if all(refusals) else None

    below, above = _around(lambda size: at(size).count >= budget or problem(at(size)) is not None)
    possible = [found for size in (below, above) if size and problem(found := at(size)) is None]
    if not possible:
        return problem(at(above)) or Refusal(sweep, method, "", "it cannot be trained")
    nearest = min(possible, key=lambda found: abs(found.count - budget))
    if not budget / MOST_OFF <= nearest.count <= budget * MOST_OFF:
        reason = f"match_params is {budget:,}, and its nearest count is {nearest.count:,}"
        return Refusal(sweep, method, f"{' = '.join(nearest.keys)} = {nearest.size}", reason)
    return nearest


def _solved(method: str, space: Space, shape: Shape) -> tuple[str, ...]:
    """What is solved for: the sizes that are searched; where none is, those that are given and are not 0."""
    searched = sizes_of(method, space, shape).keys
    if searched:
        return searched
    given = {
        key: value
        for key, d in space.dimensions.items()
        if isinstance(d, Choice) and type(value := d.values[0]) is int and len(d.values) == 1 and value > 0
    }
    opened = {key: Choice((value, value + 1)) for key, value in given.items()}
    return sizes_of(method, Space({**space.dimensions, **opened}), shape).keys


def _follows(dimension: object, keys: tuple[str, ...]) -> bool:
    return isinstance(dimension, SameAs) and dimension.key in keys


def _around(reached: Callable[[int], bool]) -> tuple[int, int]:
    """The last size that has not reached, and the first that has, by doubling and bisection."""
    low, high = 0, 1
    while not reached(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low, high
