"""Which trials the page shows: by method, seed, number of parameters, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboards.front_band import front_band
from dashboards.imported import imported_ones, shown_state, trained_here
from dashboards.points import pruned_points, tradeoff_points
from dashboards.replicates import replicates
from dashboards.tradeoff import plot_tradeoff
from storage.records import TrialRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go


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
    """Draw the trade-off plot of what is shown, its front the best of that; `untrained` is the base's score.

    A state decides which points are drawn and not what they are: without its pruned seeds a configuration
    would look better than it is.
    """
    chosen = filters.of_any_state(trials)
    own = trained_here(chosen)
    drawn = own if filters.shows_state("complete") else []
    drawn = drawn + (imported_ones(chosen) if filters.shows_state("imported") else [])
    return plot_tradeoff(
        tradeoff_points(drawn),
        title,
        pruned_points(own) if filters.shows_state("pruned") else [],
        front_band(replicates(drawn)),
        untrained,
    )
