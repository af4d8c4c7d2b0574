"""The matrices of a base that two trials adapt, and their own singular directions, kept by a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.directions import Floats, Update, WeightDirections, weight_directions
from methods.errors import FrontuneError
from storage.checkpoints import load_tensors, save_tensors
from storage.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from methods.frozen import FrozenBase

Place = tuple[int, str]
Weights = dict[Place, tuple[Floats, WeightDirections]]


def base_directions(file: Path, trust: bool, updates: Sequence[Update], workspace: Workspace) -> Weights:
    """Return W (out, in) and its directions for each layer and matrix of `updates`; `file` is an adapter's.

    As many matrices are decomposed at once as torch has threads, so BLAS should have one. Raises
    FrontuneError where the base is not what the adapter was trained on.
    """
    import torch

    from methods.base import Site
    from methods.loading import load_base
    from methods.weights import matrix_weight

    about = load_tensors(file)[1]
    base = load_base(about["base"], trust_remote_code=trust)
    if base.fingerprint != about["base_fingerprint"]:
        raise FrontuneError(
            f"base {base.name!r} has other content than when the trial was trained: its fingerprint was "
            f"{about['base_fingerprint']}, is {base.fingerprint} now"
        )

    def of(place: Place) -> tuple[Floats, WeightDirections]:
        weight = matrix_weight(base, Site(place[1], place[0])).contiguous().numpy()
        return weight, _kept_directions(base, place, weight, workspace)

    places = list(dict.fromkeys((update.layer, update.matrix) for update in updates))
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return dict(zip(places, threads.map(of, places), strict=True))


def _kept_directions(
    base: FrozenBase, place: Place, weight: Floats, workspace: Workspace
) -> WeightDirections:
    """A matrix is decomposed once for a workspace."""
    import torch

    cache = workspace.directions_file(base.fingerprint, f"{place[0]}.{place[1]}")
    if cache.exists():
        kept: Mapping[str, torch.Tensor] = load_tensors(cache)[0]
        return WeightDirections(*(kept[side].numpy() for side in ("left", "right", "values")))
    found = weight_directions(weight)
    sides = {"left": found.left, "right": found.right, "values": found.values}
    save_tensors(cache, {side: torch.from_numpy(values) for side, values in sides.items()}, {})
    return found
