"""What was searched of each method, and what that took."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.appearance import method_order
from dashboards.figures.effort import STATES, effort
from dashboards.printing import short_exponent
from storage.records import SweepRecord, TrialRecord


@dataclass(frozen=True)
class Searched:
    """A method's search space as the sweep file has it, and the effort; seconds of training and scoring."""

    method: str
    title: str
    space: str
    trials: Mapping[str, int]
    seconds: float
    tokens: int

    @property
    def n_trials(self) -> int:
        """All trials, however they ended."""
        return sum(self.trials.values())


def searched_methods(sweep: SweepRecord, trials: Sequence[TrialRecord]) -> list[Searched]:
    """Return a line for each method of the sweep file or of a trial, in the paper's order."""
    blocks = sweep.spec.get("methods")
    spaces = dict(blocks) if isinstance(blocks, Mapping) and sweep.spec.get("sampler") != "points" else {}
    took = {each.method: each for each in effort(trials)}
    points = _points_by_method(sweep)
    found = []
    for method in sorted({*spaces, *took, *points}, key=method_order):
        known = took.get(method)
        parts = [print_space(spaces[method])] if method in spaces else []
        if method in points:
            parts.append(f"points: {'; '.join(points[method])}")
        found.append(
            Searched(
                method=method,
                title=known.title if known else method,
                space=" and ".join(parts) or "-",
                trials={state: n for state in STATES if known and (n := known.trials.get(state))},
                seconds=known.train_seconds + known.eval_seconds if known else 0.0,
                tokens=known.tokens if known else 0,
            )
        )
    return found


def print_space(block: object) -> str:
    """Return a method's block of a sweep file on one line: ``r: 1, 2 or 4; lr: 1e-3 to 1e-1 (log)``."""
    if not isinstance(block, Mapping):
        return str(block)
    if not block:
        return "its defaults"
    return "; ".join(f"{key}: {_print_dimension(value)}" for key, value in block.items())


def _print_dimension(value: object) -> str:
    if isinstance(value, list):
        *others, last = map(_print_value, value) if value else [""]
        return f"{', '.join(others)} or {last}" if others else last
    if isinstance(value, Mapping) and {"low", "high"} <= value.keys():
        log = " (log)" if value.get("log") else ""
        return f"{_print_value(value['low'])} to {_print_value(value['high'])}{log}"
    return f"{{{print_space(value)}}}" if isinstance(value, Mapping) else _print_value(value)


def _print_value(value: object) -> str:
    if isinstance(value, float) and value and not 1e-2 <= abs(value) < 1e4:
        return short_exponent(f"{value:e}")
    return str(value)


def _points_by_method(sweep: SweepRecord) -> dict[str, list[str]]:
    """The explicit points, each under its method's name."""
    written = sweep.spec.get("points")
    found: dict[str, list[str]] = {}
    for point in written if isinstance(written, list) else []:
        names = re.sub(r"\(.*?\)", "", str(point)).split("+")
        found.setdefault("+".join(name.strip() for name in names), []).append(str(point))
    return found
