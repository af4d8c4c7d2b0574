"""Singular directions of low-rank updates, from their thin factors, and of the weights that they change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.errors import FrontuneError

Floats = NDArray[np.floating]
Factor = Literal["a", "b"]
"""`a` compares directions of the input (A is r x in), `b` those of the output (B is out x r)."""
FEWEST_KEPT = 16


@dataclass(frozen=True)
class Update:
    """Delta W = scale B A of one matrix of one layer: A is (r, in), B is (out, r)."""

    layer: int
    matrix: str
    A: Floats
    B: Floats
    scale: float = 1.0

    def factor(self, factor: Factor) -> Floats:
        """The thin factor whose columns span what is compared, (d, r)."""
        return self.A.T if factor == "a" else self.B


@dataclass(frozen=True)
class WeightDirections:
    """The leading singular directions of W, as columns: `right` (in, k), `left` (out, k), `values` all."""

    left: Floats
    right: Floats
    values: Floats


def directions(thin: Floats, what: str = "a factor") -> Floats:
    """Return the left singular vectors of a thin matrix (d, r) as columns, the largest first.

    As many as its numerical rank: beyond that they would be noise. Raises FrontuneError if that is 0.
    """
    q, triangle = np.linalg.qr(thin)
    u, values = _svd(triangle)[:2]
    u = u[:, : _rank(values, thin.shape)]
    if not u.shape[1]:
        raise FrontuneError(f"{what} is zero or no number, so that it has no directions to compare")
    return np.asarray(q @ u)


def update_directions(update: Update) -> tuple[Floats, Floats, Floats]:
    """Return left (out, k) and right (in, k) singular vectors and singular values of Delta W, without Delta
    W: QR of both thin factors, and an SVD of what is r x r between."""
    q_out, r_out = np.linalg.qr(update.B)
    q_in, r_in = np.linalg.qr(update.A.T)
    u, values, v = _svd(update.scale * (r_out @ r_in.T))
    k = _rank(values, (len(q_out), len(q_in)))
    if not k:
        raise FrontuneError(f"Delta W of layer {update.layer}, {update.matrix}, is zero or no number")
    return np.asarray(q_out @ u[:, :k]), np.asarray(q_in @ v[:k].T), values[:k]


def weight_directions(weight: Floats) -> WeightDirections:
    """Return the leading tenth of W's (out, in) singular directions, and at least 16 where it has as many."""
    if not np.isfinite(weight).all():
        raise FrontuneError("a weight matrix of the base has values that are no numbers")
    # The eigenvectors of the smaller of W W^T and W^T W, four times as fast as an SVD of a wide W; in
    # float64, where squaring costs nothing that a float32 W has.
    tall = weight.shape[0] > weight.shape[1]
    wide = (weight.T if tall else weight).astype(np.float64)
    squares, vectors = np.linalg.eigh(wide @ wide.T)
    values = np.sqrt(np.maximum(squares[::-1], 0))
    known = _rank(values.astype(weight.dtype), weight.shape)
    k = min(known, max(math.ceil(len(values) / 10), FEWEST_KEPT))
    short = vectors[:, ::-1][:, :k]
    long = wide.T @ short / values[:k]
    left, right = (long, short) if tall else (short, long)
    return WeightDirections(*(part.astype(weight.dtype) for part in (left, right, values)))


def _svd(square: Floats) -> tuple[Floats, Floats, Floats]:
    """Of what is no number, singular values of 0."""
    return np.linalg.svd(square if np.isfinite(square).all() else np.zeros_like(square))


def _rank(values: Floats, shape: tuple[int, ...]) -> int:
    """How many singular values are more than rounding."""
    return int((values > values[0] * max(shape) * np.finfo(values.dtype).eps).sum()) if values[0] > 0 else 0
