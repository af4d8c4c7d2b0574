"""What of the driver's environment no worker gets: where the stores are, and what opens them."""

from __future__ import annotations

from collections.abc import Iterable

STORES = ("FRONTUNE_DATABASE_URL", "FRONTUNE_TRACKING_URI", "MLFLOW_", "PG")
"""Beginnings of the names of what the ledger, MLflow and PostgreSQL's library read."""
CLOUDS = ("AWS_", "AZURE_", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_")
"""Of what MLflow's artifact stores read."""
SECRETS = ("PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRET_KEY", "ACCESS_KEY", "CREDENTIALS")
"""Ends of names, whatever they are for; the hub's own token is none, for a worker loads the base."""


def withheld(names: Iterable[str]) -> list[str]:
    """Return which of an environment's variables a worker is not to know."""
    return [name for name in names if name.startswith(STORES + CLOUDS) or name.upper().endswith(SECRETS)]
