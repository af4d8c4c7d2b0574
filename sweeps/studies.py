"""The studies of a sweep, in the database of its workspace: Optuna's tables, made and opened."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import optuna
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from methods.base import Shape
from methods.errors import FrontuneError
from storage.making_tables import making_tables
from storage.schema import sentence
from storage.stores import shown
from sweeps.point import Point
from sweeps.samplers import quiet_optuna
from sweeps.sizes import sizes_of
from sweeps.space import Space
from sweeps.spec import SweepSpec
from sweeps.study import POINT, MethodStudy


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Open Optuna's tables; raises FrontuneError where they are from another version."""
    quiet_optuna()
    try:
        with making_tables(url):
            storage = optuna.storages.RDBStorage(url, engine_kwargs=_patience(url))
    except (RuntimeError, OSError, SQLAlchemyError) as error:
        said = sentence(error).partition("(Background on")[0]
        raise FrontuneError(f"{shown(url)} cannot hold the studies: {said}") from error
    if url.startswith("sqlite"):
        # The ledger, in the same file, waits for the disk; what came before its commit is then safe, too.
        event.listen(storage.engine, "connect", _do_not_wait)
        storage.engine.dispose()
    return storage


def open_studies(
    url: str,
    spec: SweepSpec,
    spaces: Mapping[str, Space | None],
    shape: Shape | None = None,
    identity: Callable[[Point], Hashable] | None = None,
) -> dict[str, MethodStudy]:
    """Open the study of each method of a sweep; one that has only explicit points has no space.

    With the base's `shape`, points are drawn evenly in the logarithm of trainable parameters; `identity`
    says which points are the same configuration.
    """
    storage = open_storage(url)
    studies = {}
    for method, space in spaces.items():
        sizes = sizes_of(method, space, shape) if space and shape else None
        studies[method] = MethodStudy(
            storage, spec.name, method, space or Space({}), spec.sampler, spec.sampler_seed, sizes, identity
        )
    return studies


def asked_points(url: str, sweep: str, methods: Iterable[str]) -> dict[str, dict[int, Point]]:
    """Every point that a sweep's studies were asked for, by study and number; nothing is written, for another
    process may be driving them."""
    storage = open_storage(url)
    known, found = set(optuna.get_all_study_names(storage)), {}
    for method in methods:
        if (name := f"{sweep}/{method}") in known:
            trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
            found[name] = {
                t.number: Point(method, t.user_attrs[POINT]) for t in trials if POINT in t.user_attrs
            }
    return found


def _do_not_wait(connection: Any, entry: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


def _patience(url: str) -> Mapping[str, Any]:
    # A connection that a server has closed meanwhile is replaced.
    return {"connect_args": {"timeout": 30}} if url.startswith("sqlite") else {"pool_pre_ping": True}
