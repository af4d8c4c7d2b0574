"""From a row of a CSV to what is remembered of a result that was trained elsewhere, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from dashboards.imported import marked
from dashboards.pareto_csv import AFTER, BEFORE
from dashboards.printing import is_percent
from methods.base import Shape
from methods.errors import FrontuneError, unknown_name
from storage.records import SweepRecord, TrialRecord, TrialState, Value
from sweeps.imported_method import described
from sweeps.results_csv import ResultRow, as_number

WHOLE = ("batch_size", "steps", "peak_memory_bytes", "train_tokens")
NUMBERS = ("lr", "train_seconds", "eval_seconds", "wall_seconds", "tokens_per_second")
TEXTS = ("device", "git_commit")
NO_HYPERPARAMETERS = frozenset((*BEFORE, *AFTER, *WHOLE, "label"))
OF_ONE = ("meteor", "rouge_l", "chrf")
"""Fractions of 1 that are not printed as percentages."""


@dataclass(frozen=True)
class Import:
    """What rows are read for: a sweep and the file's name; the base's shape and size, once they are asked."""

    sweep: SweepRecord
    file: str
    shape: Callable[[], Shape]
    base_params: Callable[[], int]


def is_complete(row: ResultRow) -> bool:
    """Whether the row is of a trial that came to its end; raises FrontuneError for a state that is none."""
    state = row.cells.get("state", "complete")
    if state not in get_args(TrialState):
        raise row.error(unknown_name("state", state, get_args(TrialState)))
    return state == "complete"


def result_of(row: ResultRow, asked: Import) -> TrialRecord:
    """Return the row's result, not numbered yet; raises FrontuneError, which names the row, where it cannot
    be."""
    sweep, cells = asked.sweep, row.cells
    for column in ("base", "task", "metric"):
        given, wanted = cells.get(column), getattr(sweep, column)
        if given not in (None, wanted):
            raise row.error(f"its {column} is {given!r}, that of sweep {sweep.name!r} is {wanted!r}")
    score, params = _score(row, sweep.metric), row.whole("trainable_params")
    assert params is not None
    values = {key: _value(text) for key, text in cells.items() if key not in NO_HYPERPARAMETERS}
    try:
        method = described(cells["method"], values, params, asked.shape)
    except FrontuneError as error:
        raise row.error(str(error)) from error
    stored = row.whole("stored_params")
    others: dict[str, Any] = {key: cells.get(key) for key in TEXTS}
    others |= {key: row.whole(key) for key in WHOLE} | {key: row.number_in(key) for key in NUMBERS}
    label = cells.get("label", method.label)
    recipe = [others["lr"], others["batch_size"], others["steps"], cells.get("config_hash")]
    return TrialRecord(
        sweep=sweep.name,
        study="",
        number=-1,
        state="complete",
        method=method.method,
        title=marked(method.title),
        label=label,
        hyperparameters=method.hyperparameters,
        config_hash=_identity(method.method, label, method.hyperparameters, params, recipe),
        seed=row.whole("seed") or 0,
        base=sweep.base,
        task=sweep.task,
        metric=sweep.metric,
        trainable_params=params,
        stored_params=params if stored is None else stored,
        base_params=asked.base_params(),
        point=-1,
        created_at=datetime.now(UTC),
        score=score,
        imported_from=asked.file,
        **others,
    )


def _score(row: ResultRow, metric: str) -> float:
    score = row.number_in("score")
    assert score is not None
    if score > 1 and (is_percent(metric) or metric.partition("/")[0] in OF_ONE):
        raise row.error(f"score is {score:g}, but {metric} is a fraction of 1: wanted 0 to 1")
    return score


def _value(text: str) -> Value:
    """A hyperparameter of its own type."""
    number = as_number(text)
    if number is not None:
        return number
    return {"true": True, "false": False}.get(text.lower(), text)


def _identity(
    method: str, label: str, hyperparameters: Mapping[str, Value], params: int, recipe: Sequence[Value]
) -> str:
    """What replicates share; never the hash of a trial, whose result it would be taken for."""
    content = ["imported", method, label, sorted(hyperparameters.items()), params, recipe]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
