"""What a sweep file costs before anything is read: trials, and tokens to train on, estimated."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.point import Point
from sweeps.spec import SweepSpec
from sweeps.tasks import task_named
from sweeps.training.batches import steps_in, tokens_in


def n_trials(spec: SweepSpec) -> int:
    """How many trials the file asks for, if the base can hold all its points."""
    if spec.trials is not None and spec.methods:
        return spec.trials
    every = sum(1 for _ in _points(spec)) * len(spec.seeds)
    return every if spec.trials is None else min(every, spec.trials)


def training_tokens(spec: SweepSpec) -> int | None:
    """The real tokens of all trials' training, from the task's published size and mean length; None where
    the task has none. What a search may change of the recipe is not looked at."""
    task = task_named(spec.task.name)
    rows = spec.task.train_examples or task.train_rows
    if not rows or not task.row_tokens:
        return None
    recipe = spec.recipe.recipe(seed=0)
    steps = steps_in(rows, recipe.batch_size, recipe.epochs, recipe.steps)
    return round(n_trials(spec) * tokens_in(rows, task.row_tokens, recipe.batch_size, steps))


def _points(spec: SweepSpec) -> Iterator[Point]:
    yield from spec.explicit_points()
    for method, space in spec.spaces().items():
        for values in space.grid(f"methods.{method}"):
            yield Point(method, values)
