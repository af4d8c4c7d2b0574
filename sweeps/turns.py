"""Which trial is next: points become trials, one for each seed, and their studies hear what came of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from storage.records import TrialRecord
from sweeps.books import ENDED, Books
from sweeps.budget import Budget
from sweeps.dealer import Deal, Dealer, widening
from sweeps.display import Display, refusal_line
from sweeps.front_replicates import missing_replicates, searched
from sweeps.patience import patiently
from sweeps.plan import Plan
from sweeps.telling import tell_study
from sweeps.trial_records import PlannedTrial, continued, plan_trials

SHOWN_REFUSALS = 3
"""Of one method, among what is drawn; the others are listed by `frontune status`."""


@dataclass
class Turns:
    """The trials of a sweep in their order, as far as its budget goes."""

    plan: Plan
    books: Books
    budget: Budget
    dealer: Dealer
    display: Display
    git_commit: str | None
    _deals: dict[int, Deal] = field(default_factory=dict)
    _backlog: list[PlannedTrial] = field(default_factory=list)
    _refused: Counter[str] = field(default_factory=Counter)
    _waits: bool = False

    def __post_init__(self) -> None:
        """Points of an interrupted run come first, in the order in which their trials began."""
        began: dict[tuple[str, int], int] = {}
        begun: set[tuple[str, int]] = set()
        for trial in searched(self.books.trials.values(), self.plan.spec.seeds):
            point = trial.study, trial.point
            began[point] = min(trial.number, began.get(point, trial.number))
            if trial.state not in ENDED:
                begun.add(point)
        self._unfinished = sorted(
            self.dealer.waiting(begun), key=lambda deal: began.get((deal.study.name, deal.number), math.inf)
        )

    def next(self, anything_runs: bool) -> PlannedTrial | None:
        """A trial that is tried again, the next replicate of the point at hand, the first of a new one, or,
        with the search over, a further replicate of the front. Where it is none, it is none until a trial
        has ended, and is not looked for before: this is asked at every event."""
        if self._waits:
            return None
        while not self._backlog:
            deal = self._unfinished.pop(0) if self._unfinished else self._deal_within_budget()
            if deal is not None:
                self._backlog = self._replicates(deal)
            elif anything_runs or not self.budget.deals or not (further := self._front_replicates()):
                # The front's further seeds follow from all scores of the search.
                self._waits = anything_runs
                return None
            else:
                self._backlog = further
        return self._backlog.pop(0)

    def put_back(self, planned: PlannedTrial) -> None:
        """A trial is next once more."""
        self._backlog.insert(0, planned)
        self._waits = False

    def put_off(self, planned: PlannedTrial) -> None:
        """A trial is next once another has ended."""
        self.put_back(planned)
        self._waits = True

    def ended(self, number: int) -> None:
        """A trial that was next has ended: its point's study may now be told."""
        self._waits = False
        self._tell(self._deals[number])

    def _replicates(self, deal: Deal) -> list[PlannedTrial]:
        """The trials of a point that have not ended; of a point from an interrupted run some may have, and
        the others keep the numbers they were begun with."""
        known, new = self._known_by_seed(deal), count(self.books.next_number)
        numbers = {s: known[s].number if s in known else next(new) for s in self.plan.spec.seeds}
        planned = self._plan_trials(deal, numbers)
        self._tell(deal)
        ended = {trial.number for trial in known.values() if trial.state in ENDED}
        return [trial for trial in planned if trial.spec.number not in ended]

    def _known_by_seed(self, deal: Deal) -> dict[int, TrialRecord]:
        """The trials of a point that have begun, but for further seeds of the front."""
        numbers = self.books.of_point.get((deal.study.name, deal.number), ())
        trials = [self.books.trials[number] for number in sorted(numbers, reverse=True)]
        return {trial.seed: trial for trial in searched(trials, self.plan.spec.seeds)}

    def _front_replicates(self) -> list[PlannedTrial]:
        """The further seeds of the front's configurations, once its scores are known."""
        trials, planned = list(self.books.trials.values()), list[PlannedTrial]()
        for config in missing_replicates(trials, self.plan.spec, ENDED):
            deal = self.dealer.dealt(config.first.method, config.first.point)
            planned += self._plan_trials(deal, config.numbers)
        self.display.expect_more(len(planned))
        return planned

    def _plan_trials(self, deal: Deal, numbers: dict[int, int]) -> list[PlannedTrial]:
        """The trials of a point with these numbers by seed; of an interrupted run some may have begun."""
        books = self.books
        planned = plan_trials(deal, self.plan, books.workspace, numbers, self.git_commit)
        self._deals |= {trial.spec.number: deal for trial in planned}
        return [continued(trial, books.trials.get(trial.spec.number)) for trial in planned]

    def _deal_within_budget(self) -> Deal | None:
        spec = self.plan.spec
        trials = searched(self.books.trials.values(), spec.seeds)
        if self.budget.cannot_deal(len(trials)):
            return None
        weights = widening(trials) if spec.balance == "adaptive" else {}
        deal = self._patiently_deal(weights)
        for refusal in self.dealer.take_refusals():
            if self.books.refuse(refusal):
                self._say_refusal(refusal.method, refusal_line(refusal))
        return deal

    def _patiently_deal(self, weights: dict[str, float]) -> Deal | None:
        return patiently(lambda: self.dealer.next(weights), self.display.say)

    def _say_refusal(self, method: str, line: str) -> None:
        """A space of which much is refused should not fill the screen."""
        self._refused[method] += 1
        if self._refused[method] <= SHOWN_REFUSALS:
            self.display.say(line)
        elif self._refused[method] == SHOWN_REFUSALS + 1:
            self.display.say(f"refused: more of {method}; `frontune status` lists them all")

    def _tell(self, deal: Deal) -> None:
        """Tell the study how a point fared, once all of its replicates have ended."""
        known = self._known_by_seed(deal)
        trials = [known[s] for s in self.plan.spec.seeds if s in known and known[s].state in ENDED]
        if len(trials) == len(self.plan.spec.seeds):
            patiently(lambda: tell_study(deal.study, deal.number, trials), self.display.say)
