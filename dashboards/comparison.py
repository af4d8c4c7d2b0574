"""Two methods compared, each at its best configuration: what was tested, what it assumes, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from dashboards.paired_test import PairedTest, paired_test, score_test
from dashboards.pareto import direction
from dashboards.printing import is_percent, print_lr, print_score, print_seeds, score_title
from dashboards.replicates import Replicates, replicates, score_of
from methods.errors import FrontuneError, unknown_name
from storage.records import TrialRecord

SIGNIFICANT = 0.05
FEW_SEEDS = 3
"""With fewer the interval is wide whatever the methods are like: t is 12.7 for two seeds, 4.3 for three."""


ONE_SEED = "Not enough seeds to say: seed noise is not measured with one seed"


@dataclass(frozen=True)
class Candidate:
    """A method's configuration with the best mean score, and out of how many it was chosen."""

    best: Replicates
    n_configurations: int

    @property
    def title(self) -> str:
        return self.best.first.title


@dataclass(frozen=True)
class Comparison:
    """The test of `one` minus `other` by `metric`, over the seeds that both have; `chosen_by` is the metric
    that the configurations were chosen by."""

    one: Candidate
    other: Candidate
    metric: str
    chosen_by: str
    test: PairedTest

    @property
    def lead(self) -> float:
        """How much better `one` is with these seeds."""
        return direction(self.metric) * self.test.difference

    @property
    def seeds(self) -> list[int]:
        """Those that both have."""
        one, other = ({trial.seed for trial in side.best.trials} for side in (self.one, self.other))
        return sorted(one & other)

    @property
    def common(self) -> str:
        """In words the seeds that were compared; empty where neither has any other."""
        n = self.test.n_seeds
        if self.one.best.n == n == self.other.best.n:
            return ""
        return "the one seed that both have" if n == 1 else f"the {n} seeds that both have"


def best_candidate(trials: Sequence[TrialRecord], method: str, at: int | None) -> Candidate:
    """Return a method's best configuration by mean score, of at most `at` trainable parameters.

    Raises FrontuneError where the method has no scored configuration, or none that small.
    """
    known = {trial.method for trial in trials}
    if method not in known:
        raise FrontuneError(unknown_name("method", method, sorted(known)))
    mine = [g for g in replicates(trials) if g.first.method == method]
    if not mine:
        raise FrontuneError(f"{method} has no scored configuration, so there is nothing to compare")
    small = [g for g in mine if at is None or g.first.trainable_params <= at]
    if not small:
        fewest = min(g.first.trainable_params for g in mine)
        raise FrontuneError(
            f"{method} has no configuration of at most {at:,} parameters; its least is {fewest:,}"
        )
    return Candidate(
        max(small, key=lambda g: (direction(g.first.metric) * g.score, -g.first.place)), len(small)
    )


def compare(
    one: Candidate, other: Candidate, metric: str, values: Mapping[int, Sequence[float]]
) -> Comparison:
    """Test the difference of two methods.

    `values` holds for each trial, by number, either what its score is the mean of, row by row, or one number.
    Raises FrontuneError where the two have no seed in common.
    """
    sides = [{t.seed: values[t.number] for t in side.best.trials} for side in (one, other)]
    seeds = sorted(sides[0].keys() & sides[1].keys())
    if not seeds:
        raise FrontuneError(f"{one.title} and {other.title} have no seed in common, so nothing can be paired")
    pairs = [(sides[0][seed], sides[1][seed]) for seed in seeds]
    differences = [[a - b for a, b in zip(*pair, strict=True)] for pair in pairs]
    by_score = len(differences[0]) == 1
    size = max(abs(value) for pair in pairs for side in pair for value in side)
    test = score_test([row[0] for row in differences], size) if by_score else paired_test(differences, size)
    chosen_by = one.best.first.metric
    if metric != chosen_by:
        one, other = (_measured(side, metric, values) for side in (one, other))
    return Comparison(one, other, metric, chosen_by, test)


def _measured(side: Candidate, metric: str, values: Mapping[int, Sequence[float]]) -> Candidate:
    """The same configuration with what was measured of another metric as its score."""
    trials = [replace(t, metric=metric, score=fmean(values[t.number])) for t in side.best.trials]
    return replace(side, best=replace(side.best, trials=tuple(trials)))


def render(comparison: Comparison, at: int | None = None) -> str:
    """Return the whole report: the two configurations, the test, its assumptions, and the answer.

    `at` is the most trainable parameters that they were chosen with, None where any number was.
    """
    test, metric = comparison.test, comparison.metric
    first = comparison.one.best.first
    within = "" if at is None else f", each at its best with at most {at:,} trainable parameters"
    pair = f"{comparison.one.title} minus {comparison.other.title}"
    lines = [f"{score_title(first.task, metric)}: {pair}{within}"]
    lines += [f"  {_described(side)}" for side in (comparison.one, comparison.other)]
    if comparison.common:
        lines.append(f"  {_over_the_common_seeds(comparison)}")
    tested = f"{comparison.common or _seeds(test.n_seeds)}, " + (
        f"{test.n_examples:,} examples" if test.n_examples else "the examples' own outcomes are not known"
    )
    difference = print_difference(test.difference, metric)
    lines.append(f"  difference {difference}, {print_interval(test, metric)}; {tested}")
    lines += [f"  {line}" for line in _assumptions(comparison)]
    return "\n".join([*lines, answer(comparison)])


