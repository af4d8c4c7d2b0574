"""A sweep's answer in sentences: who wins at which budget, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from dashboards.comparison import (
    FEW_SEEDS,
    ONE_SEED,
    Comparison,
    answer,
    print_difference,
    print_interval,
)
from dashboards.imported import and_list
from dashboards.pareto import DIGITS, direction
from dashboards.printing import is_percent, print_score, print_share, score_title
from dashboards.replicates import Replicates
from dashboards.report.answer import FULL, Answer, Enough, Reign
from storage.records import SweepRecord

HEADINGS = (
    "Trainable parameters",
    "Best configuration",
    "Score",
    "Seeds",
    "On resampled fronts",
    "Next best method",
    "Its score",
    "Lead",
    "95% interval of the lead",
)
UNKNOWN = "not known"
ENOUGH_HEADINGS = ("To reach", "Score", "Smallest configuration", "Trainable parameters", "Its score")


def question(sweep: SweepRecord) -> str:
    """Return what every sweep asks."""
    return (
        f"How few trainable parameters does {sweep.task} need on {sweep.base}, and which adaptation method "
        "spends them best?"
    )


def headline(found: Answer) -> str:
    """Return what the best score takes, and what most of it takes."""
    best = found.best
    first = best.first
    sentences = [
        f"The best score, {_score(best)} {score_title(first.task, first.metric)}, takes "
        f"{first.trainable_params:,} trainable parameters ({print_share(first.trainable_pct)} of the base): "
        f"{named(best)}, {_seeds(best)}."
    ]
    if first.method == "fine_tune" and found.frozen is not None:
        sentences.append(_best_of_the_others(found.frozen))
    return " ".join([*sentences, *_what_suffices(found)])


def stretch_line(stretch: Sequence[Reign], comparison: Comparison | None) -> str:
    """Return the sentences of one method's stretch of budgets; the comparison is that of its upper end."""
    first, last = stretch[0].winner.best, stretch[-1].winner.best
    span = _span(first, stretch[-1].below)
    scores = _score(last) if first is last else f"{_score(first)} to {_score(last)} as the budget grows"
    best = f"{span}, {last.first.title} is best: {scores}."
    return " ".join((best, _distance(stretch[-1], comparison), _sure(stretch[-1], comparison))).rstrip()


def reign_row(reign: Reign, comparison: Comparison | None) -> tuple[str, ...]:
    """Return a reign as the cells under `HEADINGS`."""
    winner, other = reign.winner.best, reign.runner_up
    chance = "-" if reign.front_probability is None else f"{reign.front_probability:.0%}"
    return (
        _range(winner, reign.below),
        named(winner),
        _score(winner),
        winner.seeds,
        chance,
        named(other.best) if other else "-",
        _score(other.best) if other else "-",
        _lead(reign, comparison) if other else "-",
        _interval_of_the_lead(comparison) if comparison else UNKNOWN,
    )


def how_tested(comparisons: Iterable[Comparison | None]) -> str:
    """Return in a sentence what the intervals of reigns are; empty where there is none."""
    shown = [each.test for each in comparisons if each and _interval_of_the_lead(each) != UNKNOWN]
    with_examples = {test.n_examples > 0 for test in shown}
    if not shown:
        return ""
    if with_examples == {True}:
        over = "over seeds and examples"
    elif with_examples == {False}:
        over = "over seeds, as the examples' own outcomes are not known"
    else:
        over = "over seeds, and examples where their outcomes are known"
    return f"An interval is that of a paired t-test {over}, not corrected for there being several."


def enough_row(each: Enough) -> tuple[str, ...]:
    """Return what suffices for a score as the cells under `ENOUGH_HEADINGS`."""
    first = each.smallest.first
    wanted = print_score(each.score, None, first.metric)
    also = f" (and {and_list([f'{share:.0%}' for share in each.less])})" if each.less else ""
    return (
        f"{each.what}{also}",
        wanted,
        named(each.smallest),
        f"{first.trainable_params:,}",
        _score(each.smallest),
    )


def named(group: Replicates) -> str:
    """Return a configuration's method and hyperparameters as the paper prints them."""
    return f"{group.first.title} {group.first.label}".rstrip()


def _best_of_the_others(group: Replicates) -> str:
    """What is left of the best score without training the whole base."""
    share = print_share(group.first.trainable_pct)
    with_so_many = f"{group.first.trainable_params:,} ({share})"
    return f"Of the other methods {named(group)} reaches most: {_score(group)} with {with_so_many}."


