"""Where a sweep's numbers come from: one line for each set-up that it was run with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from storage.records import Provenance, SweepRecord

BUDGET = (
    "trials",
    "seeds",
    "replicate_front",
    "sampler",
    "sampler_seed",
    "balance",
    "train_tokens",
    "wall_clock",
    "match_params",
    "max_trainable_params",
    "max_memory",
)
"""What of a sweep file says how much was to be searched; keys that are null are left out."""


@dataclass(frozen=True)
class Setup:
    """One set-up of `frontune run`; `first` and `last` of its runs are the same where there was one."""

    first: Provenance
    last: Provenance
    n_runs: int

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it."""
        run, times = self.first, f"{self.first.created_at:%Y-%m-%d %H:%M} UTC"
        if self.n_runs > 1:
            times += f" to {self.last.created_at:%Y-%m-%d %H:%M} UTC, {self.n_runs} runs"
        return [
            ("Run", times),
            ("Device", run.device),
            ("Git commit", self.commit),
            ("Versions", ", ".join(f"{name} {version}" for name, version in run.packages.items())),
            ("Fingerprint of the model", run.base_fingerprint),
            ("Fingerprint of the data", run.data_fingerprint),
            ("Fingerprint of the prompt", run.prompt_fingerprint),
        ]

    @property
    def commit(self) -> str:
        """The commit, and whether there were changes beside it."""
        if self.first.git_commit is None:
            return "no git repository"
        return self.first.git_commit + (" with uncommitted changes" if self.first.git_dirty else "")


def setups(runs: Sequence[Provenance]) -> list[Setup]:
    """Return the different set-ups, in the order of their first runs; only the time of two may differ."""
    found: list[Setup] = []
    for run in runs:
        at = next(
            (n for n, s in enumerate(found) if replace(s.first, created_at=run.created_at) == run), None
        )
        if at is None:
            found.append(Setup(run, run, 1))
        else:
            found[at] = replace(found[at], last=run, n_runs=found[at].n_runs + 1)
    return found


def budget(sweep: SweepRecord) -> list[tuple[str, str]]:
    """Return the keys of the sweep's budget with their values."""
    found = [(key, sweep.spec[key]) for key in BUDGET if sweep.spec.get(key) is not None]
    return [(key, _print(value)) for key, value in found]


def _print(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
