"""Which parameters of a search space decide how many parameters are trained, and points evenly in its log.

A rank drawn evenly from 1 to 64 is above 8 in seven draws of eight, so nearly all points would be large; a
front is read in the logarithm of trainable parameters, and the points should lie evenly there.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from methods.base import Shape
from methods.errors import FrontuneError
from sweeps.point import Point
from sweeps.space import Choice, Range, Space
from sweeps.training.recipe import Recipe

HALVINGS = 60
"""Of a bisection over a real number: more would not change a float."""
NOTHING = 0.5
"""Where 0 lies on a logarithmic axis: as far below 1 as 2 lies above it."""


@dataclass(frozen=True)
class Sizes:
    """The free whole-number parameters of a space, `keys`, with which the method's closed form grows.

    `count` gives the trainable parameters of the point that values of the free parameters describe, 0 where
    they describe none (every rank 0).
    """

    space: Space
    keys: tuple[str, ...]
    count: Callable[[Mapping[str, Any]], int]

    def evenly(self, drawn: Mapping[str, Any], u: float) -> dict[str, Any]:
        """Return a drawn point with its sizes scaled, in the ratio in which they were drawn, to the count
        that is nearest to the place `u`, from 0 to 1, on the logarithmic axis of all counts that scaling
        reaches.

        So an even `u` gives even points: each count is as likely as the axis is wide around it. The first
        and the last count get as much beyond them as they have towards their neighbour.
        """
        path = _Path(self, drawn)
        low, high = path.at(path.first), path.at(path.last)
        if not self.keys or low.count == high.count:
            return dict(drawn)
        below_all = (path.next_above(low).log - low.log) / 2
        above_all = (high.log - path.last_below(high).log) / 2
        wanted = low.log - below_all + u * (high.log - low.log + below_all + above_all)
        return dict(path.nearest(wanted).values)

    def nearest(self, values: Mapping[str, Any], log_count: float) -> dict[str, Any]:
        """Return a point with its sizes scaled to the count whose logarithm is nearest to this."""
        return dict(_Path(self, values).nearest(log_count).values) if self.keys else dict(values)


def sizes_of(method: str, space: Space, shape: Shape) -> Sizes:
    """Return what decides the number of trainable parameters of a method on a base of this shape."""

    def count(values: Mapping[str, Any]) -> int:
        try:
            return Point(method, space.fill(values)).build(Recipe())[0].count(shape)
        except FrontuneError:
            return 0

    whole = {key: d for key, d in space.free.items() if is_whole(d)}
    largest = {key: max(d.corners, key=_order) for key, d in space.free.items()}
    grows = [
        key for key, d in whole.items() if count(largest) > count(largest | {key: min(map(int, d.corners))})
    ]
    return Sizes(space, tuple(grows), count)


def is_whole(dimension: Choice | Range) -> bool:
    """Whether all values are whole numbers; true and false are none."""
    return all(type(value) is int for value in dimension.corners)


@dataclass(frozen=True)
class _Place:
    """A point on the way from the smallest sizes to the largest."""

    values: Mapping[str, Any]
    count: int

    @property
    def log(self) -> float:
        return math.log(self.count)


class _Path:
    """All sizes of a point multiplied by one factor, exp(t), each held within its own values."""

    def __init__(self, sizes: Sizes, drawn: Mapping[str, Any]) -> None:
        self._sizes, self._drawn = sizes, drawn
        self._known: dict[tuple[int, ...], _Place] = {}
        ends = {key: sorted(map(int, sizes.space.free[key].corners)) for key in sizes.keys}
        start = {key: _position(drawn[key]) for key in sizes.keys}
        self.first = min((_position(ends[key][0]) - start[key] for key in sizes.keys), default=0.0)
        self.last = max((_position(ends[key][-1]) - start[key] for key in sizes.keys), default=0.0)
        self.first = self._where(lambda place: place.count > 0)

    def at(self, t: float) -> _Place:
        free = self._sizes.space.free
        keys = self._sizes.keys
        sizes = tuple(_snap(free[key], _position(self._drawn[key]) + t) for key in keys)
        if sizes not in self._known:
            values = {**self._drawn, **dict(zip(keys, sizes, strict=True))}
            self._known[sizes] = _Place(values, self._sizes.count(values))
        return self._known[sizes]

    def next_above(self, place: _Place) -> _Place:
        return self.at(self._where(lambda other: other.count > place.count))

    def last_below(self, place: _Place) -> _Place:
        return self.at(self._where(lambda other: other.count >= place.count, before=True))

    def nearest(self, log_count: float) -> _Place:
        """The place whose count is nearest in its logarithm; of two, the smaller one."""
        above = self.at(self._where(lambda place: place.log >= log_count))
        below = self.at(self._where(lambda place: place.log >= log_count, before=True))
        return min((below, above), key=lambda place: (abs(place.log - log_count), place.count))

    def _where(self, reached: Callable[[_Place], bool], *, before: bool = False) -> float:
        """The first t at which something that stays true is reached, or the last one `before` that."""
        low, high = self.first, self.last
        if reached(self.at(low)) or low == high:
            return low
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if reached(self.at(middle)) else (middle, high)
        return low if before else high


def _position(size: int) -> float:
    return math.log(max(size, NOTHING))


def _snap(dimension: Choice | Range, position: float) -> int:
    """The value of a parameter that is nearest to a place on the logarithmic axis."""
    if isinstance(dimension, Range):
        low, high = int(dimension.low), int(dimension.high)
        position = min(max(position, _position(low)), _position(high))
        floor = math.floor(math.exp(position))
        nearby = [min(max(size, low), high) for size in (floor, floor + 1)]
    else:
        ladder = sorted(map(int, dimension.values))
        at = bisect.bisect_left(ladder, position, key=_position)
        nearby = ladder[max(at - 1, 0) : at + 1]
    return min(nearby, key=lambda size: abs(_position(size) - position))


def _order(value: Any) -> tuple[int, float | str]:
    return (1, value) if isinstance(value, str) else (0, value)
