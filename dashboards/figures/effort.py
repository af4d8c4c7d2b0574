"""Where the budget went: trials, time and training tokens of each method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.appearance import appearance, method_order
from dashboards.figure_layout import GREY, panels, say
from dashboards.figure_source import Source
from dashboards.points import plotly_text
from dashboards.printing import print_seconds, print_tokens
from dashboards.text_alternative import TextAlternative, several
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "Where the budget went"
STATES = {
    "complete": "",
    "pruned": "/",
    "reused": ".",
    "failed": "x",
    "infeasible": "+",
    "interrupted": "-",
    "running": "|",
}
"""How trials ended, with the pattern of their part of a bar, so that parts are told apart without colour."""
WORK = {"training": "", "scoring": "\\"}


@dataclass(frozen=True)
class MethodEffort:
    """What a method took: trials by how they ended (`reused` ones were not trained), seconds, real tokens."""

    method: str
    title: str
    trials: Mapping[str, int]
    train_seconds: float
    eval_seconds: float
    tokens: int


def effort(trials: Sequence[TrialRecord]) -> list[MethodEffort]:
    """Return a line for each method, in the paper's order; what was reused took nothing."""
    by_method: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        by_method.setdefault(trial.method, []).append(trial)
    found = []
    for method, mine in sorted(by_method.items(), key=lambda item: method_order(item[0])):
        own = [t for t in mine if not t.reused_from]
        found.append(
            MethodEffort(
                method=method,
                title=mine[0].title,
                trials=Counter("reused" if t.reused_from else t.state for t in mine),
                train_seconds=sum(t.train_seconds or 0.0 for t in own),
                eval_seconds=sum(t.eval_seconds or 0.0 for t in own),
                tokens=sum(t.train_tokens or 0 for t in own),
            )
        )
    return found


def draw(source: Source) -> go.Figure:
    """Draw the effort of a sweep."""
    return plot_effort(effort(source.own), TITLE)


def in_words(source: Source) -> TextAlternative:
    """Say what each method took."""
    found = effort(source.own)
    seconds = sum(each.train_seconds + each.eval_seconds for each in found)
    trials, tokens = sum(sum(each.trials.values()) for each in found), sum(each.tokens for each in found)
    sentence = (
        f"Where the budget went: {several(trials, 'trial')} of {several(len(found), 'method')} took "
        f"{print_seconds(seconds)} of training and scoring and {print_tokens(tokens)} training tokens."
    )
    rows = [
        (
            each.title,
            ", ".join(f"{n:,} {state}" for state in STATES if (n := each.trials.get(state))),
            print_seconds(each.train_seconds),
            print_seconds(each.eval_seconds),
            print_tokens(each.tokens),
        )
        for each in found
    ]
    return TextAlternative(sentence, ("Method", "Trials", "Training", "Scoring", "Training tokens"), rows)


def plot_effort(found: Sequence[MethodEffort], title: str) -> go.Figure:
    """Draw three panels of bars, a row for each method; patterns say what the parts of a bar are."""
    figure = panels(title, 1, 3, [], shared_yaxes=True, horizontal_spacing=0.05)
    if not found:
        return say(figure, "no trial yet")
    states = [state for state in STATES if any(each.trials.get(state) for each in found)]
    for state in states:
        _add_bars(figure, found, 1, STATES[state], [each.trials.get(state, 0) for each in found])
    unit, seconds = _time_unit(sum(each.train_seconds + each.eval_seconds for each in found))
    _add_bars(figure, found, 2, WORK["training"], [each.train_seconds / seconds for each in found])
    _add_bars(figure, found, 2, WORK["scoring"], [each.eval_seconds / seconds for each in found])
    _add_bars(figure, found, 3, "", [each.tokens for each in found])
    _add_legend(figure, "Trials", {state: STATES[state] for state in states})
    _add_legend(figure, "Time", WORK)
    rows = [plotly_text(each.title) for each in found]
    figure.update_yaxes(autorange="reversed", showgrid=False, categoryorder="array", categoryarray=rows)
    for column, name in enumerate(("Trials", f"Time ({unit})", "Training tokens"), start=1):
        # d3's SI prefixes would write half a minute as 500m.
        shown = "" if column == 2 else "~s"
        figure.update_xaxes(title=name, rangemode="tozero", tickformat=shown, row=1, col=column)
    if max(sum(each.trials.values()) for each in found) <= 10:
        figure.update_xaxes(dtick=1, row=1, col=1)
    figure.update_layout(
        barmode="stack",
        height=max(360, 190 + 42 * len(found)),
        legend={"traceorder": "grouped", "tracegroupgap": 12},
    )
    return figure


def _add_bars(
    figure: go.Figure, found: Sequence[MethodEffort], column: int, shape: str, values: Sequence[float]
) -> None:
    """A trace for each method: of a list of colours plotly.js does not know what stands out from them."""
    import plotly.graph_objects as go

    for each, value in zip(found, values, strict=True):
        marker = {"color": appearance(each.method).color, "pattern": _pattern(shape)}
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[plotly_text(each.title)],
                x=[value],
                marker={**marker, "line": {"color": "white", "width": 1}},
                showlegend=False,
                hovertemplate="%{y}: %{x:.4~g}<extra></extra>",
            ),
            row=1,
            col=column,
        )


def _add_legend(figure: go.Figure, title: str, parts: Mapping[str, str]) -> None:
    import plotly.graph_objects as go

    shared = {"x": [None], "y": [None], "legendgroup": title, "legendgrouptitle": {"text": title}}
    for name, shape in parts.items():
        marker = {"color": GREY, "pattern": _pattern(shape)}
        figure.add_trace(go.Bar(name=name, marker=marker, **shared), row=1, col=1)


def _pattern(shape: str) -> dict[str, object]:
    return {"shape": shape, "fgcolor": "white", "size": 6, "solidity": 0.4}


def _time_unit(seconds: float) -> tuple[str, float]:
    return ("hours", 3600.0) if seconds >= 7200 else ("minutes", 60.0) if seconds >= 120 else ("seconds", 1.0)
