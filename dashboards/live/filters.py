"""Which trials the page shows: by method, seed, number of parameters, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboards.front_band import front_band
from dashboards.imported import shown_state
from dashboards.points import points_of, pruned_points
from dashboards.replicates import replicates
from dashboards.tradeoff import plot_tradeoff
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

PANEL_PX = 440.0, 250.0
"""The plot of one of two panels beside each other is at least so wide and high."""


@dataclass(frozen=True)
class Filters:
    """What is to be shown; nothing chosen is everything."""

    methods: frozenset[str] = field(default=frozenset())
    states: frozenset[str] = field(default=frozenset())
    seeds: frozenset[int] = field(default=frozenset())
    least_params: int | None = None
    most_params: int | None = None

    def shows_state(self, state: str) -> bool:
        """Whether trials that are at this state are shown."""
        return not self.states or state in self.states

    def of_any_state(self, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
        """The trials that are shown if their state is: what means over seeds and the front are taken of."""
        return [trial for trial in trials if self._shows(trial)]

    def shown(self, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
        """The trials that are shown."""
        return [trial for trial in self.of_any_state(trials) if self.shows_state(shown_state(trial))]

    def _shows(self, trial: TrialRecord) -> bool:
        params = trial.trainable_params
        return (
            (not self.methods or trial.method in self.methods)
            and (not self.seeds or trial.seed in self.seeds)
            and (self.least_params is None or params >= self.least_params)
            and (self.most_params is None or params <= self.most_params)
        )


def front_figure(
    trials: Sequence[TrialRecord], title: str, filters: Filters, untrained: float | None = None
) -> go.Figure:
    """Draw the trade-off plot of what is shown; `untrained` is the base's score.

    A state decides which points are drawn and not what they are: without its pruned seeds a configuration
    would look better than it is, and one is not on the front because what beats it is not drawn. The band,
    which is of the whole front, is left out where some of it may not be drawn.
    """
    chosen = filters.of_any_state(trials)
    groups = replicates(chosen)
    points = points_of(groups)
    drawn = [p for p in points if filters.shows_state("complete" if p.imported_from is None else "imported")]
    return plot_tradeoff(
        drawn,
        title,
        pruned_points(chosen) if filters.shows_state("pruned") else [],
        front_band(groups) if len(drawn) == len(points) else [],
        untrained,
        PANEL_PX,
    )
