"""How the area under the front grew over the trials and over the training tokens of a sweep."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.figure_layout import GREY, panels, say
from dashboards.figure_source import Source
from dashboards.replicates import replicates
from dashboards.text_alternative import TextAlternative, several
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE = "How the front grew"
SHARES = (0.5, 0.9, 0.99, 1.0)
"""What is told in words of the way to where the sweep ended."""
MARGIN = 0.1


@dataclass(frozen=True)
class Growth:
    """After so many trials, which took `tokens` of training in all, the front's hypervolume."""

    n_trials: int
    tokens: int
    hypervolume: float


def hypervolume_growth(trials: Sequence[TrialRecord]) -> list[Growth]:
    """Return the hypervolume after each trial, in the order of their numbers.

    It is the area over log10 of the trainable parameters and the mean score that the front dominates, from a
    tenth of their ranges beyond the largest count and the lowest mean score of the sweep. A configuration
    counts from its last replicate on, so that it never shrinks. Trials that were pruned, failed or reused
    count as trials; a reused one took no tokens. Points of 0 parameters are left out.
    """
    groups = [group for group in replicates(trials) if group.first.trainable_params > 0]
    # From the extremes themselves the largest would add nothing, however good (Ishibuchi et al. 2018).
    area = _Area(
        widest=_beyond([math.log10(g.first.trainable_params) for g in groups]),
        lowest=-_beyond([-g.score for g in groups]),
    )
    ready = {group.trials[-1].number: group for group in groups}
    found, tokens = [], 0
    for n, trial in enumerate(sorted(trials, key=lambda t: t.number), start=1):
        tokens += 0 if trial.reused_from else trial.train_tokens or 0
        if (group := ready.get(trial.number)) is not None:
            area.add(math.log10(group.first.trainable_params), group.score)
        found.append(Growth(n, tokens, area.value))
    return found


def _beyond(values: Sequence[float]) -> float:
    """A tenth of their range above the highest."""
    return max(values) + MARGIN * (max(values) - min(values)) if values else 0.0


class _Area:
    """The area under a growing front; a point costs about as much as it takes from the front."""

    def __init__(self, widest: float, lowest: float) -> None:
        self.value = 0.0
        self._widest, self._lowest = widest, lowest
        self._x: list[float] = []
        self._y: list[float] = []

    def add(self, x: float, y: float) -> None:
        """Take in a point: x is log10 of its parameters."""
        first = bisect_left(self._x, x)
        height = self._y[first - 1] if first else self._lowest
        if y <= height:
            return
        left, last = x, first
        while last < len(self._x) and self._y[last] <= y:
            self.value += (self._x[last] - left) * (y - height)
            left, height = self._x[last], self._y[last]
            last += 1
        right = self._x[last] if last < len(self._x) else self._widest
        self.value += (right - left) * (y - height)
        self._x[first:last], self._y[first:last] = [x], [y]


def draw(source: Source) -> go.Figure:
    """Draw the growth of a sweep."""
    return plot_hypervolume(hypervolume_growth(source.own), TITLE)


def in_words(source: Source) -> TextAlternative:
    """Say after how many trials the front had how much of its area."""
    growth = hypervolume_growth(source.own)
    reached = growth[-1].hypervolume if growth else 0.0
    first = {share: _first(growth, share * reached) for share in SHARES}
    parts = [f"{share:.0%} after {several(at.n_trials, 'trial')}" for share, at in first.items()]
    sentence = f"How the area under the front grew: of what it reached it had {', '.join(parts)}."
    rows = [
        (f"{share:.0%}", f"{at.n_trials:,}", f"{at.tokens:,}" if at.tokens else "-")
        for share, at in first.items()
    ]
    return TextAlternative(sentence, ("Share of the area", "Trials", "Training tokens"), rows)


def _first(growth: Sequence[Growth], hypervolume: float) -> Growth:
    """Since it never shrinks, the first that is as large can be searched for."""
    return growth[bisect_left(growth, hypervolume, key=lambda each: each.hypervolume)]


def plot_hypervolume(growth: Sequence[Growth], title: str) -> go.Figure:
    """Draw it over trials and, where they are known, over training tokens, in percent of where it ended."""
    import plotly.graph_objects as go

    reached = growth[-1].hypervolume if growth else 0.0
    by_tokens = bool(growth) and growth[-1].tokens > 0
    figure = panels(title, 1, 1 + by_tokens, [], shared_yaxes=True, horizontal_spacing=0.05)
    if not reached:
        return say(figure, "no two completed configurations of different size and score yet")
    # Only where it rises: 100,000 trials are a few hundred steps.
    rises = [g for before, g in zip([None, *growth], growth, strict=False) if _rises(before, g)]
    y = [100 * each.hypervolume / reached for each in (*rises, growth[-1])]
    for column, (name, key) in enumerate((("Trials", "n_trials"), ("Training tokens", "tokens")), start=1):
        if column == 1 or by_tokens:
            x = [getattr(each, key) for each in (*rises, growth[-1])]
            line = {"shape": "hv", "color": GREY, "width": 2}
            figure.add_trace(
                go.Scatter(x=x, y=y, mode="lines", line=line, showlegend=False), row=1, col=column
            )
            figure.update_xaxes(title=name, range=(0, 1.03 * x[-1]), tickformat="~s", row=1, col=column)
    figure.update_yaxes(range=(0, 105))
    figure.update_yaxes(title="Hypervolume (% of what the sweep reached)", row=1, col=1)
    return figure


def _rises(before: Growth | None, growth: Growth) -> bool:
    return before is None or growth.hypervolume > before.hypervolume
