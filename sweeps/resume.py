"""`frontune resume`: a sweep goes on from what its workspace remembers of it, without its file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.records import SweepRecord
from sweeps.shown import find
from sweeps.spec import KNOWN_KEYS, SweepSpec
from sweeps.spec_problem import first_problem


def stored_specs(
    ledger: Ledger, name: str, workspace: str, changes: Mapping[str, object] | None = None
) -> list[SweepSpec]:
    """Return the sweep of that name as it was run last, or those that the file of that name made, with some
    keys changed."""
    asked = {"workspace": workspace, **(changes or {})}
    return [_stored_spec(sweep, asked) for sweep in find(ledger, name).sweeps]


def _stored_spec(sweep: SweepRecord, changes: Mapping[str, object]) -> SweepSpec:
    try:
        return SweepSpec.model_validate({**sweep.spec, **changes})
    except ValidationError as error:
        problem = first_problem(error, KNOWN_KEYS)
        raise FrontuneError(f"sweep {sweep.name!r} cannot go on with this version: {problem}") from error
