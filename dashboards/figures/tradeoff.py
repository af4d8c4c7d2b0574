"""Score against trainable parameters, with the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.beside import paper_points
from dashboards.figure_source import Source
from dashboards.imported import note_of_files
from dashboards.points import Point, pruned_points, tradeoff_points
from dashboards.printing import print_score, print_seeds, score_title
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff import tradeoff_figure
from storage.untrained import untrained_scores

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Score against trainable parameters"


def draw(source: Source) -> go.Figure:
    """Draw all configurations of a sweep."""
    sweep = source.sweep
    paper = paper_points(sweep.task, sweep.metric) if source.paper else []
    return tradeoff_figure(source.compared, TITLE, paper, _untrained(source))


def in_words(source: Source) -> TextAlternative:
    """Say where the front begins and ends, and what to compare it with."""
    points = tradeoff_points(source.compared)
    front = sorted((p for p in points if p.is_pareto), key=lambda p: p.trainable_params)
    methods = several(len({p.method for p in points}), "method")
    sentences = [
        f"{several(len(points), 'configuration')} of {methods} by trainable parameters and "
        f"{score_title(source.sweep.task, source.sweep.metric)}."
    ]
    ends = [f"{_score(p)} with {p.trainable_params:,} ({p.title})" for p in (*front[:1], *front[1:][-1:])]
    if front:
        through = several(len(front), "configuration")
        sentences.append(f"The Pareto front, a step line through {through}, goes from {' to '.join(ends)}.")
    if pruned := pruned_points(source.own):
        sentences.append(f"{several(len(pruned), 'pruned trial')} as small points.")
    if full := [p for p in points if p.method == "fine_tune"]:
        sentences.append(f"The best full fine-tuning scores {_score(max(full, key=lambda p: p.score))}.")
    if note := note_of_files(p.imported_from for p in points):
        sentences.append(f"{note}, as hollow markers with a dot.")
    if (untrained := _untrained(source)) is not None:
        scores = print_score(untrained, None, source.sweep.metric)
        sentences.append(f"The untrained base scores {scores}.")
    rows = [
        (p.title, p.label or "-", f"{p.trainable_params:,}", _score(p), print_seeds(p.n, p.n_failed))
        for p in front
    ]
    headings = ("On the front", "Hyperparameters", "Trainable parameters", "Score", "Seeds")
    return TextAlternative(" ".join(sentences), headings, rows)


def _score(point: Point) -> str:
    return print_score(point.score, point.std, point.metric)


def _untrained(source: Source) -> float | None:
    """What the base scores as it is, where it was measured."""
    return untrained_scores(source.ledger, source.sweep.name).get(source.sweep.metric)
