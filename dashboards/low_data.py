"""Score against the number of training examples, laid out as Table 16 of the LoRA paper (Hu et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.appearance import appearance, method_order
from dashboards.figure_layout import layout
from dashboards.latex import render_latex
from dashboards.markdown import markdown_table
from dashboards.pareto_csv import csv_cell, csv_text
from dashboards.points import plotly_text
from dashboards.printing import is_percent, one_line, print_score, print_seeds, score_title
from dashboards.replicates import replicates
from dashboards.rich_table import rich_table
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.table import Table


APART = 0.008
"""Methods stand so much of the axis beside each other, or their error bars would hide one another."""


@dataclass(frozen=True)
class LowDataPoint:
    """The best configuration of a method at one number of examples, its seeds averaged.

    `score` and `std` (None with one seed) are as stored; best is by the mean on validation. `source` is
    empty for one's own, else whose number it is.
    """

    method: str
    title: str
    label: str
    examples: int
    task: str
    metric: str
    score: float
    std: float | None
    n: int
    source: str = ""
    n_failed: int = 0


def low_data_points(trials: Mapping[int, Sequence[TrialRecord]]) -> list[LowDataPoint]:
    """Return a point for each method and number of examples (the keys), methods in the paper's order."""
    points = []
    for examples, some in trials.items():
        groups = replicates(some)
        for method in {group.first.method for group in groups}:
            best = max(
                (group for group in groups if group.first.method == method),
                key=lambda group: (group.score, -group.first.number),
            )
            first = best.first
            points.append(
                LowDataPoint(
                    method=method,
                    title=first.title,
                    label=first.label,
                    examples=examples,
                    task=first.task,
                    metric=first.metric,
                    score=best.score,
                    std=best.std,
                    n=best.n,
                    n_failed=best.n_failed,
                )
            )
    return sorted(points, key=lambda p: (*method_order(p.method), p.examples))


def print_examples(n: int) -> str:
    """Return 100 as ``100``, 1000 as ``1k``, 392,702 as ``393k``."""
    return str(n) if n < 1000 else f"{n / 1000:.3g}k" if n < 10_000 else f"{n / 1000:.0f}k"


def low_data_cells(points: Sequence[LowDataPoint]) -> tuple[list[str], list[list[str]], set[tuple[int, int]]]:
    """Return the headings, a row of cells for each method, and the (row, column) of each column's best."""
    sizes = sorted({p.examples for p in points})
    rows = list(dict.fromkeys((p.source, p.method, p.title) for p in points))
    heading = one_line(score_title(points[0].task, points[0].metric)) if points else "Score"
    headings = ["Method", *(f"{heading}, {print_examples(n)}" for n in sizes)]
    cells, best = [], set()
    own = [p for p in points if not p.source]
    for number, (source, method, title) in enumerate(rows):
        line = [one_line(f"{title} ({source})" if source else title)]
        for column, size in enumerate(sizes, start=1):
            here = [p for p in points if (p.source, p.method, p.examples) == (source, method, size)]
            line.append(print_score(here[0].score, here[0].std, here[0].metric) if here else "-")
            if here and not source and here[0].score == max(p.score for p in own if p.examples == size):
                best.add((number, column))
        cells.append(line)
    return headings, cells, best


def render_low_data_markdown(points: Sequence[LowDataPoint]) -> str:
    """Return the table in GitHub's Markdown; each column's best is bold."""
    return markdown_table(*low_data_cells(points))


def render_low_data_latex(points: Sequence[LowDataPoint]) -> str:
    """Return the table in LaTeX with booktabs; each column's best is bold."""
    return render_latex(*low_data_cells(points))


def render_low_data_csv(points: Sequence[LowDataPoint]) -> str:
    """Return a row for each point, numbers as stored."""
    columns = ("method", "label", "examples", "task", "metric", "score", "std", "n", "source")
    return csv_text([columns, *([csv_cell(getattr(p, name)) for name in columns] for p in points)])


def render_low_data_rich(points: Sequence[LowDataPoint]) -> Table:
    """Return the table for a terminal."""
    headings, rows, best = low_data_cells(points)
    # A column of the paper's for each of ours would not fit side by side with headings on one line.
    return rich_table([heading.replace(" ", "\n") for heading in headings], rows, best, n_names=1)


def plot_low_data(points: Sequence[LowDataPoint], title: str) -> go.Figure:
    """Draw score against examples on a logarithmic axis, a line with error bars for each method; other
    people's numbers are dotted."""
    import plotly.graph_objects as go

    task, metric = (points[0].task, points[0].metric) if points else ("", "score")
    unit = " (%)" if is_percent(metric) else ""
    figure = go.Figure(
        layout=layout(title, "Training examples", f"{plotly_text(score_title(task, metric))}{unit}")
    )
    sizes = sorted({p.examples for p in points})
    own = list(dict.fromkeys(p.method for p in points if not p.source))
    for source, method in dict.fromkeys((p.source, p.method) for p in points):
        mine = [p for p in points if (p.source, p.method) == (source, method)]
        place = 0.0 if source else own.index(method) - (len(own) - 1) / 2
        figure.add_trace(go.Scatter(**_line(mine, (sizes[-1] / sizes[0]) ** (APART * place))))
    figure.update_xaxes(tickvals=sizes, ticktext=[print_examples(n) for n in sizes])
    return figure


def _line(points: Sequence[LowDataPoint], shift: float) -> dict[str, Any]:
    first, scale = points[0], 100.0 if is_percent(points[0].metric) else 1.0
    look = appearance(first.method)
    name = f"{first.title} ({first.source})" if first.source else first.title
    return {
        "x": [p.examples * shift for p in points],
        "y": [scale * p.score for p in points],
        "error_y": {"array": [scale * (p.std or 0.0) for p in points], "width": 3},
        "mode": "lines+markers",
        "name": plotly_text(name),
        "line": {"color": look.color, "width": 2, "dash": "dot" if first.source else "solid"},
        "marker": {"symbol": look.symbol, "size": 10, "color": look.color},
        "opacity": 0.5 if first.source else 1.0,
        "hoverinfo": "text",
        "hovertext": [_hover(p) for p in points],
    }


def _hover(point: LowDataPoint) -> str:
    score = print_score(point.score, point.std, point.metric)
    seeds = print_seeds(point.n, point.n_failed)
    whose = f", {point.source}" if point.source else f", {seeds} seed{'' if seeds == '1' else 's'}"
    text = f"{point.title}  {point.label}: {score} with {point.examples:,} examples{whose}"
    return plotly_text(text)
