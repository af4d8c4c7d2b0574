"""The driver of a sweep: it deals points to the executor, and alone keeps the books."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from storage.lease import SweepTaken
from storage.ledger import LedgerAway
from storage.records import Provenance, RungScore, TrialOutcome
from sweeps.books import ENDED, Books, Ending
from sweeps.budget import Budget
from sweeps.display import Display
from sweeps.executors.base import Executor
from sweeps.failures import Again, Failures
from sweeps.filling import fill_missing
from sweeps.interrupts import held_back
from sweeps.opening import opened_dealer, opened_rungs
from sweeps.patience import hurried, patiently
from sweeps.plan import Plan
from sweeps.point import Point
from sweeps.progress_notes import ProgressNotes
from sweeps.pruning import rung_number
from sweeps.retrying import put_back
from sweeps.trial import Failed, Finished, Progress, Rung, Scoring, TrialEvent, Untrained
from sweeps.trial_records import PlannedTrial, pruned, reused
from sweeps.turns import Turns
from sweeps.untrained import UntrainedBase
from sweeps.verdicts import Verdicts

CLOSED_WITHIN_S = 10.0
"""So long an interrupted run waits for a ledger that is away, beside what that takes to answer."""


class Stopped(Exception):
    """The sweep ends here, cleanly: a budget is spent, or it is broken."""

    def __init__(self, ending: Ending, why: str) -> None:
        super().__init__(why)
        self.ending = ending


@dataclass
class Driver:
    """One run of a sweep. `run` deals, submits and records until nothing is left or it must end."""

    plan: Plan
    books: Books
    executor: Executor
    display: Display
    provenance: Provenance
    budget: Budget
    added: tuple[Point, ...] = ()
    retry_failed: bool = False
    _running: dict[int, PlannedTrial] = field(default_factory=dict)

    def run(self) -> tuple[Ending, list[Path]]:
        """Return how the sweep ended, and the files that it wrote."""
        ending: Ending = "failed"
        opened = False
        try:
            with held_back():
                self._open()
                opened = True
            self._run_to_the_end()
            ending = "complete"
        except KeyboardInterrupt:
            ending = "interrupted"
        except SweepTaken:
            # The books are another driver's now.
            opened = False
            raise
        except Stopped as stop:
            ending = stop.ending
            self.display.say(str(stop))
        finally:
            with held_back():
                unread: Sequence[Finished] = ()
                try:
                    unread = self.executor.close()
                finally:
                    files = self._close_in_time(ending, unread) if opened else []
        return ending, files

    def _open(self) -> None:
        spec, books = self.plan.spec, self.books
        self.books.open(self.provenance)
        if self.retry_failed:
            self.display.say(f"to be trained again, having failed: {put_back(books)} trials")
        self.display.went_on(sum(t.state in ENDED for t in books.trials.values()))
        self._rungs = opened_rungs(books)
        dealer = opened_dealer(books, self.added, self.display.say)
        self._verdicts = Verdicts(self.plan, books.workspace, self.display.say)
        self._failures = Failures(spec.max_retries, spec.max_failures)
        self._untrained = UntrainedBase(self.plan, books)
        self._notes = ProgressNotes(books.ledger, spec.name)
        self._turns = Turns(self.plan, books, self.budget, dealer, self.display, self.provenance.git_commit)

    def _run_to_the_end(self) -> None:
        self._fill()
        while self._running:
            for event in self.executor.events():
                self._handle(event)
                self._fill()
                self.books.catch_up()
            self._fill()
            self.books.send_missed()
        fill_missing(self.plan, self.books)

    def _fill(self) -> None:
        """Give the executor all it takes now; a result that is already known is not trained again."""
        self.books.check_lease()
        if why := self.budget.out_of_time():
            raise Stopped("stopped", why)
        while self.executor.capacity and (planned := self._turns.next(bool(self._running))):
            number = planned.record.number
            if number in self._running:
                self._submit(planned)
                continue
            source = self.books.twin(planned.record)
            if source is None and not self._affordable(planned):
                return
            self._running[number] = planned
            record = self.books.begin(planned.record)
            self._running[number] = planned = replace(planned, record=record)
            if source is not None:
                self._end(reused(record, source, *self.books.left_by(source.sweep, source.number)))
                continue
            self.display.started(record)
            self._submit(planned)

    def _submit(self, planned: PlannedTrial) -> None:
        planned = self._untrained.asked(planned, self._running)
        self._running[planned.record.number] = planned
        self.executor.submit(planned.spec)

    def _affordable(self, planned: PlannedTrial) -> bool:
        """Whether its tokens may still be trained; raises Stopped where they may not and nothing runs."""
        running = {number: trial.tokens for number, trial in self._running.items()}
        others = [t for t in self.books.trials.values() if t.number != planned.record.number]
        why = self.budget.cannot_train(planned.tokens, others, running)
        if not why:
            return True
        self._turns.put_off(planned)
        if not running:
            raise Stopped("stopped", why)
        return False

    def _handle(self, event: TrialEvent) -> None:
        planned = self._running[event.number]
        if isinstance(event, Progress):
            self._running[event.number] = planned.after_step(event)
            self.display.stepped(event)
            self._notes.stepped(event)
        elif isinstance(event, Untrained):
            self._untrained.scored(event)
        elif isinstance(event, Scoring):
            self.display.scoring(event.number)
        elif isinstance(event, Rung):
            self._at_rung(planned, event)
        elif isinstance(event, Finished):
            outcome = self._verdicts.finished(planned, event.result)
            if isinstance(outcome, Failed):
                self._failed(planned, outcome)
            else:
                self._end(outcome)
        elif isinstance(event, Failed):
            self._failed(planned, event)

    def _at_rung(self, planned: PlannedTrial, event: Rung) -> None:
        """Let the trial go on, or stop it where it is in the worse part of its rung."""
        if self._rungs is None or event.result is None:
            return
        judged = self._verdicts.judged(event.number, event.result)
        if isinstance(judged, Failed):
            self.executor.cancel(event.number)
            self._failed(planned, judged)
            return
        score = judged.result.score
        if score is None:
            return
        rung = rung_number(event.step, planned.spec.rungs)
        found = RungScore(event.number, rung, event.step, score, judged.result.metrics.get("loss"))
        self.books.rung(found)
        if not self._rungs.reach(found, planned.record.trainable_params):
            self.executor.cancel(event.number)
            self._end(pruned(planned.record, judged.result))

    def _failed(self, planned: PlannedTrial, event: Failed) -> None:
        after = self._failures.after(planned, event)
        if isinstance(after, Again):
            self.display.say(after.why)
            if room := after.room_bytes:
                sweep, workspace = self.plan.spec.name, self.books.workspace
                patiently(lambda: workspace.check_space(sweep, room), self.display.say)
            self._running[event.number] = after.planned
            self._turns.put_back(after.planned)
            return
        self._end(after)
        if why := self._failures.too_many(event):
            raise Stopped("failed", why)

    def _end(self, outcome: TrialOutcome) -> None:
        """A trial's end, everywhere: ledger, MLflow, then its study once all replicates ended."""
        trial = self.books.end(outcome)
        self._running.pop(trial.number)
        self._notes.ended(trial.number)
        self.display.ended(trial)
        if trial.state in ENDED:
            self.books.workspace.forget_state(trial.sweep, trial.number)
            self._turns.ended(trial.number)

    def _close_in_time(self, ending: Ending, unread: Sequence[Finished]) -> list[Path]:
        """Whoever interrupts a run does not wait for a ledger that is away; the next run finds its way."""
        try:
            with hurried(CLOSED_WITHIN_S if ending == "interrupted" else math.inf):
                return self._close(ending, unread)
        except LedgerAway as error:
            self.display.say(f"{error}; what ran is left marked as running")
            return []

    def _close(self, ending: Ending, unread: Sequence[Finished]) -> list[Path]:
        """Close what is open and write the results, also after an interruption."""
        self.books.check_lease()
        for event in unread:
            planned = self._running.get(event.number)
            outcome = planned and self._verdicts.finished(planned, event.result)
            if isinstance(outcome, TrialOutcome):
                self._end(outcome)
        reasons = {"interrupted": "interrupted", "stopped": "a budget was spent"}
        reason = reasons.get(ending, "the sweep failed while it ran")
        for planned in list(self._running.values()):
            known = self.books.trials.get(planned.record.number)
            if known is None or known.state not in ENDED:
                self._end(TrialOutcome(replace(planned.record, state="interrupted", reason=reason)))
        for trial in self.books.trials.values():
            # Of one that ended just before a driver was killed, or while its worker still wrote, it is left.
            if trial.state in ENDED:
                self.books.workspace.forget_state(trial.sweep, trial.number)
        return self.books.close(ending)
