"""The recipe of a sweep as its trials had it, which methods' blocks and points may change, or search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards.printing import print_lr
from dashboards.table15 import learning_rates
from storage.records import SweepRecord, TrialRecord

MOST_LISTED = 3
"""Different values of a key that are named; of more numbers the least and the greatest."""


def recipe(sweep: SweepRecord, trials: Sequence[TrialRecord]) -> list[tuple[str, str]]:
    """Return each key with the values that trials had, or, where no trial tells of it, the sweep file's."""
    values = sweep.spec.get("recipe")
    known = dict(values) if isinstance(values, Mapping) else {}
    if known.get("steps") is not None:
        # Steps count instead.
        known.pop("epochs", None)
    facts = []
    for key, value in known.items():
        used = {each for trial in trials for each in _used(trial, key, value)}
        if used or value is not None:
            facts.append((str(key), _several(key, used or {value})))
    return facts


def _used(trial: TrialRecord, key: str, value: object) -> Sequence[object]:
    if key == "lr":
        return learning_rates(trial)
    columns = {"batch_size": trial.batch_size, "steps": trial.steps if trial.state == "complete" else None}
    found = columns[key] if key in columns else trial.hyperparameters.get(key, value)
    return () if found is None else (found,)


def _several(key: str, values: set[object]) -> str:
    """``16``, ``8 or 16 in the trials``, ``3e-3 to 2e-2 in the trials``."""
    numbers = sorted(value for value in values if isinstance(value, int | float))
    if len(numbers) == len(values):
        texts = list(dict.fromkeys(print_lr(n) if key == "lr" else str(n) for n in numbers))
        if len(texts) > MOST_LISTED:
            return f"{texts[0]} to {texts[-1]} in the trials"
    else:
        texts = sorted(map(str, values))
    *others, last = texts
    return f"{', '.join(others)} or {last} in the trials" if others else last
