"""Where the labels of the front's points fit: above the front, where no point lies, and not on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dashboards.plot_files import HEIGHT_PX, WIDTH_PX
from dashboards.points import Point, with_subscripts

LABEL_SIZE_PX = 11
_CHARACTER_PX = 0.5 * LABEL_SIZE_PX
_PLOT_WIDTH_PX, _PLOT_HEIGHT_PX = WIDTH_PX - 275, HEIGHT_PX - 135
GAP_PX = 7.0

Span = tuple[float, float]


@dataclass(frozen=True)
class Label:
    """A point that has room for its label, and the side of the marker it goes to."""

    point: Point
    side: Literal["left", "right"]

    @property
    def text(self) -> str:
        """The label as plotly's HTML, subscripts as in the paper."""
        return with_subscripts(self.point.label)


@dataclass(frozen=True)
class _Box:
    x: Span
    y: Span

    def overlaps(self, other: _Box) -> bool:
        return all(a[0] < b[1] and b[0] < a[1] for a, b in ((self.x, other.x), (self.y, other.y)))


def place_labels(points: Sequence[Point], scale: float, x_range: Span, y_range: Span) -> list[Label]:
    """Return the labels that fit, the best scores served first, at the size of a static picture.

    `x_range` is in powers of ten, `y_range` in score times `scale`, as the axes show them.
    """

    def pixel(point: Point) -> tuple[float, float]:
        x = (math.log10(point.trainable_params) - x_range[0]) / (x_range[1] - x_range[0])
        y = (scale * point.score - y_range[0]) / (y_range[1] - y_range[0])
        return x * _PLOT_WIDTH_PX, y * _PLOT_HEIGHT_PX

    front = sorted((p for p in points if p.is_pareto), key=lambda p: -p.trainable_params)
    taken = [_marker(*pixel(p)) for p in front]
    placed: list[Label] = []
    riser = float(_PLOT_WIDTH_PX)
    for point in front:
        x, y = pixel(point)
        label = _fitting(point, x, y, riser, taken)
        riser = x
        if label is not None:
            placed.append(label)
            taken.append(_box(point.label, x, y, label.side))
    return placed


def _fitting(point: Point, x: float, y: float, riser: float, taken: Sequence[_Box]) -> Label | None:
    left, right = _box(point.label, x, y, "left"), _box(point.label, x, y, "right")
    if not point.label:
        return None
    if left.x[0] >= 0 and not any(left.overlaps(box) for box in taken):
        return Label(point, "left")
    # On the right the front's next rise is in the way.
    if right.x[1] <= riser and not any(right.overlaps(box) for box in taken):
        return Label(point, "right")
    return None


def _box(text: str, x: float, y: float, side: Literal["left", "right"]) -> _Box:
    width = _CHARACTER_PX * len(text)
    span = (x - GAP_PX - width, x - GAP_PX) if side == "left" else (x + GAP_PX, x + GAP_PX + width)
    return _Box(span, (y + GAP_PX, y + GAP_PX + 1.3 * LABEL_SIZE_PX))


def _marker(x: float, y: float) -> _Box:
    return _Box((x - GAP_PX, x + GAP_PX), (y - GAP_PX, y + GAP_PX))
