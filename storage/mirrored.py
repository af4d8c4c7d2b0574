"""What MLflow is told of a trial: params, tags and metrics, under names that MLflow accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, TypeVar

from storage.records import Measurement, TrialRecord, TrialState

STATUS: Mapping[TrialState, str] = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "infeasible": "FAILED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
RECIPE = ("lr", "batch_size", "steps", "seed")
TAGS = (
    "sweep",
    "study",
    "number",
    "method",
    "title",
    "label",
    "config_hash",
    "seed",
    "state",
    "device",
    "git_commit",
    "reason",
    "reused_from",
)
NUMBERS = (
    "score",
    "trainable_params",
    "stored_params",
    "trainable_pct",
    "train_seconds",
    "eval_seconds",
    "wall_seconds",
    "tokens_per_second",
    "train_tokens",
    "peak_memory_bytes",
)
METRICS_A_CALL, PARAMS_A_CALL, TAGS_A_CALL = 800, 100, 100
"""MLflow takes 1000 entities a call, of which at most 100 params and 100 tags."""
T = TypeVar("T")
MetricPoint = tuple[str, float, int, int]
"""Name, value, time in milliseconds since 1970, training step."""


def legal_name(name: str) -> str:
    """Return `name` with `_` for what MLflow refuses in the names of params, metrics and tags."""
    return re.sub(r"[^\w.\- :]", "_", name)


def time_ms(moment: datetime) -> int:
    """Return a point in time as MLflow wants it."""
    return round(moment.timestamp() * 1000)


def trial_params(trial: TrialRecord) -> dict[str, str]:
    """Return the hyperparameters and the recipe, without what is not known (yet): params are write-once."""
    recipe = {name: getattr(trial, name) for name in RECIPE}
    known = {name: value for name, value in recipe.items() if value is not None}
    return {legal_name(name): str(value) for name, value in {**trial.hyperparameters, **known}.items()}


def trial_tags(trial: TrialRecord) -> dict[str, str]:
    """Return what runs are filtered and coloured by."""
    values = {name: getattr(trial, name) for name in TAGS}
    # A reason is always told, or that of an earlier attempt would stay.
    values["reason"] = trial.reason or ""
    return {name: str(value) for name, value in values.items() if value is not None}


def trial_tags_match(tags: Mapping[str, str], trial: TrialRecord) -> bool:
    """Return whether a run with these tags is the trial's own."""
    return (tags.get("sweep"), tags.get("number")) == (trial.sweep, str(trial.number))


def end_ms(trial: TrialRecord) -> int:
    """Return when a trial had taken what it took, as MLflow wants it: its own time and not that of telling,
    so that being told twice changes nothing. What was reused took none."""
    took = 0.0 if trial.reused_from else trial.wall_seconds or trial.train_seconds or 0.0
    return time_ms(trial.created_at + timedelta(seconds=took))


def trial_metrics(trial: TrialRecord, measurements: Iterable[Measurement]) -> list[MetricPoint]:
    """Return the trial's numbers, its score also under the metric's own name, and curves as SPLIT/METRIC.

    Times are the trial's own, not the clock's: MLflow keeps one of two equal points, so that a trial
    mirrored twice is there once.
    """
    # What is told of a trial that may yet go on must not stand as its latest then.
    last = trial.steps or 0 if trial.state in ("complete", "pruned") else 0
    end = end_ms(trial)
    numbers = {name: getattr(trial, name) for name in NUMBERS}
    numbers[legal_name(trial.metric)] = trial.score
    points = [(name, float(value), end, last) for name, value in numbers.items() if value is not None]
    curves = [
        (
            f"{legal_name(each.split)}/{legal_name(each.metric)}",
            each.value,
            time_ms(trial.created_at),
            each.step,
        )
        for each in measurements
    ]
    return points + curves


def in_calls(
    metrics: Sequence[MetricPoint], params: Mapping[str, str], tags: Mapping[str, str]
) -> Iterator[tuple[Sequence[Any], Sequence[Any], Sequence[Any]]]:
    """Yield them as MLflow's own objects, as few times as it takes them."""
    from mlflow.entities import Metric, Param, RunTag

    return zip_longest(
        _chunks([Metric(key, value, at, step) for key, value, at, step in metrics], METRICS_A_CALL),
        _chunks([Param(key, value) for key, value in params.items()], PARAMS_A_CALL),
        _chunks([RunTag(key, value) for key, value in tags.items()], TAGS_A_CALL),
        fillvalue=(),
    )


def _chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
