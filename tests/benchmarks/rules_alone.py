"""What pruning costs and saves by the rules alone, without the driver around them: seconds for minutes.

``python -m tests.benchmarks.rules_alone [TASK ...]`` prints what `pruning_replay` prints; with ``--together``
all seeds of a point are points of one sweep.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import RungScore
from sweeps.pruning import Rungs, rung_number, rung_steps
from tests.benchmarks.curve_table import Curve, CurveTable, read_curves
from tests.benchmarks.pruning_replay import ORDERS, Replay, print_spreads, rules_at_hand, shares
from tests.benchmarks.pruning_rules import Rule


@dataclass(frozen=True)
class Ended:
    """A trial as it ended: the steps that it took, and its score where it was not stopped and did not
    diverge."""

    trainable_params: int
    steps: int
    score: float | None
    is_pruned: bool = False


def main(tasks: Sequence[str], together: bool) -> None:
    """Play every task under every rule, and print the distributions."""
    for task in tasks:
        table = read_curves(task)
        print(f"{task}: {len(table.points)} points, seeds {table.seeds}, {ORDERS} orders, rules alone")
        for rule in rules_at_hand():
            print_spreads(rule.name, [play(table, rule, order, together) for order in range(ORDERS)])


def play(table: CurveTable, rule: Rule, order: int, together: bool = False) -> Replay:
    """Have trials reach their rungs one after the other, in the order that `pruning_replay` gives them."""
    seed = table.seeds[order % len(table.seeds)]
    curves = [curve for curve in table.curves if together or curve.seed == seed]
    shuffled, rungs = list(curves), rule.rungs(table.total_steps)
    random.Random(order).shuffle(shuffled)
    ended = [end(n, curve, rungs, table.total_steps) for n, curve in enumerate(shuffled)]
    return shares(table, curves, [(each.trainable_params, each.steps, each.score) for each in ended])


def end(number: int, curve: Curve, rungs: Rungs | None, total: int) -> Ended:
    """Have one trial reach its rungs."""
    params, steps = curve.trainable_params, rung_steps(total, rungs.reduction) if rungs else ()
    for step in steps:
        if step not in curve.scores:
            return Ended(params, step, None)
        assert rungs is not None
        found = RungScore(number, rung_number(step, steps), step, curve.scores[step], curve.losses.get(step))
        if not rungs.reach(found, params):
            return Ended(params, step, None, is_pruned=True)
    return Ended(params, total, curve.scores.get(total))


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--together"] or ["demo"], "--together" in sys.argv)
