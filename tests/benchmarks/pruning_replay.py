"""What pruning costs and saves: recorded learning curves, played back through the real driver.

``python -m tests.benchmarks.pruning_replay [TASK ...]`` prints, for each task and rule, how the share of the
whole hypervolume and the share of the training steps are distributed (least, quartiles, most) over ORDERS
orders of the points, the seeds taken in turn. MOASHA needs the extra ``bench``, without which it is left out.
"""

from __future__ import annotations

import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from methods.loading import meta_base
from storage.records import TrialRecord
from sweeps.plan import Plan, make_plan
from sweeps.running import quiet_libraries
from sweeps.settings import PruningSettings
from sweeps.spec import check_spec
from tests.benchmarks.curve_table import FOLDER, Curve, CurveTable, read_curves
from tests.benchmarks.driving import drive
from tests.benchmarks.hypervolume import Found, hypervolume
from tests.benchmarks.pruning_rules import RULES, Rule
from tests.benchmarks.replaying import ReplayExecutor

ORDERS = 24
BUDGET = 0.4
"""Of the training steps without pruning: what rules are also compared at."""


@dataclass(frozen=True)
class Replay:
    """Shares of what the same sweep has without pruning; `within_budget` counts what had ended by then."""

    volume: float
    steps: float
    within_budget: float


def main(tasks: Sequence[str]) -> None:
    """Replay every task under every rule, and print the distributions."""
    quiet_libraries()
    for task in tasks:
        table = read_curves(task)
        plan = bare_plan(table)
        print(f"{task}: {len(table.points)} points, seeds {table.seeds}, {ORDERS} orders")
        for rule in rules_at_hand():
            seeds = itertools.cycle(table.seeds)
            print_spreads(
                rule.name, [replay(table, plan, rule, next(seeds), order) for order in range(ORDERS)]
            )


def rules_at_hand() -> list[Rule]:
    """Return the rules, without MOASHA where syne-tune is not installed."""
    return [rule for rule in RULES if find_spec("syne_tune") or not rule.name.startswith("MOASHA")]


def print_spreads(name: str, replays: Sequence[Replay]) -> None:
    """Print how a rule's replays are distributed."""
    for what in ("volume", "within_budget", "steps"):
        print(f"  {name:16}{what:14}{spread([getattr(each, what) for each in replays])}", flush=True)


def bare_plan(table: CurveTable) -> Plan:
    """Return a plan for the table's points that neither its data nor its base's weights are needed for."""
    spec = check_spec(
        {
            "name": "replay",
            "base": "tiny",
            "task": {"name": "demo", "train_examples": 1, "eval_examples": 1},
            "points": table.points,
            "recipe": {"steps": table.total_steps},
        },
        "the replay",
    )
    base = FOLDER / f"{table.task}-base"
    plan = make_plan(spec)
    return replace(plan, shape=meta_base(str(base)).shape) if base.is_dir() else plan


def replay(table: CurveTable, plan: Plan, rule: Rule, seed: int, order: int, slots: int = 1) -> Replay:
    """Run the sweep of one seed, its points in one of the orders."""
    points = list(plan.points)
    random.Random(order).shuffle(points)
    pruning = PruningSettings(reduction=rule.reduction) if rule.reduction else None
    spec = plan.spec.model_copy(update={"seeds": [seed], "pruning": pruning})
    shuffled = replace(plan, spec=spec, points=tuple(points))
    executor = ReplayExecutor(table, slots)
    with tempfile.TemporaryDirectory() as folder:
        trials = drive(shuffled, executor, Path(folder), rule.driver)
    return measured(table, trials, executor.played, seed)


def measured(
    table: CurveTable, trials: Sequence[TrialRecord], played: Mapping[int, int], seed: int
) -> Replay:
    """Compare what a sweep found and spent with all that there was."""
    mine = [curve for curve in table.curves if curve.seed == seed]
    by_number = {trial.number: trial for trial in trials}
    ended = [
        (trial.trainable_params, steps, trial.score if trial.state == "complete" else None)
        for trial, steps in ((by_number[number], steps) for number, steps in played.items())
    ]
    return shares(table, mine, ended)


def shares(
    table: CurveTable, curves: Sequence[Curve], ended: Sequence[tuple[int, int, float | None]]
) -> Replay:
    """Compare trials, in the order in which they ended, with all that `curves` have: each is its trainable
    parameters, its steps, and its score where it was trained to the end."""
    most, last = max(curve.trainable_params for curve in table.curves), table.total_steps
    whole = [(curve.trainable_params, curve.scores[last]) for curve in curves if last in curve.scores]
    full = hypervolume(whole, most, table.untrained)
    spent, found, in_time = 0, list[Found](), list[Found]()
    for params, steps, score in ended:
        spent += steps
        if score is not None:
            found.append((params, score))
            if spent <= BUDGET * last * len(curves):
                in_time.append((params, score))
    return Replay(
        hypervolume(found, most, table.untrained) / full,
        spent / (last * len(curves)),
        hypervolume(in_time, most, table.untrained) / full,
    )


def spread(values: Sequence[float]) -> str:
    """Least, quartiles and most, in percent."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    return " ".join(f"{100 * value:6.1f}" for value in (min(values), *quartiles, max(values)))


if __name__ == "__main__":
    main(sys.argv[1:] or ["demo"])