def _what_suffices(found: Answer) -> Iterator[str]:
    """The highest share of the best score that something smaller reaches, and full fine-tuning's score."""
    smaller = [each for each in found.enough if each.smallest is not found.best]
    shares = [each for each in smaller if each.what != FULL]
    full = [e for e in smaller if e.what == FULL and e.smallest.first.method != "fine_tune"]
    for each in (*shares[-1:], *full):
        first = each.smallest.first
        reached = f"{each.what} ({print_score(each.score, None, first.metric)})"
        yield f"To reach {reached}, {first.trainable_params:,} suffice: {named(each.smallest)}."


def _distance(reign: Reign, comparison: Comparison | None) -> str:
    """How far ahead of whom, with the seeds that both have."""
    winner, other = reign.winner, reign.runner_up
    if other is None:
        return "No other method was tried with so few parameters."
    metric = winner.best.first.metric
    rival = f"{named(other.best)} ({_score(other.best)} with {other.best.first.trainable_params:,})"
    end = "With no limit" if reign.below is None else "At the upper end"
    lead = round(comparison.lead if comparison else reign.lead, DIGITS)
    by = print_difference(abs(lead), metric).removeprefix("+") + (" points" if is_percent(metric) else "")
    if comparison and comparison.common:
        behind = (
            f"is {by} {'behind' if lead > 0 else 'ahead of'} {winner.title}" if lead else "scores as much"
        )
        return f"{end} the next best method is {rival}; on {comparison.common} it {behind}."
    if lead <= 0:
        return f"The next best method scores as much with more parameters or later: {rival}."
    return f"{end} it leads the next best method, {rival}, by {by}."


def _sure(reign: Reign, comparison: Comparison | None) -> str:
    """How sure that is, as far as it can be told."""
    said = []
    if reign.runner_up is not None and comparison is None:
        said.append("The two have no seed in common, so the confidence cannot be told.")
    elif comparison is not None and comparison.test.n_seeds == 1:
        common = " in common" if comparison.common else ""
        said.append(f"With one seed{common} the confidence cannot be told.")
        if comparison.test.p is not None:
            said.append(f"Seed noise is not measured; {answer(comparison).removeprefix(f'{ONE_SEED}; ')}")
    elif comparison is not None:
        said.append(answer(comparison))
        if comparison.test.p is not None:
            interval = print_interval(comparison.test, comparison.metric)
            pair = f"{comparison.one.title} minus {comparison.other.title}"
            said.append(f"{pair}: {interval}, {comparison.test.n_seeds} seeds.")
    if reign.front_probability is not None and reign.winner.best.n > 1:
        few = ", too sure with so few seeds" if reign.winner.best.n <= FEW_SEEDS else ""
        share = f"{reign.front_probability:.0%}"
        said.append(
            f"It is on {share} of the fronts of resampled seeds; that is no test but a bootstrap{few}."
        )
    return " ".join(said)


def _lead(reign: Reign, comparison: Comparison | None) -> str:
    metric = reign.winner.best.first.metric
    if comparison is None:
        return print_difference(reign.lead, metric)
    common = f" on {comparison.common}" if comparison.common else ""
    return print_difference(comparison.lead, metric) + common


def _interval_of_the_lead(comparison: Comparison) -> str:
    """Its sign is the lead's, which of metrics such as TER is not the difference's."""
    test, metric = comparison.test, comparison.metric
    if test.low is None or test.high is None or test.n_seeds == 1:
        return UNKNOWN
    low, high = sorted(direction(metric) * end for end in (test.low, test.high))
    return print_interval(replace(test, low=low, high=high), metric).removeprefix("95% interval ")


def _span(first: Replicates, below: int | None) -> str:
    begin = first.first.trainable_params
    if below is None:
        return f"From {begin:,} trainable parameters on"
    return f"With {begin:,} to {below - 1:,} trainable parameters"


def _range(winner: Replicates, below: int | None) -> str:
    begin = winner.first.trainable_params
    return f"{begin:,} and more" if below is None else f"{begin:,} to {below - 1:,}"


def _score(group: Replicates) -> str:
    return print_score(group.score, group.std, group.first.metric)


def _seeds(group: Replicates) -> str:
    return "one seed" if group.n + group.n_failed == 1 else f"mean of {group.seeds} seeds"
