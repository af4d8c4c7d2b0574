"""What MLflow has been told of a sweep's trials, and what is still to be told; the ledger comes first."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from storage.ledger import Ledger
from storage.records import TrialOutcome, TrialRecord
from storage.tracking import RunGone, Tracker
from storage.workspace import Workspace
from sweeps.introduction import note_of, tags_of
from sweeps.mirror import Mirror
from sweeps.patience import patiently
from sweeps.plan import Plan

Ending = Literal["complete", "stopped", "interrupted", "failed"]
"""`stopped`: a budget is spent; `failed`: too many trials failed, or the driver itself."""
ENDED = ("complete", "failed", "pruned", "infeasible")
"""What is not trained again; a trial that was interrupted, or that a killed process left running, is."""
TOLD_AT_ONCE = 10
"""So many ends that MLflow knows of are remembered in one transaction."""
T = TypeVar("T")


@dataclass
class Told:
    """MLflow's side of a sweep's books; `trials` are the books' own, which get their runs here."""

    plan: Plan
    workspace: Workspace
    ledger: Ledger
    mirror: Mirror
    say: Callable[[str], None]
    trials: dict[int, TrialRecord]
    _parent: str = ""
    _unseen: set[int] = field(default_factory=set)
    _untold: set[int] = field(default_factory=set)
    _told: list[int] = field(default_factory=list)
    _known_before: frozenset[int] = frozenset()

    def open(self) -> None:
        """The books hold what the ledger does; MLflow, which takes seconds, is opened once trials train."""
        self._known_before = frozenset(self.trials)
        self._untold = {t.number for t in self.trials.values() if t.state in ENDED and not t.mirrored}

    def begins(self, number: int) -> None:
        """A trial begins, which the ledger knows of."""
        # How it ended before, if that was not sent yet, is past.
        self._untold.discard(number)
        self._unseen.add(number)
        if self._parent:
            self._show(number)

    def ends(self, number: int) -> None:
        """A trial that ends is not shown as running any more."""
        self._unseen.discard(number)

    def is_untold(self, number: int) -> None:
        """There is more of the trial than MLflow knows, also where it was told of the trial a moment ago."""
        self._untold.add(number)
        self._told = [told for told in self._told if told != number]

    def send(self, outcome: TrialOutcome, *, now: bool = False) -> bool:
        """Tell MLflow how a trial ended, twice being as good as once; return whether it knows now."""
        trial = outcome.trial
        if trial.mlflow_run_id is None:
            trial = self._with_run(trial)
            if trial.mlflow_run_id is None:
                return False
            self._patiently(lambda: self.ledger.save_trial(trial))
        files = [self.workspace.inside(artifact.path) for artifact in outcome.artifacts]
        present = [file for file in files if file.is_file()]

        def finish(tracker: Tracker) -> bool:
            tracker.finish_trial(str(trial.mlflow_run_id), trial, outcome.measurements, present)
            return True

        try:
            if not self.mirror.attempt(finish, now=now):
                return False
        except RunGone:
            return self.send(replace(outcome, trial=replace(trial, mlflow_run_id=None)), now=now)
        self.trials[trial.number] = replace(trial, mirrored=True)
        self._untold.discard(trial.number)
        self._told.append(trial.number)
        if len(self._told) >= TOLD_AT_ONCE:
            self.remember_told()
        return True

    def send_missed(self, *, now: bool = False) -> None:
        """Show MLflow the trials that run, and tell it of the ends that it does not know, as far as it can be
        reached."""
        if now:
            self.mirror.answers(now=True)
        if not self._open_parent():
            return
        for number in sorted(self._unseen):
            self._show(number)
        for number in sorted(self._untold):
            if not self.send(self._outcome(number), now=now):
                return

    def catch_up(self) -> None:
        """Tell MLflow, if it is back, of one trial that it missed; asked after each event, so that training
        waits for no more than that."""
        if self._untold and self._open_parent():
            self.send(self._outcome(min(self._untold)))

    def remember_told(self) -> None:
        """What a killed process did not come to remember is told once more."""
        self._patiently(lambda: self.ledger.set_mirrored(self.plan.spec.name, self._told))
        self._told = []

    def finish(
        self, ending: Ending, trials: Collection[TrialRecord], front: Collection[int], files: list[Path]
    ) -> None:
        """Close the parent run with the results; the runs of trials on the `front` are marked."""
        if not self._open_parent():
            self.say(f"MLflow has not been told of {len(self._untold)} trials; the next run of it does so")
            return
        runs = {str(t.mlflow_run_id): t.number in front for t in trials if t.mlflow_run_id}
        counts = {"trials": float(len(trials)), "front_size": float(len(front))}
        status: Literal["complete", "interrupted", "failed"] = "complete" if ending == "stopped" else ending
        self.mirror.attempt(lambda tracker: tracker.finish_sweep(self._parent, status, runs, files, counts))

    def _open_parent(self) -> bool:
        """Have a parent run in MLflow; False where it is away."""
        if self._parent:
            return self.mirror.answers()
        spec = self.plan.spec
        known = self._patiently(lambda: self.ledger.sweep(spec.name))
        run = known.mlflow_run_id if known else None
        note, tags = note_of(self.plan), tags_of(spec)
        parent = self.mirror.attempt(lambda tracker: tracker.start_sweep(spec.name, note, tags, run))
        if parent is None:
            return False
        if run is not None and parent != run:
            # MLflow's store was lost or replaced: all of it is sent again.
            self._untold |= {t.number for t in self.trials.values() if t.state in ENDED}
        self._patiently(lambda: self.ledger.set_sweep_run(spec.name, parent))
        self._parent = parent
        return True

    def _show(self, number: int) -> None:
        """Have a run in MLflow for a trial that runs, if it can be reached."""
        found = self._with_run(self.trials[number], may_have=number in self._known_before)
        if found.mlflow_run_id is not None:
            self._unseen.discard(number)

    def _with_run(self, trial: TrialRecord, *, may_have: bool = True) -> TrialRecord:
        """The trial with its MLflow run, running; without one where MLflow is away."""
        if not self._open_parent():
            return trial
        run = self.mirror.attempt(lambda tracker: tracker.start_trial(self._parent, trial, may_have))
        if run is None:
            return trial
        self.trials[trial.number] = found = replace(trial, mlflow_run_id=run)
        return found

    def _outcome(self, number: int) -> TrialOutcome:
        sweep = self.plan.spec.name
        measured, kept = self._patiently(
            lambda: (self.ledger.measurements(sweep, number), self.ledger.artifacts(sweep, number))
        )
        return TrialOutcome(self.trials[number], tuple(measured), tuple(kept))

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, self.say)
