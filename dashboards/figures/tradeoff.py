"""Score against trainable parameters, with the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.beside import paper_points
from dashboards.figure_source import Source
from dashboards.points import tradeoff_points
from dashboards.printing import print_score, print_seeds, score_title
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff import tradeoff_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw(source: Source) -> go.Figure:
    """Draw all configurations of a sweep."""
    sweep = source.sweep
    paper = paper_points(sweep.task, sweep.metric) if source.paper else []
    return tradeoff_figure(source.own, source.name, paper)


def in_words(source: Source) -> TextAlternative:
    """Say where the front begins and ends."""
    points = tradeoff_points(source.own)
    front = sorted((p for p in points if p.is_pareto), key=lambda p: p.trainable_params)
    methods = several(len({p.method for p in points}), "method")
    ends = [
        f"{print_score(p.score, p.std, p.metric)} with {p.trainable_params:,} ({p.title})"
        for p in dict.fromkeys((front[0], front[-1]))
    ]
    sentence = (
        f"{several(len(points), 'configuration')} of {methods} by trainable parameters and "
        f"{score_title(source.sweep.task, source.sweep.metric)}. The Pareto front, a step line through "
        f"{several(len(front), 'configuration')}, goes from {' to '.join(ends)}."
    )
    rows = [
        (
            p.title,
            p.label or "-",
            f"{p.trainable_params:,}",
            print_score(p.score, p.std, p.metric),
            print_seeds(p.n, p.n_failed),
        )
        for p in front
    ]
    headings = ("On the front", "Hyperparameters", "Trainable parameters", "Score", "Seeds")
    return TextAlternative(sentence, headings, rows)
