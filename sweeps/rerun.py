"""How a sweep is run again: its sweep file as text, and the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from sweeps.spec import SweepSpec
from sweeps.where import WhereItRuns

NOT_OF_THE_FILE = ("part_of", "workspace")
"""Set by a file that makes several sweeps, and where it once ran."""
_END = "END_OF_SWEEP_FILE"


def rerun_command(name: str, spec: Mapping[str, object]) -> str:
    """Return what a shell does to write the sweep file and run it; a file of that name is left as it is, and
    nothing is run then."""
    text, end = sweep_file_text(spec), _END
    while end in text:
        end += "_"
    file = shlex.quote(f"{name}.yaml")
    # Under `set -C` a shell refuses to write over a file; in parentheses, so that it ends with the command.
    return f"(set -C; cat > {file}) <<'{end}' &&\n{text}{end}\nfrontune run {file}\n"


def sweep_file_text(spec: Mapping[str, object]) -> str:
    """Return YAML that `frontune run` reads as this sweep, defaults written out; what is null by default is
    left out, and where it ran comes last."""
    content = {key: value for key, value in spec.items() if key not in NOT_OF_THE_FILE}
    first = {key: value for key, value in content.items() if key not in WhereItRuns.model_fields}
    ordered = first | content
    short = _without_nulls(ordered)
    text: str = yaml.safe_dump(
        short if _are_same(short, ordered) else ordered, sort_keys=False, allow_unicode=True, width=100
    )
    return text


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


def _are_same(short: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """An earlier version's file may no longer be read: then nothing is left out of it."""
    try:
        return SweepSpec.model_validate(dict(short)) == SweepSpec.model_validate(dict(whole))
    except ValidationError:
        return False
