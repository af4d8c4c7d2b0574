"""A sweep's books: what its driver, and nobody else, writes; the ledger first, then MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from dashboards.imported import imported_ones
from dashboards.pareto import pareto_front
from storage.curves import metric_names
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
from storage.untrained import save_untrained, untrained_elsewhere, untrained_scores
from storage.workspace import Workspace
from sweeps.interrupts import held_back
from sweeps.mirror import Mirror
from sweeps.patience import patiently
from sweeps.plan import Plan
from sweeps.results import results_if_possible
from sweeps.told import ENDED, Ending, Told

__all__ = ["ENDED", "Books", "Ending"]

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
    _refusals: set[Refusal] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Another driver may take over while this one sleeps or waits."""
        self.ledger = replace(self.ledger, guard=self.lease.guard)
        self._told = Told(self.plan, self.workspace, self.ledger, self.mirror, self.say, self.trials)

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
        self._told.open()

    def check_lease(self) -> None:
        """Raise SweepTaken where the books are another driver's by now."""
        self._patiently(self.lease.check)

    def begin(self, trial: TrialRecord) -> TrialRecord:
        """A trial begins: the ledger knows of it before MLflow has a run for it."""
        self._patiently(lambda: self.ledger.save_trial(trial))
        self._know(trial)
        self._told.begins(trial.number)
        return self.trials[trial.number]

    def end(self, outcome: TrialOutcome) -> TrialRecord:
        """A trial ended, whichever way."""
        number = outcome.trial.number
        known = self.trials.get(number)
        if known is not None and outcome.trial.mlflow_run_id is None:
            # It got its run after it began.
            outcome = replace(outcome, trial=replace(outcome.trial, mlflow_run_id=known.mlflow_run_id))
        self._told.ends(number)
        # Else an interruption in between would take a trial that has ended for one that runs.
        with held_back():
            self._patiently(lambda: self.ledger.save_outcome(outcome))
            self._know(outcome.trial)
            self._told.is_untold(number)
        self._told.send(outcome)
        return self.trials[number]

    def add(self, trial: TrialRecord, measured: list[Measurement]) -> None:
        """More was measured of a trial after its end."""
        self._patiently(lambda: self.ledger.save_trial(replace(trial, mirrored=False)))
        self._patiently(lambda: self.ledger.add_measurements(trial.sweep, trial.number, measured))
        self._told.is_untold(trial.number)
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

    def measured(self, split: str) -> Mapping[int, set[str]]:
        """The names of what each trial measured on a split, by number."""
        return self._patiently(lambda: metric_names(self.ledger, self.plan.spec.name, split))

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
        """Tell MLflow what it does not know, as far as it can be reached."""
        self._told.send_missed(now=now)

    def catch_up(self) -> None:
        """Tell MLflow a part of what it does not know, if it can be reached: the sweep goes on meanwhile."""
        self._told.catch_up()

    def close(self, ending: Ending) -> list[Path]:
        """Write the results and close the parent run; return the files."""
        self.send_missed(now=True)
        self._told.remember_told()
        trials = list(self.trials.values())
        name = self.plan.spec.name
        results = [*trials, *imported_ones(self._patiently(lambda: self.ledger.results(name)))]
        front = {t.number for t in pareto_front(results)}
        reports, files = self.workspace.sweep_reports(name), list[Path]()
        if pareto_front(trials):
            files = results_if_possible(reports, name, results, self._untrained_score, self.say)
        self._told.finish(ending, trials, front, files)
        return files

    def _know(self, trial: TrialRecord) -> None:
        if trial.number not in self.trials:
            self.of_point.setdefault((trial.study, trial.point), []).append(trial.number)
        self.trials[trial.number] = trial

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, self.say)
