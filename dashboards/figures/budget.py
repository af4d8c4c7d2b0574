"""The best score that each method reaches with at most so many trainable parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.appearance import appearance, hollow, method_order
from dashboards.figure_layout import layout, say, score_axis, score_scale
from dashboards.figure_source import Source
from dashboards.imported import imported_note
from dashboards.pareto import front_of
from dashboards.points import plotly_text
from dashboards.printing import print_score
from dashboards.replicates import Replicates, replicates
from dashboards.text_alternative import TextAlternative, several
from dashboards.tradeoff import x_scale
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "What each method reaches within a budget"


@dataclass(frozen=True)
class BudgetLine:
    """A method's configurations that are better than all its smaller ones, by parameters."""

    method: str
    title: str
    steps: tuple[Replicates, ...]


def budget_lines(trials: Sequence[TrialRecord]) -> list[BudgetLine]:
    """Return a line for each method, in the paper's order, of mean scores.

    Points of 0 parameters have no place on a logarithmic axis and are left out.
    """
    by_method: dict[str, list[Replicates]] = {}
    for group in replicates(trials):
        if group.first.trainable_params > 0:
            by_method.setdefault(group.first.method, []).append(group)
    return [
        BudgetLine(method, groups[0].first.title, tuple(front_of(groups)))
        for method, groups in sorted(by_method.items(), key=lambda item: method_order(item[0]))
    ]


def draw(source: Source) -> go.Figure:
    """Draw the lines of a sweep."""
    return plot_budget(budget_lines(source.compared), TITLE)


def in_words(source: Source) -> TextAlternative:
    """Say where the lines lie."""
    lines = budget_lines(source.compared)
    ends = [f"{line.steps[-1].first.title} {_score(line.steps[-1])}" for line in lines]
    sentence = (
        f"The best score of {several(len(lines), 'method')} with at most so many trainable parameters, a "
        f"step line for each. With the largest budget: {', '.join(ends)}."
    )
    if note := imported_note(step.first for line in lines for step in line.steps):
        sentence = f"{sentence} {note}."
    rows = [
        (step.first.title, step.first.label or "-", f"{step.first.trainable_params:,}", _score(step))
        for line in lines
        for step in line.steps
    ]
    return TextAlternative(sentence, ("Method", "Hyperparameters", "From parameters", "Best score"), rows)


def _score(step: Replicates) -> str:
    return print_score(step.score, step.std, step.first.metric)


def plot_budget(lines: Sequence[BudgetLine], title: str) -> go.Figure:
    """Draw a step line for each method, which goes on at its best score up to the largest budget drawn."""
    import plotly.graph_objects as go

    if not lines:
        return say(go.Figure(layout=layout(title, "", "")), "no completed trial yet")
    first = lines[0].steps[0].first
    x_title = "Budget: at most so many trainable parameters"
    figure = go.Figure(layout=layout(title, x_title, score_axis(first.task, first.metric)))
    scale = x_scale([step.first.trainable_params for line in lines for step in line.steps])
    figure.update_xaxes(**scale)
    end = 10 ** scale["range"][1]
    figure.add_traces([go.Scatter(**trace) for line in lines for trace in _traces(line, end)])
    return figure


def _traces(line: BudgetLine, end: float) -> list[dict[str, Any]]:
    """The steps with a marker for each configuration, and the line that goes on to the end of the axis."""
    look = appearance(line.method)
    elsewhere = [step.first.imported_from is not None for step in line.steps]
    symbols = [hollow(look.symbol) if each else look.symbol for each in elsewhere]
    x = [step.first.trainable_params for step in line.steps]
    y = [score_scale(step.first.metric) * step.score for step in line.steps]
    shared = {"legendgroup": line.method, "line": {"shape": "hv", "color": look.color, "width": 2}}
    steps = {
        "x": x,
        "y": y,
        "mode": "lines+markers",
        "name": plotly_text(line.title),
        "marker": {"symbol": symbols, "color": look.color, "size": 11},
        "hoverinfo": "text",
        "hovertext": [_hover(step) for step in line.steps],
    }
    rest = {"x": [x[-1], end], "y": [y[-1]] * 2, "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    return [shared | rest, shared | steps]


def _hover(step: Replicates) -> str:
    first = step.first
    with_so_many = f"with {first.trainable_params:,} parameters, n = {step.n}"
    if first.imported_from is not None:
        with_so_many += f", imported from {first.imported_from}"
    return plotly_text(f"{first.title} {first.label}: {_score(step)} {with_so_many}")
