"""`frontune test`: the front's kept adapters, scored once on the test split, which nothing else reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import click

from dashboards.imported import trial_names
from dashboards.pareto import front_of
from dashboards.printing import print_score, score_title
from dashboards.replicates import Replicates, replicates
from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from methods.loading import base_folder, default_device, fingerprint, load_tokenizer
from storage.kept_adapter import kept_adapter
from storage.ledger import Ledger
from storage.records import Measurement, SweepRecord, TrialRecord
from storage.tracking import RunGone, Tracker, TrackingError
from storage.workspace import Workspace
from sweeps.data import Examples, TaskData, prepare_data
from sweeps.judge import score_texts
from sweeps.resume import stored_specs
from sweeps.running import loaded_once, quiet_libraries
from sweeps.shown import find
from sweeps.spec import SweepSpec
from sweeps.tasks.base import Split
from sweeps.training.selection import rescore

SPLIT: Split = "test"


@dataclass(frozen=True)
class HeldOut:
    """What is needed to score a sweep's adapters; the base is loaded when the first one needs it."""

    examples: Examples
    tokenizer: object
    data: TaskData
    base: Callable[[], FrozenBase]


def score_front(name: str, workspace_path: str) -> None:
    """Score what stands on the front of each sweep of this name and print it, seeds averaged."""
    quiet_libraries()
    workspace = Workspace.open(workspace_path, create=False)
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        found = find(ledger, name)
        for sweep in found.sweeps:
            front = front_of(replicates(found.trials[sweep.name]))
            if not front:
                raise FrontuneError(f"sweep {sweep.name!r} has no scored trial yet")
            trials = [trial for group in front for trial in group.trials]
            _score_missing(sweep, trials, ledger, workspace)
            click.echo(f"{sweep.name}: {sweep.task} on {sweep.base}, test split")
            for group in front:
                click.echo(f"  {_line(group, ledger)}")
                if others := _others(group, ledger):
                    click.echo(f"    {others}")
            _mirror(trials, ledger, workspace)


def _score_missing(
    sweep: SweepRecord, trials: list[TrialRecord], ledger: Ledger, workspace: Workspace
) -> None:
    """Score the trials that have no score on the test split yet, and remember it in the ledger."""
    todo = [t for t in trials if _test_score(ledger, t) is None]
    if not todo:
        return
    (spec,) = stored_specs(ledger, sweep.name, str(workspace.root))
    split = _open_split(spec, sweep.name, ledger)
    said: set[str] = set()
    for trial in todo:
        measured, missing = _score(trial, split, ledger, workspace)
        ledger.add_measurements(trial.sweep, trial.number, measured)
        for metric in sorted(missing.keys() - said):
            click.echo(f"{metric} is missing: {missing[metric]}")
        said |= missing.keys()


def _mirror(trials: list[TrialRecord], ledger: Ledger, workspace: Workspace) -> None:
    """Tell MLflow, each time: it may have been away, or an interruption came before it was told."""
    gone = []
    try:
        tracker = Tracker(workspace.tracking_uri, workspace.artifact_root)
        for trial in trials:
            if trial.mlflow_run_id:
                everything = ledger.measurements(trial.sweep, trial.number)
                try:
                    tracker.finish_trial(trial.mlflow_run_id, trial, everything, [])
                except RunGone:
                    gone.append(str(trial.number))
    except TrackingError as error:
        click.echo(f"{error}; `frontune test` tells it when it is back", err=True)
    if gone:
        # Who begins runs holds the sweep's lease: its driver, or the doctor.
        said = f"MLflow has lost the runs of trials {', '.join(gone)}"
        click.echo(f"{said}; `frontune doctor` says how it gets them back", err=True)


def _open_split(spec: SweepSpec, sweep: str, ledger: Ledger) -> HeldOut:
    task = spec.task.task()
    examples = Examples(task, [], task.examples(SPLIT), spec.task.decoding_of(task))
    found = fingerprint(base_folder(spec.base), spec.trust_remote_code)
    for earlier in ledger.provenance(sweep)[-1:]:
        if earlier.base_fingerprint != found:
            raise FrontuneError(
                f"the base {spec.base} has other content than when {sweep} was trained: its fingerprint was "
                f"{earlier.base_fingerprint}, is {found} now"
            )
    tokenizer = load_tokenizer(spec.base, spec.trust_remote_code)
    data = prepare_data(examples, tokenizer)
    return HeldOut(examples, tokenizer, data, loaded_once(spec, default_device()))


def _score(
    trial: TrialRecord, split: HeldOut, ledger: Ledger, workspace: Workspace
) -> tuple[list[Measurement], Mapping[str, str]]:
    """Return what was measured, and why other metrics are missing."""
    file = kept_adapter(workspace, ledger, trial.sweep, trial.number)
    found = rescore(split.base(), split.data, file)
    metrics, missing = dict(found.metrics), dict[str, str]()
    if found.generated:
        _, scores = score_texts(
            found.generated, split.examples.task, split.examples.validation, split.tokenizer
        )
        metrics |= scores.metrics
        missing = dict(scores.missing)
        if trial.metric not in metrics:
            raise FrontuneError(f"{trial.metric} is missing: {missing.get(trial.metric, 'no reason')}")
    metrics.setdefault("rows_cut", found.rows_cut)
    step = trial.steps or 0
    return [Measurement(name, SPLIT, step, value) for name, value in metrics.items()], missing


def _test_score(ledger: Ledger, trial: TrialRecord) -> float | None:
    for each in ledger.measurements(trial.sweep, trial.number):
        if (each.metric, each.split) == (trial.metric, SPLIT):
            return each.value
    return None


def _others(group: Replicates, ledger: Ledger) -> str:
    """What else was measured on the test split, seeds averaged."""
    found: dict[str, list[float]] = {}
    for trial in group.trials:
        for each in ledger.measurements(trial.sweep, trial.number):
            if each.split == SPLIT and each.metric not in (trial.metric, "rows_cut"):
                found.setdefault(each.metric, []).append(each.value)
    return ", ".join(
        f"{metric} {print_score(sum(values) / len(values), None, metric)}" for metric, values in found.items()
    )


def _line(group: Replicates, ledger: Ledger) -> str:
    first = group.first
    scores = [score for t in group.trials if (score := _test_score(ledger, t)) is not None]
    scored = Replicates(tuple(replace(t, score=score) for t, score in zip(group.trials, scores, strict=True)))
    test = print_score(scored.score, scored.std, first.metric)
    validation = print_score(group.score, group.std, first.metric)
    seeds = f", {group.seeds} seeds" if group.n + group.n_failed > 1 else ""
    heading = score_title(first.task, first.metric)
    which = f"trial{'s' if group.n > 1 else ''} {trial_names(trial.number for trial in group.trials)}"
    return (
        f"{which}: {first.title} {first.label}".rstrip()
        + f": {heading} {test} with {first.trainable_params:,} parameters (validation {validation}{seeds})"
    )
