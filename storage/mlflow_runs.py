"""What MLflow holds of a sweep, for comparing it with the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class MlflowRun:
    """A run; `number` is its trial's, None for the sweep's own."""

    run_id: str
    number: int | None
    status: str
    score: float | None


def runs_of_sweep(client: MlflowClient, sweep: str) -> list[MlflowRun] | None:
    """Return every run of the sweep's experiment that is not deleted, None where there is none."""
    experiment = client.get_experiment_by_name(sweep)
    if experiment is None:
        return None
    return [
        MlflowRun(
            run_id=run.info.run_id,
            number=int(run.data.tags["number"]) if run.data.tags.get("role") == "trial" else None,
            status=run.info.status,
            score=run.data.metrics.get("score"),
        )
        for run in _every(client, experiment.experiment_id)
    ]


def _every(client: MlflowClient, experiment: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        yield from page
        token = page.token
        if not token:
            return
