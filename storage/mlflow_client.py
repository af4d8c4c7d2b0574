"""MLflow's client as Frontune wants it: quiet, and not patient with a server that is away."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storage.mlflow_store import prepare_store, quiet_migrations
from storage.tracking_errors import border

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # By default it asks a server that is away for many minutes, while no trial could be dealt.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""What is not set in the environment already."""


def open_client(tracking_uri: str) -> MlflowClient:
    """Open the store at `tracking_uri`, made where it is not there; raises TrackingError or TrackingAway."""
    # Before the first import of mlflow, which reads them.
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    with border("open its store"):
        prepare_store(tracking_uri)
        from mlflow.tracking import MlflowClient

        quiet_migrations()
        return MlflowClient(tracking_uri)
