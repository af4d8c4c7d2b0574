"""What went wrong in a sweep: trials that ended without a result, those of the same reason together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dashboards.printing import one_line
from storage.records import Refusal, TrialRecord

_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?|\bnan\b|\binf\b")
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit))\b")


@dataclass(frozen=True)
class Failures:
    """What ended, or was refused, in the same way: `message` is the first line of the first one's reason,
    `numbers` are of the trials."""

    kind: str
    message: str
    count: int
    numbers: tuple[int, ...]
    titles: tuple[str, ...]


def failures(trials: Iterable[TrialRecord]) -> list[Failures]:
    """Return the failures of a sweep, most first; reasons that differ in their numbers alone are one."""
    found: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in trials:
        if trial.state in ("failed", "infeasible"):
            found.setdefault((_kind(trial), _NUMBER.sub("#", _first_line(trial.reason))), []).append(trial)
    grouped = [
        Failures(
            kind=kind,
            message=_first_line(mine[0].reason),
            count=len(mine),
            numbers=tuple(t.number for t in mine),
            titles=tuple(dict.fromkeys(t.title for t in mine)),
        )
        for (kind, _), mine in found.items()
    ]
    return sorted(grouped, key=lambda each: (-each.count, each.numbers))


def refused(refusals: Iterable[Refusal]) -> list[Failures]:
    """Return what was not trained at all, in the same form; there are no trials of it, so no numbers."""
    found: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        found.setdefault(_NUMBER.sub("#", _first_line(refusal.reason)), []).append(refusal)
    grouped = sorted(found.values(), key=len, reverse=True)
    return [
        Failures(
            kind="refused",
            message=_first_line(mine[0].reason),
            count=len(mine),
            numbers=(),
            titles=tuple(dict.fromkeys(refusal.method for refusal in mine)),
        )
        for mine in grouped
    ]


def _kind(trial: TrialRecord) -> str:
    """What the ledger's state and the reason's first words tell."""
    reason = _first_line(trial.reason)
    if trial.state == "infeasible":
        return "out of memory"
    if reason.startswith("diverged"):
        return "diverged"
    if exception := _EXCEPTION.match(reason):
        return exception[1]
    return "failed"


def _first_line(reason: str | None) -> str:
    return one_line((reason or "no reason is known").strip().split("\n")[0])
