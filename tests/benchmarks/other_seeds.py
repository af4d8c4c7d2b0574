"""Several seeds and pruning: whether a point of which one seed was pruned should lose its other seeds, too.

``python -m tests.benchmarks.other_seeds [TASK]`` plays all points of a task in ORDERS orders by the rule
alone, the seeds of a point one after the other, and prints how the shares of the whole are distributed: the
hypervolume of the means over all seeds, and the steps.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sweeps.pruning import Rungs
from tests.benchmarks.curve_table import Curve, CurveTable, read_curves
from tests.benchmarks.hypervolume import hypervolume
from tests.benchmarks.pruning_replay import ORDERS, spread
from tests.benchmarks.rules_alone import Ended, end

Seeds = Mapping[int, Curve]
WAYS = ("train on", "drop", "front alone")
"""The other seeds of a pruned point are trained, or not; or every point has one seed, and those on the front
of what was not pruned get the others, which are not pruned (`replicate_front`)."""


@dataclass
class Played:
    """What a sweep has trained: every trial that ended, by point."""

    table: CurveTable
    steps: int = 0
    ended: dict[str, list[Ended]] = field(default_factory=lambda: defaultdict(list))
    _rungs: Rungs = field(default_factory=lambda: Rungs(3))

    def train(self, curve: Curve, *, is_judged: bool = True) -> Ended:
        """Have a trial run to its end, or to the rung at which it is pruned."""
        number = sum(map(len, self.ended.values()))
        found = end(number, curve, self._rungs if is_judged else None, self.table.total_steps)
        self.steps += found.steps
        self.ended[curve.point].append(found)
        return found

    def means(self, n_seeds: int) -> dict[str, tuple[int, float]]:
        """Trainable parameters and mean score of the points with so many seeds, none of them pruned."""
        found = {}
        for point, trials in self.ended.items():
            scores = [trial.score for trial in trials if trial.score is not None]
            if len(trials) >= n_seeds and scores and not any(trial.is_pruned for trial in trials):
                found[point] = trials[0].trainable_params, statistics.mean(scores)
        return found


def main(task: str) -> None:
    """Play the task in each way, and print the distributions."""
    table = read_curves(task)
    print(f"{task}: {len(table.points)} points, seeds {table.seeds}, {ORDERS} orders, the rule alone")
    for way in WAYS:
        volumes, steps = zip(*(play(table, way, order) for order in range(ORDERS)), strict=True)
        print(f"  {way:14}volume    {spread(volumes)}")
        print(f"  {way:14}steps     {spread(steps)}", flush=True)


def play(table: CurveTable, way: str, order: int) -> tuple[float, float]:
    """Return the shares of the hypervolume and of the steps that all trials, trained whole, have."""
    whole, played = Played(table), Played(table)
    for curve in table.curves:
        whole.train(curve, is_judged=False)
    points = list(_by_point(table).values())
    random.Random(order).shuffle(points)
    for seeds in points:
        for number, curve in enumerate(seeds.values()):
            if played.train(curve).is_pruned and way == "drop":
                break
            if way == "front alone" and number == 0:
                break
    if way == "front alone":
        for point in _front_in_rounds(played):
            for curve in list(_by_point(table)[point].values())[1:]:
                played.train(curve, is_judged=False)
    most, n_seeds = max(curve.trainable_params for curve in table.curves), len(table.seeds)
    volume, full = (
        hypervolume(each.means(n_seeds).values(), most, table.untrained) for each in (played, whole)
    )
    return volume / full, played.steps / whole.steps


def _by_point(table: CurveTable) -> dict[str, Seeds]:
    found: dict[str, dict[int, Curve]] = defaultdict(dict)
    for curve in table.curves:
        found[curve.point][curve.seed] = curve
    return {point: dict(sorted(seeds.items())) for point, seeds in found.items()}


def _front_in_rounds(played: Played) -> Iterator[str]:
    """Yield points that stand on the front with one seed, until all that stand there have several."""
    while True:
        best, entered = -1.0, list[str]()
        for point, (_, score) in sorted(played.means(1).items(), key=lambda item: item[1]):
            if score > best:
                best = score
                entered += [point] if len(played.ended[point]) == 1 else []
        if not entered:
            return
        yield from entered


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["demo"]))
