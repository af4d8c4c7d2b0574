"""What goes wrong with MLflow: what mends by waiting, what does not, and a run that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from methods.errors import FrontuneError
from storage.mlflow_store import StoreAway, StoreUnusable


class TrackingError(FrontuneError):
    """MLflow cannot do what was asked of it; one sentence says why."""


class TrackingAway(TrackingError):
    """MLflow did not do what it was asked for now, as when its server is away; it may do so later."""


class RunGone(TrackingError):
    """MLflow has this run no more: it was deleted, or its store was lost."""


@contextmanager
def border(doing: str) -> Iterator[None]:
    """Within it MLflow's errors, and those of its store, become ours; `doing` is what could not be done."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except StoreUnusable as error:
        raise TrackingError(str(error)) from error
    except StoreAway as error:
        raise TrackingAway(str(error)) from error
    except OSError as error:
        # Files go to a server past MLflow's own errors (requests), or to a disk that is full.
        raise TrackingAway(f"MLflow could not {doing}: {error}") from error
    except MlflowException as error:
        raise TrackingAway(f"MLflow could not {doing}: {str(error.message).splitlines()[0]}") from error
