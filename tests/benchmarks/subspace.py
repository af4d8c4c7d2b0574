"""How long the subspaces of GPT-2-sized adapters take, as ``frontune subspace`` computes and draws them.

``python -m tests.benchmarks.subspace`` prints seconds: two adapters, r = 8 and r = 64, of q and v, and of all
six matrices, in 12 layers of width 768; weights are Gaussian.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from dashboards.amplification import amplifications
from dashboards.directions import Update, weight_directions
from dashboards.plot_files import write_plot
from dashboards.subspace import adapter_panels, panels_csv, weight_panels
from dashboards.subspace_plot import plot_subspaces

LAYERS, D = 12, 768
SIZES = {"q": (D, D), "k": (D, D), "v": (D, D), "o": (D, D), "up": (D, 4 * D), "down": (4 * D, D)}


def adapter(matrices: tuple[str, ...], r: int) -> list[Update]:
    """A random adapter, with an update of full rank."""
    draw = np.random.default_rng(r)

    def gaussian(*size: int) -> np.ndarray:
        return draw.standard_normal(size, dtype=np.float32)

    places = [(layer, matrix) for layer in range(LAYERS) for matrix in matrices]
    return [Update(n, m, gaussian(r, SIZES[m][0]), gaussian(SIZES[m][1], r)) for n, m in places]


def measure(matrices: tuple[str, ...]) -> dict[str, float]:
    """Seconds of each part."""
    small, large = adapter(matrices, 8), adapter(matrices, 64)
    draw = np.random.default_rng(0)
    weights = {
        (u.layer, u.matrix): draw.standard_normal(SIZES[u.matrix][::-1], dtype=np.float32) for u in small
    }
    seconds, began = {}, time.perf_counter()

    def lap(what: str) -> None:
        nonlocal began
        seconds[what], began = time.perf_counter() - began, time.perf_counter()

    known = {place: (weight, weight_directions(weight)) for place, weight in weights.items()}
    lap("W's SVD, once")
    panels = adapter_panels(small, large, "a", ("0", "1"))
    lap("phi")
    trials = {"0": small, "1": large}
    against = weight_panels({place: both[1] for place, both in known.items()}, trials, "a")
    list(amplifications(known, trials))
    lap("W and Delta W")
    with tempfile.TemporaryDirectory() as folder:
        for number, some in enumerate((panels, against)):
            write_plot(plot_subspaces(some, "benchmark", "j", "i"), Path(folder) / f"{number}.html")
    lap("two pages")
    panels_csv([*panels, *against])
    lap("CSV")
    return seconds


if __name__ == "__main__":
    for matrices in (("q", "v"), tuple(SIZES)):
        found = measure(matrices)
        parts = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in found.items())
        print(f"{' '.join(matrices)}: {sum(found.values()):.1f} s ({parts})")
