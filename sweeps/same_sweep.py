"""A sweep's name stands for one sweep: another file, base, data or code under the same name is refused."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from methods.errors import FrontuneError
from storage.ledger import Ledger
from sweeps.plan import Plan
from sweeps.provenance import ENGINE_KEY, plugin_versions
from sweeps.spec import SweepSpec
from sweeps.where import WhereItRuns

MAY_CHANGE = (
    "trials",
    "replicate_front",
    "workspace",
    "wall_clock",
    "train_tokens",
    "max_retries",
    "max_failures",
    *WhereItRuns.model_fields,
)
"""More or less may be spent on the same sweep, it may run elsewhere, and a workspace may be moved."""


def refuse_other_sweep(ledger: Ledger, spec: SweepSpec) -> None:
    """Raise FrontuneError if the ledger knows this name with another sweep file; say what differs."""
    known = ledger.sweep(spec.name)
    if known is None:
        return
    old, new = _flat(_with_defaults(known.spec)), _flat(spec.model_dump(mode="json"))
    differences = [
        f"{key} was {_shown(old, key)}, is {_shown(new, key)}"
        for key in sorted(old.keys() | new.keys())
        if _shown(old, key) != _shown(new, key) and key.partition(".")[0] not in MAY_CHANGE
    ]
    if differences:
        raise FrontuneError(
            f"sweep {spec.name!r} is already in this workspace with another sweep file: "
            f"{'; '.join(differences)}; give this one another name (--set name=...)"
        )


def _with_defaults(content: Mapping[str, object]) -> dict[str, object]:
    """A sweep file as an earlier version remembered it, with the keys that have come since."""
    try:
        return SweepSpec.model_validate(dict(content)).model_dump(mode="json")
    except ValidationError:
        return dict(content)


def refuse_other_content(ledger: Ledger, plan: Plan) -> None:
    """Raise FrontuneError if what the sweep file names, be it base, data or a method that is a plugin, is no
    longer what it was."""
    sweep, context = plan.spec.name, plan.context
    for earlier in ledger.provenance(sweep)[-1:]:
        known = earlier.packages
        plugins = [
            (f"code of the {key}", known[key], now)
            for key, now in plugin_versions(plan).items()
            # An earlier version did not remember it.
            if key in known
        ]
        for what, was, now in (
            ("content of the base's files", earlier.base_fingerprint, context.base_fingerprint),
            ("content of the task's data", earlier.data_fingerprint, context.data_fingerprint),
            ("prompt of the task", earlier.prompt_fingerprint, context.prompt_fingerprint),
            ("training engine", known.get(ENGINE_KEY), str(context.engine)),
            *plugins,
        ):
            if was != now:
                raise FrontuneError(
                    f"sweep {sweep!r} was begun with another {what}: it was {was}, "
                    f"is {now} now; give this one another name (--set name=...)"
                )


def _shown(flat: Mapping[str, object], key: str) -> str:
    return repr(flat[key]) if key in flat else "absent"


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if isinstance(value, Mapping) and (value or not prefix):
        flat: dict[str, object] = {}
        for key, inner in value.items():
            flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
        return flat
    return {prefix: value}
