"""A sweep's books: what its driver, and nobody else, writes; the ledger first, then MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from dashboards.pareto import pareto_front
from storage.lease import Lease
from storage.ledger import Ledger
from storage.records import (
    Artifact,
    Measurement,
    Provenance,
    Refusal,
    RungScore,
    SweepRecord,
    TrialOutcome,
    TrialRecord,
)
from storage.rungs import add_rung
from storage.tracking import RunGone, Tracker
from storage.untrained import save_untrained, untrained_elsewhere, untrained_scores
from storage.workspace import Workspace
from sweeps.interrupts import held_back
from sweeps.introduction import note_of, tags_of
from sweeps.mirror import Mirror
from sweeps.patience import patiently
from sweeps.plan import Plan
from sweeps.results import results_if_possible

Ending = Literal["complete", "stopped", "interrupted", "failed"]
"""`stopped`: a budget is spent; `failed`: too many trials failed, or the driver itself."""
ENDED = ("complete", "failed", "pruned", "infeasible")
"""What is not trained again; a trial that was interrupted, or that a killed process left running, is."""
TOLD_AT_ONCE = 10
"""So many ends that MLflow knows of are remembered in one transaction."""
T = TypeVar("T")


@dataclass
class Books:
    """Ledger and MLflow of one sweep, kept in agreement; `trials` is what the ledger holds, by number."""

    plan: Plan
    workspace: Workspace
    ledger: Ledger
    lease: Lease
    mirror: Mirror
    say: Callable[[str], None]
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    of_point: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    _parent: str = ""
    _unseen: set[int] = field(default_factory=set)
    _untold: set[int] = field(default_factory=set)
    _told: list[int] = field(default_factory=list)
    _known_before: frozenset[int] = frozenset()
    _refusals: set[Refusal] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Another driver may take over while this one sleeps or waits."""
        self.ledger = replace(self.ledger, guard=self.lease.guard)

    @property
    def next_number(self) -> int:
        """The number of the next new trial; trials are never removed."""
        return max(self.trials, default=-1) + 1

    def open(self, provenance: Provenance) -> None:
        """Remember that the sweep is being run; MLflow, which takes seconds, is opened once trials train."""
        spec, ledger = self.plan.spec, self.ledger
        content = spec.model_dump(mode="json")
        if ledger.sweep(spec.name) is None:
            metric, now = self.plan.data.metric, datetime.now(UTC)
            ledger.add_sweep(SweepRecord(spec.name, spec.base, spec.task.name, metric, content, now))
        else:
            ledger.set_sweep_spec(spec.name, content)
        ledger.add_provenance(spec.name, provenance)
        self.workspace.remove_drafts(spec.name)
        self._refusals = set(ledger.refusals(spec.name))
        for refusal in self.plan.refusals:
            self.refuse(refusal)
        for trial in ledger.trials(spec.name):
            self._know(trial)
        self._known_before = frozenset(self.trials)
        self._untold = {t.number for t in self.trials.values() if t.state in ENDED and not t.mirrored}

    def check_lease(self) -> None:
        """Raise SweepTaken where the books are another driver's by now."""
        self._patiently(self.lease.check)

    def begin(self, trial: TrialRecord) -> TrialRecord:
        """A trial begins: the ledger knows of it before MLflow has a run for it."""
        self._patiently(lambda: self.ledger.save_trial(trial))
        self._know(trial)
        # How it ended before, if that was not sent yet, is past.
        self._untold.discard(trial.number)
        self._unseen.add(trial.number)
        if self._parent:
            self._show(trial.number)
        return self.trials[trial.number]

    def end(self, outcome: TrialOutcome) -> TrialRecord:
        """A trial ended, whichever way."""
        number = outcome.trial.number
        known = self.trials.get(number)
        if known is not None and outcome.trial.mlflow_run_id is None:
            # It got its run after it began.
            outcome = replace(outcome, trial=replace(outcome.trial, mlflow_run_id=known.mlflow_run_id))
        self._unseen.discard(number)
        # Else an interruption in between would take a trial that has ended for one that runs.
        with held_back():
            self._patiently(lambda: self.ledger.save_outcome(outcome))
            self._know(outcome.trial)
            self._is_untold(number)
        self._send(outcome)
        return self.trials[number]

    def add(self, trial: TrialRecord, measured: list[Measurement]) -> None:
        """More was measured of a trial after its end."""
        self._patiently(lambda: self.ledger.save_trial(replace(trial, mirrored=False)))
        self._patiently(lambda: self.ledger.add_measurements(trial.sweep, trial.number, measured))
        self._is_untold(trial.number)
        self.send_missed()

    def twin(self, trial: TrialRecord) -> TrialRecord | None:
        """The trial of any sweep that trained this configuration with this seed."""
        return self._patiently(lambda: self.ledger.find_complete(trial.config_hash, trial.seed))

    def left_by(self, sweep: str, number: int) -> tuple[tuple[Measurement, ...], tuple[Artifact, ...]]:
        """What a trial measured, and its files."""
        return self._patiently(
            lambda: (
                tuple(self.ledger.measurements(sweep, number)),
                tuple(self.ledger.artifacts(sweep, number)),
            )
        )

    def rung(self, found: RungScore) -> None:
        """A trial was scored at a rung."""
        self._patiently(lambda: add_rung(self.ledger, self.plan.spec.name, found))

    def knows_untrained(self, identity: str) -> bool:
        """Whether the score of the sweep's untrained base is known, if from another sweep."""
        name = self.plan.spec.name
        if self._patiently(lambda: untrained_scores(self.ledger, name)):
            return True
        found = self._patiently(lambda: untrained_elsewhere(self.ledger, identity))
        if found:
            self.untrained(identity, found)
        return bool(found)

    def untrained(self, identity: str, scores: Mapping[str, float]) -> None:
        """The sweep's untrained base was scored."""
        self._patiently(lambda: save_untrained(self.ledger, self.plan.spec.name, identity, scores))

    def _untrained_score(self) -> float | None:
        return untrained_scores(self.ledger, self.plan.spec.name).get(self.plan.data.metric)

    def refuse(self, refusal: Refusal) -> bool:
        """Remember what is not trained and why; return whether it was new."""
        if refusal in self._refusals:
            return False
        self._patiently(lambda: self.ledger.add_refusal(refusal))
        self._refusals.add(refusal)
        return True

    def send_missed(self, *, now: bool = False) -> None:
        """Show MLflow the trials that run, and tell it of the ends that it does not know, as far as it can be
        reached."""
        if now:
            self.mirror.attempt(lambda tracker: None, now=True)
        if not self._open_parent():
            return
        for number in sorted(self._unseen):
            self._show(number)
        for number in sorted(self._untold):
            name = self.plan.spec.name
            measured, kept = self.left_by(name, number)
            if not self._send(TrialOutcome(self.trials[number], measured, kept), now=now):
                return

    def close(self, ending: Ending) -> list[Path]:
        """Write the results and close the parent run; return the files."""
        trials = list(self.trials.values())
        self.send_missed(now=True)
        self._remember_told()
        front = {t.number for t in pareto_front(trials)}
        name = self.plan.spec.name
        reports = self.workspace.sweep_reports(name)
        files = results_if_possible(reports, name, trials, self._untrained_score, self.say) if front else []
        if not self._open_parent():
            self.say(f"MLflow has not been told of {len(self._untold)} trials; the next run of it does so")
            return files
        runs = {str(t.mlflow_run_id): t.number in front for t in trials if t.mlflow_run_id}
        counts = {"trials": float(len(trials)), "front_size": float(len(front))}
        status: Literal["complete", "interrupted", "failed"] = "complete" if ending == "stopped" else ending
        self.mirror.attempt(lambda tracker: tracker.finish_sweep(self._parent, status, runs, files, counts))
        return files

    def _open_parent(self) -> bool:
        """Have a parent run in MLflow; False where it is away."""
        if self._parent:
            return not self.mirror.is_away
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

    def _send(self, outcome: TrialOutcome, *, now: bool = False) -> bool:
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
            return self._send(replace(outcome, trial=replace(trial, mlflow_run_id=None)), now=now)
        self.trials[trial.number] = replace(trial, mirrored=True)
        self._untold.discard(trial.number)
        self._told.append(trial.number)
        if len(self._told) >= TOLD_AT_ONCE:
            self._remember_told()
        return True

    def _is_untold(self, number: int) -> None:
        """There is more of the trial than MLflow knows, also where it was told of the trial a moment ago."""
        self._untold.add(number)
        self._told = [told for told in self._told if told != number]

    def _remember_told(self) -> None:
        """What a killed process did not come to remember is told once more."""
        self._patiently(lambda: self.ledger.set_mirrored(self.plan.spec.name, self._told))
        self._told = []

    def _know(self, trial: TrialRecord) -> None:
        if trial.number not in self.trials:
            self.of_point.setdefault((trial.study, trial.point), []).append(trial.number)
        self.trials[trial.number] = trial

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, self.say)
