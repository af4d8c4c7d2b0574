"""The points of the trade-off plot: one for each configuration, and the corners of the front."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dashboards.appearance import method_order
from dashboards.imported import trial_name
from dashboards.pareto import front_of
from dashboards.printing import one_line, print_lr, print_score, print_share, score_title
from dashboards.replicates import Replicates, replicates
from storage.records import TrialRecord, Value

_LOWERED = re.compile(r"\b([rl])_([a-z]+)\b")
_RAISED = re.compile(r"\^(\w+)")


@dataclass(frozen=True)
class Point:
    """One configuration, its replicates averaged; `score` and `std` (None with one seed) as stored.

    `hover` is the whole configuration as plotly's HTML, names escaped. `source` is empty for one's own,
    else whose number it is. `numbers` are those of its trials. `imported_from` is the file of what
    was trained elsewhere.
    """

    method: str
    title: str
    label: str
    config_hash: str
    trainable_params: int
    task: str
    metric: str
    score: float
    std: float | None
    n: int
    is_pareto: bool
    hover: str
    source: str = ""
    n_failed: int = 0
    numbers: tuple[int, ...] = ()
    imported_from: str | None = None


def tradeoff_points(trials: Sequence[TrialRecord]) -> list[Point]:
    """Return one point for each scored configuration, methods in the paper's order, then by parameters.

    `is_pareto` is the front of the averaged points. Raises FrontuneError if tasks or metrics are mixed.
    """
    return points_of(replicates(trials))


def points_of(groups: Sequence[Replicates]) -> list[Point]:
    """Return the same of configurations whose seeds have been taken together."""
    front = {group.first.config_hash for group in front_of(groups)}
    points = [_point(group, group.first.config_hash in front) for group in groups]
    return sorted(points, key=lambda p: (*method_order(p.method), p.trainable_params))


def pruned_points(trials: Sequence[TrialRecord]) -> list[Point]:
    """Return a point for each trial that was stopped at a rung and scored there, in the same order.

    Their scores are of less training than the others', so none is on the front or part of a mean.
    """
    stopped = [t for t in trials if t.state == "pruned" and t.score is not None and math.isfinite(t.score)]
    points = [_point(Replicates((t,)), False, ", pruned") for t in stopped if t.trainable_params > 0]
    return sorted(points, key=lambda p: (*method_order(p.method), p.trainable_params))


def front_steps(points: Sequence[Point]) -> list[tuple[int, float]]:
    """Return the corners of the front as (trainable parameters, score as stored), ordered by parameters.

    The last corner repeats the best score at the largest budget drawn. A point of 0 parameters has no place
    on a logarithmic axis and is left out; `plot_tradeoff` draws it as a horizontal line.
    """
    drawn = [p for p in points if p.trainable_params > 0]
    corners = sorted((p.trainable_params, p.score) for p in drawn if p.is_pareto)
    widest = max((p.trainable_params for p in drawn), default=0)
    if corners and corners[-1][0] < widest:
        corners.append((widest, corners[-1][1]))
    return corners


@lru_cache(maxsize=4096)
def plotly_text(text: str) -> str:
    """Return text for plotly, which reads HTML: names escaped, ``Adapter^H`` with a raised H.

    Quotes stay, since plotly does not read ``&quot;``.
    """
    return _RAISED.sub(r"<sup>\1</sup>", _escaped(text))


@lru_cache(maxsize=4096)
def _escaped(text: str) -> str:
    return html.escape(one_line(text), quote=False)


def with_subscripts(text: str) -> str:
    """Return text for plotly with the subscripts of ranks and lengths as the paper prints them."""
    return _LOWERED.sub(r"\1<sub>\2</sub>", plotly_text(text))


def _point(group: Replicates, is_pareto: bool, ending: str = "") -> Point:
    first = group.first
    return Point(
        method=first.method,
        title=first.title,
        label=first.label,
        config_hash=first.config_hash,
        trainable_params=first.trainable_params,
        task=first.task,
        metric=first.metric,
        score=group.score,
        std=group.std,
        n=group.n,
        is_pareto=is_pareto,
        hover=_hover(group, is_pareto) + ending,
        n_failed=group.n_failed,
        numbers=tuple(trial.number for trial in group.trials),
        imported_from=first.imported_from,
    )


def _hover(group: Replicates, is_pareto: bool) -> str:
    first = group.first
    seeds = f", {group.seeds} seeds" if group.n + group.n_failed > 1 else f", seed {first.seed}"
    failed = f" ({group.n_failed} failed)" if group.n_failed else ""
    numbers = ", ".join(trial_name(t.number) for t in group.trials)
    which = f"trial {numbers}"
    if first.imported_from is not None:
        which = f"{numbers}, trained elsewhere, imported from {_escaped(first.imported_from)}"
    score = print_score(group.score, group.std, first.metric)
    lines = [
        f"<b>{plotly_text(first.title)}</b>  {plotly_text(first.label)}".rstrip(),
        f"{plotly_text(score_title(first.task, first.metric))}: {score}{seeds}{failed}",
        f"{first.trainable_params:,} trainable parameters ({print_share(first.trainable_pct)} of the base)",
        *(f"{_escaped(name)} = {_value(name, v)}" for name, v in _configuration(first)),
        which + (", on the Pareto front" if is_pareto else ""),
    ]
    return "<br>".join(lines)


def _configuration(trial: TrialRecord) -> list[tuple[str, Value]]:
    recipe: dict[str, Value] = {"lr": trial.lr, "batch_size": trial.batch_size, "steps": trial.steps}
    known = {name: value for name, value in recipe.items() if value is not None}
    return [
        *sorted(trial.hyperparameters.items()),
        *((k, v) for k, v in known.items() if k not in trial.hyperparameters),
    ]


def _value(name: str, value: Value) -> str:
    if isinstance(value, float) and name.rpartition(".")[2] == "lr":
        return print_lr(value)
    return f"{value:.4g}" if isinstance(value, float) else _escaped(str(value))
