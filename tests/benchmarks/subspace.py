"""How long the subspaces of GPT-2-sized adapters take, as ``frontune subspace`` computes and draws them.

``python -m tests.benchmarks.subspace`` prints seconds: two adapters, r = 8 and r = 64, of q and v, and of all
six matrices, in the 12 layers of GPT-2 and the 24 of GPT-2 Medium; weights are Gaussian. As in the command,
as many matrices are decomposed at once as torch has threads.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from dashboards.amplification import amplifications
from dashboards.directions import Update, weight_directions
from dashboards.plot_files import write_plot
from dashboards.subspace import adapter_panels, panels_csv, weight_panels
from dashboards.subspace_plot import plot_subspaces

BASES = {"GPT-2": (12, 768), "GPT-2 Medium": (24, 1024)}
WIDTHS = {"q": (1, 1), "k": (1, 1), "v": (1, 1), "o": (1, 1), "up": (1, 4), "down": (4, 1)}
"""In and out of each matrix, in widths of the model."""


def adapter(base: str, matrices: tuple[str, ...], r: int) -> list[Update]:
    """A random adapter, with an update of full rank."""
    layers, d = BASES[base]
    draw = np.random.default_rng(r)

    def gaussian(*size: int) -> np.ndarray:
        return draw.standard_normal(size, dtype=np.float32)

    places = [(layer, matrix) for layer in range(layers) for matrix in matrices]
    return [Update(n, m, gaussian(r, d * WIDTHS[m][0]), gaussian(d * WIDTHS[m][1], r)) for n, m in places]


def measure(base: str, matrices: tuple[str, ...]) -> dict[str, float]:
    """Seconds of each part."""
    small, large = adapter(base, matrices, 8), adapter(base, matrices, 64)
    draw = np.random.default_rng(0)
    weights = {
        (u.layer, u.matrix): draw.standard_normal((len(u.B), u.A.shape[1]), dtype=np.float32) for u in small
    }
    seconds, began = {}, time.perf_counter()

    def lap(what: str) -> None:
        nonlocal began
        seconds[what], began = time.perf_counter() - began, time.perf_counter()

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        found = threads.map(weight_directions, weights.values())
        known = {place: (weights[place], each) for place, each in zip(weights, found, strict=True)}
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


def main() -> None:
    """A line for each base and choice of matrices."""
    for base in BASES:
        for matrices in (("q", "v"), tuple(WIDTHS)):
            with threadpool_limits(1, "blas"):
                found = measure(base, matrices)
            parts = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in found.items())
            print(f"{base}, {' '.join(matrices)}: {sum(found.values()):.1f} s ({parts})", flush=True)


if __name__ == "__main__":
    main()
