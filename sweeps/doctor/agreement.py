"""Whether ledger, studies, MLflow and files tell the same story of a sweep that nobody drives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage.ledger import Ledger
from storage.mirrored import STATUS
from storage.records import SweepRecord, TrialOutcome, TrialRecord
from storage.workspace import Workspace
from sweeps.books import ENDED
from sweeps.doctor.finding import Finding
from sweeps.doctor.stores import remove

if TYPE_CHECKING:
    from storage.mlflow_runs import MlflowRun
    from storage.tracking import Tracker

LEFT_RUNNING = "its process ended without a word"


@dataclass(frozen=True)
class Sweep:
    """A sweep's part of every store; without a tracker nothing is compared with MLflow."""

    workspace: Workspace
    ledger: Ledger
    tracker: Tracker | None
    record: SweepRecord
    trials: tuple[TrialRecord, ...]

    @property
    def name(self) -> str:
        return self.record.name

    def tell_mlflow(self, trials: Sequence[TrialRecord]) -> None:
        """Mirror the ends of trials from the ledger; twice is as good as once."""
        # Without a parent run there is no experiment yet: the next run makes it and sends everything.
        if self.tracker is not None and (parent := self.record.mlflow_run_id):
            for trial in trials:
                self._mirror(self.tracker, parent, trial)

    def _mirror(self, tracker: Tracker, parent: str, trial: TrialRecord) -> None:
        run = tracker.start_trial(parent, trial)
        measured = self.ledger.measurements(trial.sweep, trial.number)
        files = [self.workspace.inside(a.path) for a in self.ledger.artifacts(trial.sweep, trial.number)]
        tracker.finish_trial(run, trial, measured, [file for file in files if file.is_file()])
        self.ledger.set_mirrored(trial.sweep, [trial.number])


def check_sweep(sweep: Sweep) -> Iterator[Finding]:
    """Compare the stores; who mends what is found holds the sweep's lease."""
    found = [*_unfinished(sweep), *_mlflow(sweep), *_studies(sweep), *_files(sweep)]
    yield from found
    if not any(finding.level == "wrong" for finding in found):
        counts = f"{sum(t.state in ENDED for t in sweep.trials)} trials that ended"
        yield Finding("ok", sweep.name, f"ledger, studies, MLflow and files agree on {counts}")


def _unfinished(sweep: Sweep) -> Iterator[Finding]:
    running = [t for t in sweep.trials if t.state == "running"]
    if running:
        numbers = ", ".join(str(t.number) for t in running)
        said = f"trials {numbers} are marked as running, though nobody runs them; resume goes on with them"
        yield Finding("wrong", sweep.name, said, lambda: _interrupt(sweep, running))


def _interrupt(sweep: Sweep, running: list[TrialRecord]) -> None:
    for trial in running:
        ended = replace(trial, state="interrupted", reason=LEFT_RUNNING)
        sweep.ledger.save_outcome(TrialOutcome(ended))
        sweep.tell_mlflow([ended])


def _mlflow(sweep: Sweep) -> Iterator[Finding]:
    if sweep.tracker is None:
        return
    runs = sweep.tracker.runs(sweep.name)
    ended = [t for t in sweep.trials if t.state != "running"]
    if runs is None:
        if ended:
            yield Finding("wrong", sweep.name, "MLflow has no such experiment; resume sends it the trials")
        return
    by_number = {run.number: run for run in runs if run.number is not None}
    odd = [t for t in ended if _differs(t, by_number.get(t.number))]
    if odd:
        numbers = ", ".join(str(t.number) for t in odd)
        said = f"MLflow does not know how trials {numbers} ended"
        yield Finding("wrong", sweep.name, said, lambda: sweep.tell_mlflow(odd))
    parents = [run for run in runs if run.number is None and run.status == "RUNNING"]
    if parents:
        said = "MLflow shows the sweep as running, though nobody runs it"
        yield Finding("wrong", sweep.name, said, lambda: _end_runs(sweep, parents))


def _end_runs(sweep: Sweep, runs: list[MlflowRun]) -> None:
    assert sweep.tracker is not None
    for run in runs:
        sweep.tracker.end_run(run.run_id, "interrupted")


def _differs(trial: TrialRecord, run: MlflowRun | None) -> bool:
    if run is None or run.status != STATUS[trial.state]:
        return True
    # MLflow never forgets a metric: one that was interrupted may have been scored before.
    return trial.score is not None and run.score != trial.score


def _studies(sweep: Sweep) -> Iterator[Finding]:
    import optuna

    from sweeps.studies import open_storage

    storage = open_storage(sweep.workspace.database_url)
    known = {summary.study_name for summary in optuna.get_all_study_summaries(storage)}
    of_point: dict[tuple[str, int], list[TrialRecord]] = defaultdict(list)
    for trial in sweep.trials:
        of_point[trial.study, trial.point].append(trial)
    untold = []
    for study in sorted({study for study, _ in of_point}):
        if study not in known:
            yield Finding("wrong", sweep.name, f"the study {study!r} of its trials is not there")
            continue
        states = {t.number: t.state for t in optuna.load_study(study_name=study, storage=storage).trials}
        for (name, point), trials in of_point.items():
            if name != study:
                continue
            if point not in states:
                said = f"study {study!r} has no point {point}, of trial {trials[0].number}"
                yield Finding("wrong", sweep.name, said)
            elif not states[point].is_finished() and _all_ended(sweep, trials):
                untold.append(trials)
    if untold:
        said = f"{len(untold)} points have ended, but their studies do not know"
        yield Finding("wrong", sweep.name, said, lambda: _tell(sweep, untold))


def _all_ended(sweep: Sweep, trials: list[TrialRecord]) -> bool:
    seeds = sweep.record.spec.get("seeds")
    n_seeds = len(seeds) if isinstance(seeds, list) else 1
    return len([t for t in trials if t.state in ENDED]) >= n_seeds


def _tell(sweep: Sweep, points: list[list[TrialRecord]]) -> None:
    from sweeps.resume import stored_specs
    from sweeps.studies import open_studies
    from sweeps.telling import tell_study

    (spec,) = stored_specs(sweep.ledger, sweep.name, str(sweep.workspace.root))
    spaces = spec.spaces()
    methods = {trials[0].method: spaces.get(trials[0].method) for trials in points}
    studies = open_studies(sweep.workspace.database_url, spec, methods)
    for trials in points:
        first = sorted(trials, key=lambda trial: trial.number)[: len(spec.seeds)]
        tell_study(studies[trials[0].method], trials[0].point, first)


def _files(sweep: Sweep) -> Iterator[Finding]:
    inside, artifacts = sweep.workspace.inside, sweep.ledger.artifacts(sweep.name)
    missing = [artifact.path for artifact in artifacts if not inside(artifact.path).is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield Finding("wrong", sweep.name, f"{len(missing)} files of its trials are gone: {shown}")
    kept = [sweep.workspace.checkpoint_file(sweep.name, t.number) for t in sweep.trials if t.state in ENDED]
    left = [file for file in kept if file.exists()]
    if left:
        said = f"{len(left)} states of trials that have ended are still kept"
        yield Finding("note", sweep.name, said, lambda: remove(left))
