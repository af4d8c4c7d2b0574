"""Records the learning curves that `pruning_replay` plays back.

``python -m tests.benchmarks.record_curves TASK SEED [KEY=VALUE ...]`` trains the sweep ``curves/TASK.yaml``
with one seed and without pruning, scores every trial at the steps below on the same validation rows, and
writes ``curves/TASK-SEED.csv`` row by row.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from methods.expression import parse_method
from sweeps.executors.base import Runner
from sweeps.executors.inline import InlineExecutor
from sweeps.plan import Plan, make_plan
from sweeps.pruning import rung_steps
from sweeps.running import loaded_once, quiet_libraries, trainer
from sweeps.spec import load_specs
from sweeps.training.recipe import Recipe
from sweeps.training.selection import evaluate
from sweeps.training.slot import Slot
from sweeps.trial import Failed, Finished, Rung, TrialEvent, TrialResult, TrialSpec
from tests.benchmarks.curve_table import FOLDER, UNTRAINED, Curve, csv_row, header, written_point
from tests.benchmarks.driving import drive

PERCENT = (5, 11, 15, 22, 27, 33, 40, 50, 60, 70, 85, 100)
"""Of a trial's steps: closest together where rungs may lie; those of `rung_steps` are recorded as well."""


def main(task: str, seed: str, *overrides: str) -> None:
    """Record one task's curves with one seed."""
    quiet_libraries()
    (spec,) = load_specs(FOLDER / f"{task}.yaml", (f"seeds=[{seed}]", *overrides))
    plan = make_plan(spec)
    total = spec.recipe.steps or 100
    steps = sorted({*rung_steps(total), *(total * percent // 100 for percent in PERCENT)})
    table = FOLDER / f"{task}-{seed}.csv"
    with table.open("w", newline="") as file, tempfile.TemporaryDirectory() as folder:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header([0, *steps]))

        def write(curve: Curve) -> None:
            writer.writerow(csv_row(curve, [0, *steps]))
            file.flush()

        write(Curve(UNTRAINED, 0, 0, {0: untrained_score(plan)}, {}))
        runner = RecordingRunner(trainer(plan)("cpu"), plan, tuple(steps), write)
        drive(plan, InlineExecutor(runner), Path(folder))


@dataclass
class RecordingRunner:
    """Trains as `runner` does, one trial at a time, and writes what each scored at `steps`."""

    runner: Runner
    plan: Plan
    steps: tuple[int, ...]
    write: Callable[[Curve], None]
    _curve: Curve = field(init=False)

    @property
    def capacity(self) -> int:
        return self.runner.capacity

    @property
    def busy(self) -> bool:
        return self.runner.busy

    def submit(self, trial: TrialSpec) -> None:
        method, recipe = parse_method(trial.method), trial.recipe
        count = method.count(self.plan.shape)
        self._curve = Curve(written_point(method, recipe), count, recipe.seed, {}, {})
        self.runner.submit(replace(trial, rungs=self.steps[:-1], score_rungs=True))

    def cancel(self, number: int) -> None:
        self.runner.cancel(number)

    def at_most(self, slots: int) -> None:
        self.runner.at_most(slots)

    def advance(self) -> Iterator[TrialEvent]:
        for event in self.runner.advance():
            if isinstance(event, Rung | Finished):
                self._record(event.result)
            if isinstance(event, Finished | Failed):
                self.write(self._curve)
            if not isinstance(event, Rung):
                yield event

    def close(self) -> None:
        self.runner.close()

    def _record(self, result: TrialResult | None) -> None:
        assert result is not None
        assert result.score is not None
        scores = {**self._curve.scores, result.steps: result.score}
        losses = {**self._curve.losses, result.steps: result.metrics["loss"]}
        self._curve = replace(self._curve, scores=scores, losses=losses)


def untrained_score(plan: Plan) -> float:
    """What the base scores as it is: LoRA's B is zero at the start."""
    base = loaded_once(plan.spec, "cpu")()
    slot = Slot(base, parse_method("lora(r_q=1)"), Recipe(steps=1), plan.data.train)
    score = evaluate(base, plan.data, slot).score
    assert score is not None
    return score


if __name__ == "__main__":
    main(*sys.argv[1:])
