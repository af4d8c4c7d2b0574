"""How far Delta W amplifies what W does in its directions (Hu et al. 2021, section 7.3 and Table 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from dashboards.directions import Floats, Update, WeightDirections, update_directions
from dashboards.pareto_csv import csv_cell, csv_text

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Amplification:
    """Frobenius norms of W, of Delta W, and of U^T W V^T with U and V from Delta W, from W, and at random.

    `factor` is ||Delta W|| / ||U^T W V^T|| with Delta W's own U and V.
    """

    trial: str
    layer: int
    matrix: str
    r: int
    w: float
    delta: float
    w_in_delta: float
    w_in_w: float
    w_in_random: float
    factor: float


def amplifications(
    weights: Mapping[tuple[int, str], tuple[Floats, WeightDirections]],
    trials: Mapping[str, Sequence[Update]],
) -> Iterator[Amplification]:
    """Yield one for each trial, layer and matrix; `weights` holds W (out, in) and its directions."""
    for name, updates in trials.items():
        for update in updates:
            if (update.layer, update.matrix) in weights:
                weight, known = weights[update.layer, update.matrix]
                yield _amplification(name, update, weight, known)


def _amplification(trial: str, update: Update, weight: Floats, known: WeightDirections) -> Amplification:
    left, right, values = update_directions(update)
    r = len(values)
    draw = np.random.default_rng(update.layer)
    chance = [np.linalg.qr(draw.standard_normal((n, r)).astype(weight.dtype))[0] for n in weight.shape]
    delta, inside = float(np.linalg.norm(values)), float(np.linalg.norm(left.T @ weight @ right))
    return Amplification(
        trial=trial,
        layer=update.layer,
        matrix=update.matrix,
        r=r,
        w=float(np.linalg.norm(known.values)),
        delta=delta,
        w_in_delta=inside,
        w_in_w=float(np.linalg.norm(known.values[:r])),
        w_in_random=float(np.linalg.norm(chance[0].T @ weight @ chance[1])),
        factor=delta / inside if inside else float("inf"),
    )


def render_amplifications(rows: Sequence[Amplification]) -> Table:
    """Return the table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    headings = (
        "Trial",
        "Layer",
        "Matrix",
        "r",
        "|W|",
        "|ΔW|",
        "|UᵀWVᵀ| of ΔW",
        "of W",
        "random",
        "|ΔW| / |UᵀWVᵀ|",
    )
    table = Table(box=box.SIMPLE_HEAD, caption="Frobenius norms", caption_justify="left")
    for at, heading in enumerate(headings):
        table.add_column(Text(heading), justify="left" if at in (0, 2) else "right")
    for row in rows:
        values = astuple(row)
        table.add_row(*map(Text, [*map(str, values[:4]), *(f"{value:.3g}" for value in values[4:])]))
    return table


def amplifications_csv(rows: Sequence[Amplification]) -> str:
    """Return a row for each, numbers in full."""
    names = [field.name for field in fields(Amplification)]
    return csv_text([names, *([csv_cell(value) for value in astuple(row)] for row in rows)])
