"""Which points a sweep is going to deal to each method: those known beforehand, and how many are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweeps.plan import Plan
from sweeps.point import Point


@dataclass(frozen=True)
class Expected:
    """`known` are explicit points and those of a grid; `typical` are points that stand for the drawn ones."""

    method: str
    known: tuple[Point, ...]
    drawn: int = 0
    typical: tuple[Point, ...] = ()

    @property
    def n_points(self) -> int:
        """How many points the method is dealt."""
        return len(self.known) + self.drawn

    @property
    def examples(self) -> tuple[Point, ...]:
        """Points to learn from what the method's trials take, at least one."""
        return (*self.known, *self.typical)


def expected_points(plan: Plan) -> list[Expected]:
    """Return what each method is dealt, in the order of `plan.methods`; a method without any is left out.

    Under `balance: adaptive` methods that widen the front get more than the equal share that is given here.
    """
    spec = plan.spec
    room = math.inf if spec.trials is None else spec.trials // len(spec.seeds)
    explicit = plan.points[: int(min(room, len(plan.points)))]
    met = {plan.identity(point) for point in explicit}
    grids = {
        method: [point for point in plan.grid(method) if plan.identity(point) not in met]
        for method in (plan.spaces if spec.sampler == "grid" else ())
    }
    sizes = {m: len(grids[m]) if m in grids else space.size for m, space in plan.spaces.items()}
    shares = _in_turn(sizes, room - len(explicit))
    found = []
    for method in plan.methods:
        known = [point for point in explicit if point.method == method]
        share = shares.get(method, 0)
        if method in grids:
            found.append(Expected(method, (*known, *grids[method][:share])))
        else:
            typical = _typical(plan, method) if share else ()
            found.append(Expected(method, tuple(known), share, typical))
    return [expected for expected in found if expected.n_points]


def _in_turn(sizes: dict[str, int | None], room: float) -> dict[str, int]:
    """Deal points in turn until none is left to deal; a finite space ends early."""
    shares = dict.fromkeys(sizes, 0)
    while room > 0:
        open_ = [m for m, size in sizes.items() if size is None or shares[m] < size]
        if not open_:
            break
        method = min(open_, key=shares.__getitem__)
        shares[method] += 1
        room -= 1
    return shares


def _typical(plan: Plan, method: str) -> tuple[Point, ...]:
    points = [Point(method, values) for values in plan.spaces[method].probes()]
    distinct = [point for number, point in enumerate(points) if point not in points[:number]]
    return tuple(point for point in distinct if plan.refusal(point) is None)
