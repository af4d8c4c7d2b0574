"""Trials as JSON, Parquet and a pandas frame: the columns of the CSV, with values of their own types."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dashboards.pareto_csv import Cell, trial_values
from dashboards.replicates import Cost
from storage.records import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = {
    **dict.fromkeys(
        ("stored_params", "batch_size", "steps", "peak_memory_bytes", "n_seeds", "train_tokens"), int
    ),
    **dict.fromkeys(
        ("score", "lr", "train_seconds", "eval_seconds", "wall_seconds", "tokens_per_second"), float
    ),
    **dict.fromkeys(("score_mean", "score_std", "front_probability"), float),
}
"""What a column holds of which no value may be known, so that all sweeps' files have one schema."""
DTYPES = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}
Sweeps = Sequence[Sequence[TrialRecord]]


def trials_json(sweeps: Sweeps, front_only: bool, cost: Cost = "trainable_params") -> bytes:
    """Return a list with an object for each trial; what is not known, or no finite number, is null."""
    columns, rows = trial_values(sweeps, front_only, cost)
    content = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def trials_parquet(sweeps: Sweeps, front_only: bool, cost: Cost = "trainable_params") -> bytes:
    """Return a table with a row for each trial."""
    import io

    data = io.BytesIO()
    trial_frame(sweeps, front_only, cost).to_parquet(data, index=False)
    return data.getvalue()


def trial_frame(sweeps: Sweeps, front_only: bool = False, cost: Cost = "trainable_params") -> pd.DataFrame:
    """Return a row for each trial; a column that holds texts and numbers holds texts alone."""
    import pandas as pd

    columns, rows = trial_values(sweeps, front_only, cost)
    series = (_series([row[at] for row in rows], NUMBERS.get(name, str)) for at, name in enumerate(columns))
    return pd.DataFrame(dict(zip(columns, series, strict=True)))


def _series(values: list[Cell], otherwise: type) -> pd.Series:
    """Two methods may have a parameter of one name and different types: then all are texts."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        return pd.Series([None if value is None else str(value) for value in values], dtype="string")
    # Of these types whole numbers stay whole where some are not known.
    return pd.Series(values, dtype=DTYPES.get(next(iter(kinds), otherwise)))


def _plain(value: Cell) -> Cell:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
