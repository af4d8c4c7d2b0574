"""What the edits of a batch's slots make of a hooked module's output: each slot has its own rows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from methods.arch.family import Tap
from methods.base import Edit, Rows, Site

Taps = Sequence[tuple[Tap, Sequence[Site]]]
"""The taps of one module, each with its layer's sites, in the order in which they are edited."""


@dataclass(frozen=True)
class Placed:
    """A slot's edits and its rows of the batch, the half-open range [first, last)."""

    edits: Mapping[Site, Edit]
    first: int
    last: int
    rows: Rows = field(default_factory=Rows)


def edit_output(
    taps: Taps,
    placed: Sequence[Placed],
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    output: Any,
) -> Any:
    """The forward hook of a module: let each slot edit its own rows of the module's output."""
    x = args[0] if args else kwargs["hidden_states"]
    y = output[0] if isinstance(output, tuple) else output
    n_rows = placed[-1].last
    # OPT flattens (B, T) into one axis before its MLP.
    x_BTI, y_BTO = (t.view(n_rows, -1, t.shape[-1]) if t.dim() == 2 else t for t in (x, y))
    if x.dim() == 2 and y.dim() == 3:
        x_BTI = x
    for tap, sites in taps:
        if not any(site in slot.edits for slot in placed for site in sites):
            continue
        parts = tap.split(y_BTO)
        y_BTO = tap.join([_edit_site(site, placed, x_BTI, y) for site, y in zip(sites, parts, strict=True)])
    new = y_BTO.view(y.shape)
    return (new, *output[1:]) if isinstance(output, tuple) else new


def _edit_site(site: Site, placed: Sequence[Placed], x_BTI: Tensor, y_BTO: Tensor) -> Tensor:
    """Edit one site: neighbours of one kin in one, all others slot by slot."""
    runs = [list(run) for _, run in groupby(placed, key=lambda slot: _kin(slot, site))]
    # Not by slices: backward each of them would be a zero tensor of the whole batch's size.
    counts = [run[-1].last - run[0].first for run in runs]
    parts = zip(runs, torch.split(x_BTI, counts), torch.split(y_BTO, counts), strict=True)
    pieces = [_edit_run(site, run, own_x_BTI, own_y_BTO) for run, own_x_BTI, own_y_BTO in parts]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _kin(slot: Placed, site: Site) -> object:
    """Equal for slots that nothing edits here, and for those whose edits may run in one."""
    edit = slot.edits.get(site)
    if edit is None:
        return None
    return slot.first if edit.kin is None else (type(edit), edit.kin, slot.last - slot.first)


def _edit_run(site: Site, run: Sequence[Placed], x_BTI: Tensor, y_BTO: Tensor) -> Tensor:
    edits = [slot.edits[site] for slot in run if site in slot.edits]
    if not edits:
        return y_BTO
    if len(run) > 1:
        return type(edits[0]).together(edits, x_BTI, y_BTO)
    # While text is generated, each pass after the first sees one new token and no virtual ones.
    return edits[0](x_BTI, y_BTO, Rows() if y_BTO.shape[1] == 1 else run[0].rows)  # type: ignore[no-any-return]
