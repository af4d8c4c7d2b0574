"""Recorded learning curves: a CSV with a row for each trial, and its score and loss at each recorded step."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from methods.base import Method
from methods.expression import format_method
from sweeps.training.recipe import Recipe

FOLDER = Path(__file__).parent / "curves"
TRIAL_COLUMNS = ("point", "trainable_params", "seed")
UNTRAINED = "untrained"


@dataclass(frozen=True)
class Curve:
    """One trial's scores and validation losses by step; one that diverged has none from there on."""

    point: str
    trainable_params: int
    seed: int
    scores: Mapping[int, float]
    losses: Mapping[int, float]


@dataclass(frozen=True)
class CurveTable:
    """A task's curves, of the points that were trained with every seed, and the untrained base's score."""

    task: str
    curves: tuple[Curve, ...]
    untrained: float

    @property
    def total_steps(self) -> int:
        """The steps of a whole trial."""
        return max(max(curve.scores) for curve in self.curves)

    @property
    def points(self) -> list[str]:
        """Every point, in the order in which they were trained."""
        return list(dict.fromkeys(curve.point for curve in self.curves))

    @property
    def seeds(self) -> list[int]:
        """Every seed."""
        return sorted({curve.seed for curve in self.curves})


def written_point(method: Method, recipe: Recipe) -> str:
    """Return the point as a sweep file would have it under `points`."""
    parts = []
    for part in method.parts:
        lr = recipe.part_lr.get(part.name, recipe.lr)
        text = format_method(part).removesuffix(")")
        parts.append(f"{text}{'' if text.endswith('(') else ', '}lr={lr!r})")
    return " + ".join(parts)


def read_curves(task: str, folder: Path = FOLDER) -> CurveTable:
    """Read the curves that `record_curves` wrote of a task, one file for each seed."""
    rows = [row for file in sorted(folder.glob(f"{task}-*.csv")) for row in _read(file)]
    curves = [
        Curve(
            row["point"],
            int(row["trainable_params"]),
            int(row["seed"]),
            _numbers(row, "score"),
            _numbers(row, "loss"),
        )
        for row in rows
    ]
    base = next(curve for curve in curves if curve.point == UNTRAINED)
    trained = [curve for curve in curves if curve.point != UNTRAINED]
    n_seeds = len({curve.seed for curve in trained})
    times = Counter(curve.point for curve in trained)
    return CurveTable(task, tuple(c for c in trained if times[c.point] == n_seeds), base.scores[0])


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def header(steps: Iterable[int]) -> list[str]:
    """Return the table's columns."""
    return [*TRIAL_COLUMNS, *(f"{what} {step}" for step in steps for what in ("score", "loss"))]


def csv_row(curve: Curve, steps: Iterable[int]) -> list[str]:
    """Return a curve as a row of the table, numbers with four digits."""
    numbers = [values.get(step) for step in steps for values in (curve.scores, curve.losses)]
    written = ["" if number is None else f"{number:.4f}" for number in numbers]
    return [curve.point, str(curve.trainable_params), str(curve.seed), *written]


def _numbers(row: Mapping[str, str], what: str) -> dict[int, float]:
    """A row's entries under the columns `what`, by step."""
    named = {name.partition(" ")[2]: value for name, value in row.items() if name.startswith(f"{what} ")}
    return {int(step): float(value) for step, value in named.items() if value}
