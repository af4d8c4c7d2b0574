"""`frontune refine`: new points where the front has its widest gaps, in log trainable parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console

from dashboards.pareto import front_of
from dashboards.replicates import replicates
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.read_only import open_read_only
from storage.workspace import Workspace
from sweeps.plan import Plan
from sweeps.point import Point
from sweeps.resume import stored_specs
from sweeps.running import check_sweep, run_sweep
from sweeps.sizes import sizes_of
from sweeps.space import Choice, Range, Space
from sweeps.studies import asked_points

LARGEST_SIZE = 2**20
"""Far above any rank, bottleneck or length; what a base cannot hold is refused."""


@dataclass(frozen=True)
class Proposal:
    """A point with `count` trainable parameters, between two counts of the front or of other proposals."""

    point: Point
    count: int
    between: tuple[int, int]

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.point.values.items())
        low, high = self.between
        return f"{self.point.method}({values}): {self.count:,} parameters, between {low:,} and {high:,}"


def refine(name: str, workspace: str, n: int, dry_run: bool, console: Console) -> int:
    """Propose at most `n` points and, but for a dry run, train them; return 1 where there is none."""
    url = Workspace.open(workspace, create=False).database_url
    with closing(open_read_only(url) if dry_run else Ledger.open(url, create=False)) as ledger:
        specs = stored_specs(ledger, name, workspace)
        if len(specs) > 1:
            raise FrontuneError(f"{name} is {len(specs)} sweeps; refine one of: {[s.name for s in specs]}")
        plan = check_sweep(specs[0], only_look=dry_run)
        front = front_of(replicates(ledger.trials(plan.spec.name)))
    asked = asked_points(url, plan.spec.name, plan.methods)
    known = {plan.identity(point) for points in asked.values() for point in points.values()}
    found = propose(plan, [asked[group.first.study][group.first.point] for group in front], known, n)
    for each in found:
        console.print(str(each), markup=False, highlight=False, soft_wrap=True)
    if not found:
        console.print("no gap of the front can be filled by a method that stands on it", highlight=False)
    if found and not dry_run:
        done = run_sweep(plan, console, tuple(each.point for each in found))
        return 130 if done.ending == "interrupted" else 0
    return 0 if found else 1


def propose(plan: Plan, front: Sequence[Point], known: set[str], n: int) -> list[Proposal]:
    """Return at most `n` points that are not `known` by their identity, each in the middle of the gap that is
    then the widest.

    A point is one of the front, the gap's neighbours first, with its sizes scaled and all else unchanged.
    """
    marks = sorted(plan.count(point) for point in front)
    found: list[Proposal] = []
    while len(found) < n:
        taken = known | {plan.identity(each.point) for each in found}
        gaps = sorted(pairwise(marks), key=lambda gap: gap[0] / gap[1])
        new = (
            proposal
            for gap in gaps
            for proposal in _between(plan, front, gap)
            if plan.identity(proposal.point) not in taken
        )
        first = next(new, None)
        if first is None:
            break
        found.append(first)
        marks = sorted([*marks, first.count])
    return found


def _between(plan: Plan, front: Sequence[Point], gap: tuple[int, int]) -> Iterator[Proposal]:
    """Points within a gap: those made from its neighbours by how near they are to its middle, then others."""
    low, high = gap
    middle = (math.log(low) + math.log(high)) / 2
    made = []
    for point in front:
        sized = _sized(plan, point, middle)
        count = plan.count(sized)
        if low < count < high and plan.refusal(sized) is None:
            apart = abs(math.log(plan.count(point)) - middle) > (math.log(high) - math.log(low)) / 2 + 1e-9
            made.append((apart, abs(math.log(count) - middle), Proposal(sized, count, gap)))
    yield from (proposal for _, _, proposal in sorted(made, key=lambda each: each[:2]))


def _sized(plan: Plan, point: Point, log_count: float) -> Point:
    """The point with its sizes scaled, ties kept, to the count nearest to the wanted one; 0 stays 0."""
    space = Space(
        {
            key: Range(1, LARGEST_SIZE) if type(value) is int and value > 0 else Choice((value,))
            for key, value in point.values.items()
        }
    )
    sizes = sizes_of(point.method, space, plan.shape)
    return Point(point.method, dict(point.values) | sizes.nearest(point.values, log_count))
