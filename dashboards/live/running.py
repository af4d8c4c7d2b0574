"""Trials that are running: how far they are, how they learn, and about how long they still train."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dashboards.figures.curves import learning_curves, plot_curves
from dashboards.printing import print_score, print_seconds
from storage.records import RungScore, TrialProgress, TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_DRAWN = 12
SILENT_S = 60.0
"""A trial is heard of every two seconds, but where its worker scores another one, or has gone."""


@dataclass(frozen=True)
class RunningTrial:
    """A running trial after `step` of `steps`, when it was last heard of `silent_s` seconds ago.

    `seconds_left` of training and `silent_s` are None where nothing tells them. Of a trial that stands still,
    for nobody drives its sweep, nothing tells the time left.
    """

    trial: TrialRecord
    step: int
    steps: int | None
    seconds_left: float | None
    silent_s: float | None
    losses: tuple[tuple[int, float], ...]
    rungs: tuple[RungScore, ...]
    is_driven: bool = True


def running_trials(
    trials: Sequence[TrialRecord],
    progress: Iterable[TrialProgress],
    rungs: Iterable[RungScore],
    now: datetime,
    *,
    is_driven: bool = True,
) -> list[RunningTrial]:
    """Return the trials that run, by number; `is_driven`: somebody drives their sweep.

    The time left is that of the steps left at the trial's own pace so far; before two of its steps are known,
    at the median pace of the method's trials that have ended. What scoring will take is not in it.
    """
    of_trial = {each.number: each for each in progress}
    reached: dict[int, list[RungScore]] = {}
    for rung in rungs:
        reached.setdefault(rung.number, []).append(rung)
    found = []
    for trial in trials:
        if trial.state == "running":
            known = of_trial.get(trial.number)
            found.append(
                RunningTrial(
                    trial=trial,
                    step=known.step if known else 0,
                    steps=known.steps if known else trial.steps,
                    seconds_left=_seconds_left(trial, known, trials, now) if is_driven else None,
                    silent_s=(now - known.at).total_seconds() if known else None,
                    losses=known.losses if known else (),
                    rungs=tuple(sorted(reached.get(trial.number, ()), key=lambda r: r.step)),
                    is_driven=is_driven,
                )
            )
    return found


def plot_running(running: Sequence[RunningTrial], title: str) -> go.Figure:
    """Draw the learning curves so far, those of the latest `MOST_DRAWN` trials."""
    latest = running[-MOST_DRAWN:]
    curves = learning_curves(
        [each.trial for each in latest],
        {each.trial.number: each.losses for each in latest},
        [rung for each in latest for rung in each.rungs],
    )
    # There is no best yet, and nothing to stand out from.
    return plot_curves([replace(curve, is_best=True) for curve in curves], title)


def how_far(running: RunningTrial) -> str:
    """Return ``step 40 of 100, about 12 s left, loss 1.23, accuracy 45.0 at step 16``."""
    parts = [f"step {running.step:,}" + (f" of {running.steps:,}" if running.steps else "")]
    silent_s, patience_s = running.silent_s, SILENT_S if running.is_driven else 0.0
    if running.is_driven and running.steps and running.step >= running.steps:
        parts.append("being scored")
    elif silent_s is not None and silent_s > patience_s:
        parts.append(f"last heard of {print_seconds(silent_s)} ago")
    elif running.seconds_left is not None:
        parts.append(f"about {print_seconds(max(1.0, running.seconds_left))} left")
    if running.losses:
        parts.append(f"loss {running.losses[-1][1]:.3g}")
    if running.rungs:
        last, metric = running.rungs[-1], running.trial.metric
        parts.append(f"{metric} {print_score(last.score, None, metric)} at step {last.step:,}")
    return ", ".join(parts)


def _seconds_left(
    trial: TrialRecord, known: TrialProgress | None, trials: Sequence[TrialRecord], now: datetime
) -> float | None:
    if known is not None and known.step > known.first_step:
        pace = (known.at - known.first_at).total_seconds() / (known.step - known.first_step)
    elif (median := _median_pace(trial.method, trials)) is not None:
        pace = median
    else:
        return None
    steps, step = (known.steps, known.step) if known else (trial.steps, 0)
    if steps is None:
        return None
    since = (now - (known.at if known else trial.created_at)).total_seconds()
    return max(0.0, (steps - step) * pace - max(0.0, since))


def _median_pace(method: str, trials: Sequence[TrialRecord]) -> float | None:
    """Seconds of a step of the method's trials whose steps all count."""
    paces = [
        trial.train_seconds / trial.steps
        for trial in trials
        if trial.method == method
        and trial.train_seconds
        and trial.steps
        and trial.state in ("complete", "pruned")
    ]
    return statistics.median(paces) if paces else None
