"""`replicate_front`: after the search the front's configurations are trained with further seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dashboards.pareto import front_of
from dashboards.replicates import replicates
from storage.records import TrialRecord
from sweeps.spec import SweepSpec


@dataclass(frozen=True)
class Replication:
    """A configuration that needs more seeds: its first trial, and the number of the trial of each seed."""

    first: TrialRecord
    numbers: dict[int, int]


def searched(trials: Iterable[TrialRecord], seeds: Sequence[int]) -> list[TrialRecord]:
    """Return the trials that `trials` counts and the search learns from: those with the sweep's own seeds."""
    return [t for t in trials if t.seed in seeds]


def missing_replicates(
    trials: Sequence[TrialRecord], spec: SweepSpec, ended: Collection[str]
) -> list[Replication]:
    """Return what is to be trained next, once the search is over; nothing where the front has all its seeds.

    In rounds: the front of the search's own seeds is replicated, then, with what that taught, the points that
    entered because others fell, and so on until none enters. The rounds are worked out anew from the trials,
    so that a resumed sweep goes on with the round in which it was interrupted, whatever came in meanwhile.
    `ended` are the states of a trial that is not trained again: a seed that failed is not.
    """
    if spec.replicate_front is None:
        return []
    seeds = _all_seeds(spec.seeds, spec.replicate_front)
    known: set[str] = set()
    while True:
        entered = _front([t for t in trials if t.config_hash in known or t.seed in spec.seeds])
        entered = [first for first in entered if first.config_hash not in known]
        # A sweep that grew may hold further seeds of points that are on no round's front any more.
        missing = _missing(entered or _front(trials), trials, seeds, ended)
        if missing or not entered:
            return missing
        known |= {first.config_hash for first in entered}


def _front(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    return [group.first for group in front_of(replicates(trials))]


def _all_seeds(own: Sequence[int], n: int) -> list[int]:
    """The sweep's own seeds, then those that follow the largest, n in all."""
    return [*own, *range(max(own) + 1, max(own) + 1 + n - len(own))]


def _missing(
    firsts: Sequence[TrialRecord],
    trials: Sequence[TrialRecord],
    seeds: Sequence[int],
    ended: Collection[str],
) -> list[Replication]:
    """A trial that was interrupted keeps its number; new ones follow the last."""
    following, missing = max(t.number for t in trials) + 1 if trials else 0, []
    for first in firsts:
        begun = {t.seed: t for t in reversed(trials) if t.config_hash == first.config_hash}
        numbers = {}
        for seed in seeds:
            if seed not in begun:
                numbers[seed], following = following, following + 1
            elif begun[seed].state not in ended:
                numbers[seed] = begun[seed].number
        if numbers:
            missing.append(Replication(first, numbers))
    return missing