def answer(comparison: Comparison) -> str:
    """Return in one sentence whether the difference is more than noise."""
    test = comparison.test
    ahead, behind = comparison.one.title, comparison.other.title
    if comparison.lead < 0:
        ahead, behind = behind, ahead
    above = "above" if direction(comparison.metric) > 0 else "below"
    if test.p is None and test.n_seeds == 1 and test.n_examples < 2:
        return "Not enough seeds to say: with one seed neither seed nor example noise is measured."
    if test.p is None:
        return f"The difference does not vary with {_sampled(test)}, so no confidence can be told."
    beyond = test.p < SIGNIFICANT
    if test.n_seeds == 1:
        verdict = (
            f"{ahead} is {above} {behind} by more than the noise of the examples"
            if beyond
            else "the difference is within the noise of the examples"
        )
        return f"{ONE_SEED}; {verdict} ({_p(test)})."
    if beyond:
        return f"{ahead} is {above} {behind} by more than noise ({_p(test)})."
    few = ", and so few seeds could hardly show one" if test.n_seeds <= FEW_SEEDS else ""
    return f"No difference beyond noise between {ahead} and {behind} is shown ({_p(test)}){few}."


def _assumptions(comparison: Comparison) -> list[str]:
    test, one, other = comparison.test, comparison.one, comparison.other
    sampled = {
        (True, True): "seeds and examples are samples of those one may meet (Clark 1973), paired one by one",
        (
            True,
            False,
        ): "seeds are a sample of those one may meet, paired one by one; examples are not resampled",
        (
            False,
            True,
        ): "examples are a sample of those one may meet, paired one by one; the seed is the only one",
        (False, False): "nothing can be tested with one score each",
    }[test.n_seeds > 1, test.n_examples > 0]
    chosen = f"best of {one.n_configurations} of {one.title} and of {other.n_configurations} of {other.title}"
    same = comparison.metric == comparison.chosen_by
    scores = "the same scores" if same else score_title(one.best.first.task, comparison.chosen_by)
    tries = "more tries" + ("" if same else " as far as the two agree")
    return [
        f"assumes: {sampled}; means are nearly normal",
        f"the configurations were chosen by {scores} ({chosen}), which flatters what had {tries}",
    ]


def _described(side: Candidate) -> str:
    first, group = side.best.first, side.best
    lr = f", lr {print_lr(first.lr)}" if first.lr is not None else ""
    score = print_score(group.score, group.std, first.metric)
    what = f"{first.title} {first.label}".rstrip() + lr
    return f"{what}: {score} with {first.trainable_params:,} parameters, {_seeds(group.n, group.n_failed)}"


def _over_the_common_seeds(comparison: Comparison) -> str:
    """The means whose difference is tested, where those of all seeds are others."""
    seeds = comparison.seeds
    means = [
        fmean({t.seed: score_of(t) for t in side.best.trials}[seed] for seed in seeds)
        for side in (comparison.one, comparison.other)
    ]
    one, other = (print_score(mean, None, comparison.metric) for mean in means)
    plural = "s" if len(seeds) > 1 else ""
    return f"over the common seed{plural} {', '.join(map(str, seeds))}: {one} against {other}"


def print_interval(test: PairedTest, metric: str) -> str:
    """Return ``95% interval +0.4 to +3.1, p = 0.012``, cut where scores in percent cannot differ by more."""
    if test.low is None or test.high is None:
        return "no interval"
    ends = (test.low, test.high)
    if is_percent(metric):
        ends = (max(-1.0, test.low), min(1.0, test.high))
    low, high = (print_difference(end, metric) for end in ends)
    return f"95% interval {low} to {high}, {_p(test)}"


def _p(test: PairedTest) -> str:
    assert test.p is not None
    return f"p = {test.p:.3f}" if test.p >= 0.001 else "p < 0.001"


def print_difference(value: float, metric: str) -> str:
    """Return ``+3.1``, in percent where scores are printed so."""
    return f"{100 * value:+.1f}" if is_percent(metric) else f"{value:+.3f}"


def _sampled(test: PairedTest) -> str:
    """What noise could come from."""
    counts = {"seeds": test.n_seeds, "examples": test.n_examples}
    return " or ".join(what for what, n in counts.items() if n > 1)


def _seeds(n: int, n_failed: int = 0) -> str:
    return "1 seed" if n + n_failed == 1 else f"{print_seeds(n, n_failed)} seeds"
