"""How alike the subspaces of two low-rank updates are (Hu et al. 2021, section 7 and appendices G and H)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dashboards.directions import Factor, Floats, Update, WeightDirections, directions, update_directions
from dashboards.pareto_csv import csv_cell, csv_text
from methods.errors import FrontuneError

if TYPE_CHECKING:
    from rich.table import Table

RANDOM = "random"
MOST_ROWS = 24
"""Of W's leading directions, so many numbers i are shown."""


@dataclass(frozen=True)
class Panel:
    """phi of one matrix in one layer: `phi[n, m]` is of the first `i[n]` directions of the one and the first
    m + 1 of the other. `pair` says whose, such as ``3 and 7``. A control's matrix is ``random``, and its pair
    says which matrices have its sizes: ``as q, v``."""

    matrix: str
    layer: int
    pair: str
    i: tuple[int, ...]
    phi: Floats


def phi(one: Floats, other: Floats) -> Floats:
    """Return phi for all i and j at once, (columns of one, columns of other); both have orthonormal columns.

    phi(i, j) = ||U^i^T V^j||_F^2 / min(i, j): 1 for the same span, 0 for orthogonal ones. With the
    projection metric d it is 1 - d^2 / p, p = min(i, j); the paper's last formula, (1 - d^2) / p, is a slip.
    """
    squares = (one.T @ other).astype(np.float64) ** 2
    sums = squares.cumsum(axis=0).cumsum(axis=1)
    i, j = np.ogrid[1 : len(sums) + 1, 1 : sums.shape[1] + 1]
    return np.asarray(np.minimum(sums / np.minimum(i, j), 1.0))


def adapter_panels(
    one: Sequence[Update], other: Sequence[Update], factor: Factor, names: tuple[str, str]
) -> list[Panel]:
    """Return the grid of Figures 3, 4, 6 and 7: each layer's matrices, and a control of Gaussian matrices for
    each of their sizes.

    Raises FrontuneError where the two have no matrix in common.
    """
    others = {(update.layer, update.matrix): update for update in other}
    both = [update for update in one if (update.layer, update.matrix) in others]
    if not both:
        kinds = [", ".join(dict.fromkeys(update.matrix for update in some)) for some in (one, other)]
        raise FrontuneError(f"the trials have no matrix in common: {kinds[0]} and {kinds[1]}")
    panels = []
    for layer in dict.fromkeys(update.layer for update in both):
        alike: dict[tuple[tuple[int, ...], ...], list[str]] = {}
        for update in (each for each in both if each.layer == layer):
            two = update, others[layer, update.matrix]
            thin = [_thin(each, factor) for each in two]
            panels.append(_panel(update.matrix, layer, f"{names[0]} and {names[1]}", thin[0], thin[1]))
            alike.setdefault(tuple(each.factor(factor).shape for each in two), []).append(update.matrix)
        for shapes, matrices in alike.items():
            gaussians = [_gaussian(shape, 2 * layer + n) for n, shape in enumerate(shapes)]
            panels.append(_control(layer, matrices, gaussians[0], gaussians[1]))
    return panels


def weight_panels(
    weights: Mapping[tuple[int, str], WeightDirections],
    trials: Mapping[str, Sequence[Update]],
    factor: Factor,
) -> list[Panel]:
    """Return the grid of Figure 8: W's leading directions against those of each trial's Delta W, and controls
    as above."""
    panels = []
    alike: dict[tuple[int, tuple[int, ...], int], tuple[Floats, list[str]]] = {}
    for (layer, matrix), weight in weights.items():
        side = weight.right if factor == "a" else weight.left
        r = 0
        for name, updates in trials.items():
            for update in (each for each in updates if (each.layer, each.matrix) == (layer, matrix)):
                left, right, _ = update_directions(update)
                own = right if factor == "a" else left
                panels.append(_panel(matrix, layer, f"W and {name}", side, own, MOST_ROWS))
                r = max(r, own.shape[1])
        if r:
            alike.setdefault((layer, side.shape, r), (side, []))[1].append(matrix)
    for (layer, _, r), (side, matrices) in alike.items():
        panels.append(_control(layer, matrices, side, _gaussian((len(side), r), layer), MOST_ROWS))
    return panels


def panels_csv(panels: Sequence[Panel]) -> str:
    """Return a row for each value."""
    rows: list[list[str]] = [["pair", "matrix", "layer", "i", "j", "phi"]]
    for panel in panels:
        first = [csv_cell(panel.pair), csv_cell(panel.matrix), str(panel.layer)]
        for n, i in enumerate(panel.i):
            rows += [[*first, str(i), str(m + 1), repr(float(x))] for m, x in enumerate(panel.phi[n])]
    return csv_text(rows)


def _panel(matrix: str, layer: int, pair: str, one: Floats, other: Floats, most: int | None = None) -> Panel:
    found = phi(one, other)
    n = len(found)
    shown = np.unique(np.linspace(1, n, min(n, most or n)).round().astype(int))
    return Panel(matrix, layer, pair, tuple(map(int, shown)), found[shown - 1])


def _control(
    layer: int, matrices: Sequence[str], one: Floats, other: Floats, most: int | None = None
) -> Panel:
    return _panel(RANDOM, layer, f"as {', '.join(matrices)}", one, other, most)


def _thin(update: Update, factor: Factor) -> Floats:
    return directions(update.factor(factor), f"{factor.upper()} of layer {update.layer}, {update.matrix},")


def _gaussian(shape: tuple[int, ...], seed: int) -> Floats:
    return directions(np.random.default_rng(seed).standard_normal(shape))


def render_panels(panels: Sequence[Panel]) -> Table:
    """Return the table for a terminal: of each pair, phi of the first directions and of all of them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, caption="φ: 1 the same span, 0 orthogonal", caption_justify="left")
    for heading in ("Layer", "Matrix", "Trials", "i × j", "φ(1, 1)", "φ(4, 4)", "φ of all"):
        table.add_column(Text(heading), justify="left" if heading in ("Matrix", "Trials") else "right")
    for panel in panels:
        i, j = panel.phi.shape
        four = f"{panel.phi[3, 3]:.3f}" if min(i, j) >= 4 else "-"
        numbers = (f"{i} × {j}", f"{panel.phi[0, 0]:.3f}", four, f"{panel.phi[-1, -1]:.3f}")
        table.add_row(*map(Text, (str(panel.layer), panel.matrix, panel.pair, *numbers)))
    return table
