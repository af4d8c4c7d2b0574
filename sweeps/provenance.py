"""Where a sweep's numbers come from: package versions, git state, fingerprints, device."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from storage.records import Provenance
from sweeps.trial import ENGINE

if TYPE_CHECKING:
    from sweeps.plan import Plan

PACKAGES = ("frontune", "torch", "transformers", "optuna", "mlflow", "datasets", "numpy", "safetensors")

ENGINE_KEY = "frontune-engine"
"""Stands among the packages' versions: results of different engines do not belong into one sweep."""


def collect_provenance(plan: Plan, device: str) -> Provenance:
    """Describe this run of the command."""
    context = plan.context
    commit, dirty = git_state()
    return Provenance(
        created_at=datetime.now(UTC),
        packages={
            **{name: package_version(name) for name in PACKAGES},
            "python": platform.python_version(),
            ENGINE_KEY: str(ENGINE),
            **plugin_versions(plan),
        },
        git_commit=commit,
        git_dirty=dirty,
        base_fingerprint=context.base_fingerprint,
        data_fingerprint=context.data_fingerprint,
        prompt_fingerprint=context.prompt_fingerprint,
        device=device,
    )


def plugin_versions(plan: Plan) -> dict[str, str]:
    """The code of the sweep's methods that are plugins; it, too, stands among the packages' versions."""
    from methods.registry import plugin_fingerprints

    found = plugin_fingerprints(plan.methods)
    return {f"method {name}": fingerprint for name, fingerprint in found.items()}


def package_version(name: str) -> str:
    """The installed version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def git_state() -> tuple[str | None, bool]:
    """The commit of the working directory's repository, and whether it has uncommitted changes."""
    commit = _git("rev-parse", "HEAD")
    return commit, bool(commit and _git("status", "--porcelain"))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
