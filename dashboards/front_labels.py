"""Where the labels of the front's points fit: beside their own point, off all other points and each other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dashboards.points import Point, with_subscripts

LABEL_SIZE_PX = 11
_CHARACTER_PX, _LINE_PX = 0.53 * LABEL_SIZE_PX, 1.3 * LABEL_SIZE_PX
PLOT_PX = 600.0, 380.0
"""A report's plot is so wide and high: what fits there fits into a larger one."""
GAP_PX = 7.0
_APART_PX = 14.0
"""No other point lies nearer to a label, or it would seem to be that point's."""
_SAME_PX = 3.0
"""Points that nobody can tell apart."""
MOST_CHARACTERS = 32
_SIZE = re.compile(r"(.+) = ([1-9]\d*)")
_RANKS = re.compile(r"r_\w+( = r_\w+)*")

Span = tuple[float, float]
Pixels = NDArray[np.float64]
Side = Literal["top left", "top right", "bottom right"]
SIDES: tuple[Side, ...] = ("top left", "top right", "bottom right")
"""In the order of preference: above and left of the front there are no points."""


@dataclass(frozen=True)
class Label:
    """A point that has room for its label, and the side of the marker it goes to."""

    point: Point
    side: Side

    @property
    def text(self) -> str:
        """The label as plotly's HTML, subscripts as in the paper."""
        return with_subscripts(brief(self.point))


@dataclass(frozen=True)
class Line:
    """A horizontal line at a score as stored, with a text at one of its ends."""

    score: float
    text: str
    dash: str
    position: Literal["top left", "bottom right"]


@dataclass(frozen=True)
class _Box:
    x: Span
    y: Span

    def overlaps(self, other: _Box) -> bool:
        return all(a[0] < b[1] and b[0] < a[1] for a, b in ((self.x, other.x), (self.y, other.y)))

    def holds(self, other: _Box) -> bool:
        return all(a[0] <= b[0] and b[1] <= a[1] for a, b in ((self.x, other.x), (self.y, other.y)))

    def distances(self, pixels: Pixels) -> Pixels:
        """How far each pixel, a row of x and y, is from the box; 0 inside it."""
        low, high = np.transpose([self.x, self.y])
        aside: Pixels = np.maximum(np.maximum(low - pixels, pixels - high), 0.0)
        distances: Pixels = np.hypot(aside[:, 0], aside[:, 1])
        return distances


@dataclass(frozen=True)
class Axes:
    """What axes of a length show: `x` in powers of ten of parameters, `y` in scores times `scale`."""

    x: Span
    y: Span
    scale: float
    plot_px: tuple[float, float] = PLOT_PX

    def pixel(self, point: Point) -> tuple[float, float]:
        """Where a point lies, from the lower left corner."""
        x = (math.log10(point.trainable_params) - self.x[0]) / (self.x[1] - self.x[0])
        return x * self.plot_px[0], self.height(point.score)

    def height(self, score: float) -> float:
        """Where a score as stored lies, from below."""
        return (self.scale * score - self.y[0]) / (self.y[1] - self.y[0]) * self.plot_px[1]


def brief(point: Point) -> str:
    """Return a method with what makes it large: ``LoRA r=4``, ``LoRA+PE r=1, l_p=4``, or its title alone."""
    found = [size for part in point.label.split(", ") if (size := _SIZE.fullmatch(part))]
    sizes = [(size[1], size[2]) for size in found if size[1] != "alpha"]
    alone = sum(bool(_RANKS.fullmatch(name)) for name, _ in sizes) == 1
    names = ["r" if alone and _RANKS.fullmatch(name) else name.replace(" ", "") for name, _ in sizes]
    parts = [f"{name}={size}" for name, (_, size) in zip(names, sizes, strict=True)]
    text = f"{point.title} {', '.join(parts)}".rstrip()
    return text if len(text) <= MOST_CHARACTERS else point.title


def place_labels(
    points: Sequence[Point], others: Sequence[Point], axes: Axes, lines: Sequence[Line] = ()
) -> list[Label]:
    """Return the labels of the front of `points` that fit, the best scores served first.

    They keep off `others`, which are drawn as well, and off the texts of `lines`.
    """
    front = sorted((p for p in points if p.is_pareto), key=lambda p: -p.trainable_params)
    drawn = np.array([axes.pixel(p) for p in (*points, *others)])
    taken = [_of_line(line, axes.height(line.score), axes.plot_px[0]) for line in lines]
    placed: list[Label] = []
    riser, plot = axes.plot_px[0], _Box((0.0, axes.plot_px[0]), (0.0, axes.plot_px[1]))
    for point in front:
        x, y = axes.pixel(point)
        for side, box in _boxes(brief(point), x, y):
            # Right of the point the front's next rise is in the way.
            crosses = side == "top right" and box.x[1] > riser
            is_free = plot.holds(box) and not any(box.overlaps(other) for other in taken)
            if is_free and not crosses and _is_its_own(box, x, y, drawn):
                placed.append(Label(point, side))
                taken.append(box)
                break
        riser = x
    return placed


def _is_its_own(box: _Box, x: float, y: float, drawn: Pixels) -> bool:
    others = drawn[np.hypot(*(drawn - (x, y)).T) >= _SAME_PX]
    return bool((box.distances(others) >= _APART_PX).all())


def _boxes(text: str, x: float, y: float) -> Iterator[tuple[Side, _Box]]:
    width = _width(text)
    for side in SIDES:
        low = y + GAP_PX if side.startswith("top") else y - GAP_PX - _LINE_PX
        left = x - GAP_PX - width if side.endswith("left") else x + GAP_PX
        yield side, _Box((left, left + width), (low, low + _LINE_PX))


def _of_line(line: Line, y: float, right: float) -> _Box:
    width = _width(line.text)
    if line.position == "top left":
        return _Box((0.0, width), (y, y + _LINE_PX))
    return _Box((right - width, right), (y - _LINE_PX, y))


def _width(text: str) -> float:
    # What raises and lowers letters is not printed.
    return _CHARACTER_PX * len(text.replace("_", "").replace("^", ""))
