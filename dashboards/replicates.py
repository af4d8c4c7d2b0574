"""Trials of one configuration with several seeds, taken together: mean, sample deviation, count."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dashboards.printing import print_seeds
from methods.errors import FrontuneError
from storage.records import TrialRecord

Cost = Literal["trainable_params", "stored_params", "peak_memory_bytes", "train_seconds", "train_tokens"]
"""What a front may be against, each the name of a trial's field; fewer is better."""


@dataclass(frozen=True)
class Replicates:
    """The scored trials of one `config_hash`, one for each seed, ordered by number; so many other seeds of it
    failed, or did not fit into memory."""

    trials: tuple[TrialRecord, ...]
    n_failed: int = 0

    @property
    def first(self) -> TrialRecord:
        """The earliest trial, which stands for what all of them share."""
        return self.trials[0]

    @property
    def n(self) -> int:
        """How many seeds."""
        return len(self.trials)

    @property
    def seeds(self) -> str:
        """How many, for people: ``3``, or ``2 of 3`` where the mean is of those that did not fail."""
        return print_seeds(self.n, self.n_failed)

    @cached_property
    def scores(self) -> tuple[float, ...]:
        """The score with each seed."""
        return tuple(score_of(t) for t in self.trials)

    @cached_property
    def score(self) -> float:
        """The mean score."""
        return statistics.fmean(self.scores)

    @cached_property
    def std(self) -> float | None:
        """The sample standard deviation of the score; None with one seed."""
        if self.n == 1:
            return None
        # Not statistics.stdev, whose fractions would take a third of the time of a large plot.
        return math.sqrt(math.fsum((score - self.score) ** 2 for score in self.scores) / (self.n - 1))

    def cost(self, name: Cost) -> float | None:
        """The mean over the seeds of which it is known; None where it is of none."""
        known = [value for t in self.trials if (value := getattr(t, name)) is not None]
        return sum(known) / len(known) if known else None


def replicates(trials: Iterable[TrialRecord]) -> list[Replicates]:
    """Group the scored trials by `config_hash`, ordered by their first number.

    A seed counts once: a result that was reused within a sweep is the same measurement again. Configurations
    that are `partly_pruned` are left out.
    Raises FrontuneError if the trials are not all of one task and metric.
    """
    trials = list(trials)
    flattered = partly_pruned(trials)
    groups: dict[str, dict[int, TrialRecord]] = {}
    for trial in sorted(scored(trials), key=lambda t: t.place):
        if trial.config_hash not in flattered:
            groups.setdefault(trial.config_hash, {}).setdefault(trial.seed, trial)
    failed: dict[str, set[int]] = {}
    for trial in trials:
        if trial.state in ("failed", "infeasible"):
            failed.setdefault(trial.config_hash, set()).add(trial.seed)
    found = [
        Replicates(tuple(by_seed.values()), len(failed.get(config, set()) - by_seed.keys()))
        for config, by_seed in groups.items()
    ]
    kinds = sorted({f"{g.first.task} {g.first.metric}" for g in found})
    if len(kinds) > 1:
        raise FrontuneError(f"cannot compare scores of {', '.join(kinds)}: one task and metric is wanted")
    return found


def partly_pruned(trials: Iterable[TrialRecord]) -> set[str]:
    """Return the `config_hash` of each configuration that was pruned with one of its seeds.

    The mean over the seeds that were not, which are the better ones, would flatter it. A seed that was pruned
    and then trained whole does not count.
    """
    trials = list(trials)
    pruned = {(t.config_hash, t.seed) for t in trials if t.state == "pruned"}
    return {config for config, _ in pruned - {(t.config_hash, t.seed) for t in scored(trials)}}


def scored(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that may be compared: complete, with a finite score."""
    return [t for t in trials if t.state == "complete" and t.score is not None and math.isfinite(t.score)]


def score_of(trial: TrialRecord) -> float:
    """Return the score of a trial out of `scored`."""
    assert trial.score is not None
    return trial.score
