"""Learning curves: the training loss of each trial, and its score at the rungs and at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.appearance import appearance, method_order
from dashboards.figure_layout import panels, say, score_axis, score_scale
from dashboards.figure_source import Source
from dashboards.points import plotly_text
from dashboards.printing import print_score
from dashboards.replicates import scored
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff_traces import legend_entry
from storage.curves import curves
from storage.records import RungScore, TrialRecord
from storage.rungs import rung_scores

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Learning curves"
MOST_CURVES = 200
SMOOTHED = 20
"""A drawn loss is the mean of so manieth a part of the trial's steps: a batch's own loss jumps."""


@dataclass(frozen=True)
class LearningCurve:
    """A trial's way: (step, mean loss) and (step, score as stored); `is_best` of its method."""

    trial: TrialRecord
    losses: tuple[tuple[int, float], ...]
    scores: tuple[tuple[int, float], ...]
    is_best: bool


def shown_trials(trials: Sequence[TrialRecord], most: int = MOST_CURVES) -> list[TrialRecord]:
    """Return the trials that began to train, by number; of more than `most`, each method's best scores."""
    begun = [t for t in trials if t.state in ("complete", "pruned", "running")]
    places: dict[str, int] = {}
    ranked = []
    for trial in sorted(begun, key=lambda t: (-_known(t.score), t.number)):
        places[trial.method] = places.get(trial.method, -1) + 1
        ranked.append((places[trial.method], trial))
    chosen = sorted(ranked, key=lambda each: (each[0], each[1].number))[:most]
    return sorted((trial for _, trial in chosen), key=lambda t: t.number)


def learning_curves(
    trials: Sequence[TrialRecord],
    losses: Mapping[int, Sequence[tuple[int, float]]],
    rungs: Iterable[RungScore],
) -> list[LearningCurve]:
    """Return a curve for each trial, methods in the paper's order, the best of each method last.

    `losses` holds (step, loss of that step's batch) by trial number.
    """
    by_trial: dict[int, dict[int, float]] = {}
    for rung in rungs:
        by_trial.setdefault(rung.number, {})[rung.step] = rung.score
    best: dict[str, TrialRecord] = {}
    for trial in scored(trials):
        if trial.method not in best or _known(trial.score) > _known(best[trial.method].score):
            best[trial.method] = trial
    found = []
    for trial in trials:
        scores = by_trial.get(trial.number, {})
        if trial.score is not None and trial.steps is not None and trial.state == "complete":
            scores = scores | {trial.steps: trial.score}
        smooth = tuple(_smoothed(losses.get(trial.number, ())))
        found.append(
            LearningCurve(trial, smooth, tuple(sorted(scores.items())), best.get(trial.method) is trial)
        )
    return sorted(found, key=lambda c: (*method_order(c.trial.method), c.is_best, c.trial.number))


def draw(source: Source) -> go.Figure:
    """Draw the curves of a sweep."""
    return plot_curves(_read(source), TITLE)


def in_words(source: Source) -> TextAlternative:
    """Say how each method's best trial learned."""
    found = _read(source)
    pruned = sum(curve.trial.state == "pruned" for curve in found)
    and_pruned = f", {pruned:,} of them pruned, and their scores on the way" if pruned else ""
    sentence = (
        f"The training loss of {several(len(found), 'trial')} by step{and_pruned}; the table has each "
        "method's best trial."
    )
    rows = [
        (
            curve.trial.title,
            f"{curve.trial.number}",
            ", ".join(f"{loss:.3g}" for _, loss in (curve.losses[0], curve.losses[-1])),
            ", ".join(
                f"{print_score(score, None, curve.trial.metric)} at {at:,}" for at, score in curve.scores
            ),
        )
        for curve in found
        if curve.is_best and curve.losses
    ]
    return TextAlternative(sentence, ("Method", "Trial", "First and last loss", "Score at step"), rows)


def _read(source: Source) -> list[LearningCurve]:
    name, trials = source.sweep.name, shown_trials(source.own)
    losses = curves(source.ledger, name, [t.number for t in trials], "loss", "train")
    return learning_curves(trials, losses, rung_scores(source.ledger, name))


def plot_curves(found: Sequence[LearningCurve], title: str) -> go.Figure:
    """Draw the losses and, where trials were scored at rungs, the scores; each method's best stands out."""
    with_rungs = any(len(curve.scores) > 1 or curve.trial.state == "pruned" for curve in found)
    figure = panels(title, 1, 1 + with_rungs, [], horizontal_spacing=0.1)
    if not any(curve.losses for curve in found):
        return say(figure, "no trial has trained yet")
    first = found[0].trial
    for curve in sorted(found, key=lambda c: c.is_best):
        _add(figure, 1, curve, curve.losses, 1.0, "lines+markers" if curve.is_best else "lines")
        if with_rungs:
            _add(figure, 2, curve, curve.scores, score_scale(first.metric), "lines+markers")
    for method in dict.fromkeys(curve.trial.method for curve in found):
        look = appearance(method)
        marker = {"symbol": look.symbol, "color": look.color, "size": 9}
        name = next(curve.trial.title for curve in found if curve.trial.method == method)
        line = {"color": look.color, "width": 2.2}
        figure.add_scatter(
            mode="lines+markers", line=line, legendgroup=method, **legend_entry(name, marker), row=1, col=1
        )
    figure.update_xaxes(title="Step", rangemode="tozero")
    figure.update_yaxes(title="Training loss", rangemode="tozero", row=1, col=1)
    if with_rungs:
        figure.update_yaxes(title=score_axis(first.task, first.metric), row=1, col=2)
    return figure


def _add(
    figure: go.Figure,
    column: int,
    curve: LearningCurve,
    values: Sequence[tuple[int, float]],
    scale: float,
    mode: str,
) -> None:
    look = appearance(curve.trial.method)
    pruned = curve.trial.state == "pruned"
    trace: dict[str, Any] = {
        "x": [step for step, _ in values],
        "y": [scale * value for _, value in values],
        "mode": mode,
        "line": {"color": look.color, "width": 2.2 if curve.is_best else 1.0},
        "marker": {
            "symbol": f"{look.symbol}-open" if pruned else look.symbol,
            "size": 7,
            "maxdisplayed": 5 if column == 1 else 0,
        },
        "opacity": 1.0 if curve.is_best else 0.3,
        "hoverinfo": "text",
        "hovertext": [_hover(curve, step, value, column == 2) for step, value in values],
        "legendgroup": curve.trial.method,
        "showlegend": False,
    }
    figure.add_scatter(**trace, row=1, col=column)


def _hover(curve: LearningCurve, step: int, value: float, is_score: bool) -> str:
    trial = curve.trial
    text = print_score(value, None, trial.metric) if is_score else f"loss {value:.3g}"
    ended = f", {trial.state}" if trial.state != "complete" else ""
    return plotly_text(f"trial {trial.number} {trial.title} {trial.label}{ended}: {text} at step {step:,}")


def _smoothed(losses: Sequence[tuple[int, float]]) -> Iterable[tuple[int, float]]:
    """The mean of each window of steps, at its last step."""
    width = max(1, len(losses) // SMOOTHED)
    for end in range(width, len(losses) + 1, width):
        window = losses[end - width : end]
        yield window[-1][0], float(np.mean([loss for _, loss in window]))


def _known(score: float | None) -> float:
    return -np.inf if score is None or np.isnan(score) else score
