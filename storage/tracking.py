"""The mirror in MLflow: an experiment and a parent run for each sweep, a child run for each trial."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from storage.mirrored import (
    STATUS,
    MetricPoint,
    end_ms,
    in_calls,
    legal_name,
    time_ms,
    trial_metrics,
    trial_params,
    trial_tags,
    trial_tags_match,
)
from storage.mlflow_client import open_client
from storage.mlflow_runs import PARENT, MlflowRun, runs_of_sweep
from storage.mlflow_view import TAG, view_links, view_state
from storage.records import Measurement, TrialRecord, TrialState
from storage.tracking_errors import RunGone, TrackingAway, TrackingError, border
from storage.workspace import folder_name, path_inside

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

__all__ = ["RunGone", "SweepEnding", "Tracker", "TrackingAway", "TrackingError"]

SweepEnding = Literal["complete", "interrupted", "failed"]

NOTE = "mlflow.note.content"


class Tracker:
    """Mirrors sweeps into the MLflow store at `tracking_uri`; files go under `artifact_root`.

    Only the driver of a sweep uses it. Whatever is mirrored twice, as after a crash, is there once.
    A server (`http://...`) keeps files where it likes, and `artifact_root` is not used.
    """

    def __init__(self, tracking_uri: str, artifact_root: Path) -> None:
        self._artifact_root = None if re.match(r"https?:|databricks", tracking_uri) else artifact_root
        self._experiments: dict[str, str] = {}
        self._begun: dict[str, frozenset[str]] = {}
        self._client = open_client(tracking_uri)

    def start_sweep(self, name: str, note: str, tags: Mapping[str, str], run_id: str | None = None) -> str:
        """Return the sweep's parent run, running: the one of `run_id` or of that name if there is one.

        `note` is the experiment's description in Markdown, written once, with links to its views.
        """
        with border(f"start the sweep {name!r}"):
            experiment = self._experiment(name, note)
            own = {**{legal_name(key): value for key, value in tags.items()}, "sweep": name, "role": "sweep"}
            run = self._active_run(run_id) or self._find(experiment, "tags.role = 'sweep'")
            if run is None:
                run = self._client.create_run(experiment, run_name=name, tags=own)
            else:
                self._client.update_run(run.info.run_id, status="RUNNING")
                self._log(run.info.run_id, tags=own)
            return str(run.info.run_id)

    def start_trial(self, parent_id: str, trial: TrialRecord, may_have: bool = True) -> str:
        """Return the trial's run, a child of `parent_id`, running; params it has are left as they are.

        With `may_have` a run that an earlier process made for it is looked for.
        """
        with border(f"start the trial {trial.sweep}/{trial.number}"):
            experiment = self._experiment_of(parent_id)
            tags = {**trial_tags(trial), PARENT: parent_id, "role": "trial"}
            run = self._run_of(experiment, parent_id, trial) if may_have else None
            if run is None:
                run = self._client.create_run(
                    experiment,
                    start_time=time_ms(trial.created_at),
                    run_name=f"trial-{trial.number:04d}-{trial.method}",
                    tags=tags,
                )
            else:
                self._client.update_run(run.info.run_id, status="RUNNING")
                self._log(run.info.run_id, tags=tags)
            run_id = str(run.info.run_id)
            self._log(run_id, params=_missing_params(run, trial))
            self._begun[run_id] = frozenset(trial_params(trial))
            return run_id

    def finish_trial(
        self, run_id: str, trial: TrialRecord, measurements: Iterable[Measurement], files: Sequence[Path]
    ) -> None:
        """Mirror how a trial ended: its metrics and curves, its state, its files; raises RunGone."""
        with border(f"finish the trial {trial.sweep}/{trial.number}"):
            status = _status(trial.state)
            if run_id not in self._begun and self._active_run(run_id) is None:
                raise RunGone(f"MLflow has no run {run_id} of trial {trial.sweep}/{trial.number}")
            self._log(
                run_id,
                metrics=trial_metrics(trial, measurements),
                params=self._params_to_come(run_id, trial),
                tags=trial_tags(trial),
            )
            self._add_files(run_id, files)
            self._client.set_terminated(run_id, status, end_ms(trial))
            self._begun.pop(run_id, None)

    def finish_sweep(
        self,
        parent_id: str,
        status: SweepEnding,
        pareto: Mapping[str, bool],
        files: Sequence[Path],
        metrics: Mapping[str, float],
    ) -> None:
        """Mirror how a sweep ended: which runs are on the Pareto front, its files, its metrics."""
        with border(f"finish the sweep of run {parent_id}"):
            parent = self._client.get_run(parent_id)
            for run in self._children(parent):
                on_front = pareto.get(run.info.run_id)
                if on_front is not None and run.data.tags.get("pareto") != str(on_front).lower():
                    self._client.set_tag(run.info.run_id, "pareto", str(on_front).lower())
            for name, value in metrics.items():
                self._client.log_metric(parent_id, legal_name(name), value)
            self._add_files(parent_id, files)
            self._client.set_terminated(parent_id, _status(status))

    def runs(self, sweep: str) -> list[MlflowRun] | None:
        """Return what MLflow holds of a sweep, None where it has no such experiment."""
        with border(f"read the sweep {sweep!r}"):
            return runs_of_sweep(self._client, sweep)

    def reach(self) -> None:
        """Ask for something; raises TrackingAway where there is no answer."""
        with border("read its experiments"):
            self._client.search_experiments(max_results=1)

    def end_run(self, run_id: str, status: SweepEnding) -> None:
        """Close a run that a killed process left open."""
        with border(f"end the run {run_id}"):
            self._client.set_terminated(run_id, _status(status))

    def _experiment(self, name: str, note: str) -> str:
        found: Experiment | None = self._client.get_experiment_by_name(name)
        if found is None:
            root = self._artifact_root
            place = (
                None
                if root is None
                else path_inside(root.absolute().parent, f"{root.name}/{folder_name(name)}").as_uri()
            )
            tags = {NOTE: note, TAG: view_state()}
            made = str(self._client.create_experiment(name, artifact_location=place, tags=tags))
            self._client.set_experiment_tag(made, NOTE, f"{note}\n\n{view_links(made)}")
            return made
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"the MLflow experiment {name!r} was deleted; bring it back with 'mlflow experiments restore"
                f" --experiment-id {found.experiment_id}' or give the sweep another name"
            )
        return str(found.experiment_id)

    def _experiment_of(self, parent_id: str) -> str:
        if parent_id not in self._experiments:
            self._experiments[parent_id] = str(self._client.get_run(parent_id).info.experiment_id)
        return self._experiments[parent_id]

    def _run_of(self, experiment: str, parent_id: str, trial: TrialRecord) -> Run | None:
        run = self._active_run(trial.mlflow_run_id)
        # A trial that took its result over may have taken over the run of another trial, too.
        if run is not None and trial_tags_match(run.data.tags, trial):
            return run
        return self._find(experiment, f"tags.`{PARENT}` = '{parent_id}' and tags.number = '{trial.number}'")

    def _params_to_come(self, run_id: str, trial: TrialRecord) -> dict[str, str]:
        """Params are write-once; those of a run that was begun here are known without asking."""
        if run_id not in self._begun:
            return _missing_params(self._client.get_run(run_id), trial)
        return {key: value for key, value in trial_params(trial).items() if key not in self._begun[run_id]}

    def _active_run(self, run_id: str | None) -> Run | None:
        from mlflow.exceptions import MlflowException

        if run_id is None:
            return None
        try:
            run: Run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return run if run.info.lifecycle_stage == "active" else None

    def _find(self, experiment: str, condition: str) -> Run | None:
        found: Sequence[Run] = self._client.search_runs(
            [experiment], condition, max_results=1, order_by=["attributes.start_time ASC"]
        )
        return found[0] if found else None

    def _children(self, parent: Run) -> Iterator[Run]:
        condition = f"tags.`{PARENT}` = '{parent.info.run_id}'"
        token = None
        while True:
            page = self._client.search_runs([parent.info.experiment_id], condition, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _log(
        self,
        run_id: str,
        metrics: Sequence[MetricPoint] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        for some_metrics, some_params, some_tags in in_calls(metrics, params or {}, tags or {}):
            self._client.log_batch(run_id, some_metrics, some_params, some_tags)

    def _add_files(self, run_id: str, files: Sequence[Path]) -> None:
        for file in files:
            if not file.is_file():
                raise TrackingError(f"no file {file} to add to the MLflow run {run_id}")
            self._client.log_artifact(run_id, str(file))


def _status(state: TrialState) -> str:
    if state not in STATUS:
        raise TrackingError(f"{state!r} is not how a run ends; wanted one of {', '.join(STATUS)}")
    return STATUS[state]


def _missing_params(run: Run, trial: TrialRecord) -> dict[str, str]:
    return {key: value for key, value in trial_params(trial).items() if key not in run.data.params}
