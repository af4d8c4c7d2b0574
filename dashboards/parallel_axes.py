"""What parallel coordinates are drawn from: a method's configurations, and an axis for all that varies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dashboards.appearance import method_order
from dashboards.printing import print_count, print_lr
from dashboards.replicates import Replicates, replicates
from storage.records import TrialRecord, Value

_MOST_PLACES = 8
"""So many values stand evenly, each with its label."""
_APART = 0.09
"""Labels touch with less of the axis between them."""
T = TypeVar("T")


@dataclass(frozen=True)
class Axis:
    """A hyperparameter's axis: where each configuration crosses it, and what is written where."""

    name: str
    values: tuple[float, ...]
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class MethodLines:
    """A method's configurations: `scores` as stored go with the values of each axis."""

    method: str
    title: str
    axes: tuple[Axis, ...]
    scores: tuple[float, ...]


def method_lines(trials: Sequence[TrialRecord]) -> list[MethodLines]:
    """Return the lines of each method with two configurations or more, methods in the paper's order.

    An axis stands for what varies: hyperparameters by name, those that always agree together, the learning
    rate, then trainable parameters. A few values stand at even places, in order; of more, numbers that span a
    factor of four stand in their logarithm.
    """
    by_method: dict[str, list[Replicates]] = {}
    for group in replicates(trials):
        by_method.setdefault(group.first.method, []).append(group)
    return [
        MethodLines(method, groups[0].first.title, tuple(_axes(groups)), tuple(g.score for g in groups))
        for method, groups in sorted(by_method.items(), key=lambda item: method_order(item[0]))
        if len(groups) > 1
    ]


def heights(axis: Axis, values: Sequence[float]) -> list[float]:
    """Return where values stand on an axis, from 0 to 1 between its first and its last tick."""
    low, high = axis.ticks[0], axis.ticks[-1]
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return the ends, and round values between them that do not touch them."""
    if high <= low:
        return (low,)
    power = 10.0 ** math.floor(math.log10(high - low))
    step = power * next(part for part in (0.2, 0.5, 1.0, 2.0) if (high - low) / (part * power) <= 6)
    between = [step * at for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
    room = _APART * (high - low)
    return (low, *(tick for tick in between if low + room < tick < high - room), high)


def _axes(groups: Sequence[Replicates]) -> list[Axis]:
    keys = sorted({key for group in groups for key in group.first.hyperparameters})
    columns: dict[str, list[Value]] = {
        key: [group.first.hyperparameters.get(key) for group in groups] for key in keys
    }
    columns.setdefault("lr", [group.first.lr for group in groups])
    # What is tied to another in the sweep file, such as r_v to r_q, would be the same axis again.
    names: dict[str, list[str]] = {}
    for key, values in columns.items():
        if len({repr(value) for value in values}) > 1:
            names.setdefault(repr(values), []).append(key)
    axes = [_axis(" = ".join(same), columns[same[0]]) for same in names.values()]
    params: list[Value] = [group.first.trainable_params for group in groups]
    return [*axes, _axis("parameters", params)] if len(set(params)) > 1 else axes


def _axis(name: str, values: Sequence[Value]) -> Axis:
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not all(map(math.isfinite, numbers)):
        texts = [str(v) for v in values]
        return _placed(name, texts, {text: text for text in sorted(set(texts))})
    known = sorted(set(numbers))
    if len(known) <= _MOST_PLACES:
        return _placed(name, numbers, {number: _label(name, number) for number in known})
    scale = math.log10 if known[0] > 0 and known[-1] / known[0] >= 4 else float
    shown = _spread(known, [scale(n) for n in known])
    ticks, labels = (scale(n) for n in shown), (_label(name, n) for n in shown)
    return Axis(name, tuple(map(scale, numbers)), tuple(ticks), tuple(labels))


def _placed(name: str, values: Sequence[T], labels: Mapping[T, str]) -> Axis:
    """Few values, evenly, in the order of their labels."""
    places = {value: float(place) for place, value in enumerate(labels)}
    at = tuple(places[value] for value in values)
    return Axis(name, at, tuple(places.values()), tuple(labels.values()))


def _spread(known: Sequence[float], at: Sequence[float]) -> list[float]:
    """The ends, and those between them whose labels do not touch."""
    room = _APART * (at[-1] - at[0])
    shown, last = [known[0]], at[0]
    for value, place in zip(known[1:-1], at[1:-1], strict=True):
        if place - last >= room and at[-1] - place >= room:
            shown, last = [*shown, value], place
    return [*shown, known[-1]]


def _label(name: str, value: float) -> str:
    if name == "parameters":
        return print_count(round(value))
    if name.split(".")[-1] == "lr":
        return print_lr(value)
    return f"{value:,.0f}" if value.is_integer() else f"{value:.3g}"
