"""What a driver's bookkeeping costs for each trial, and whether that grows: training is replaced by a stub.

`python -m tests.benchmarks.driver_load [--trials 5000] [--slots 64] [--sampler random]` runs a sweep of one
method on `tiny` through the whole driver, its ledger, study and MLflow store in a temporary workspace.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from storage.lease import leased
from storage.ledger import Ledger
from storage.tracking import Tracker
from storage.workspace import Workspace
from sweeps.books import Books
from sweeps.budget import Budget
from sweeps.display import Display
from sweeps.driver import Driver
from sweeps.executors.inline import InlineExecutor
from sweeps.mirror import Mirror
from sweeps.plan import make_plan
from sweeps.provenance import collect_provenance
from sweeps.spec import check_spec
from sweeps.trial import Finished, Progress, TrialEvent, TrialResult, TrialSpec

STEPS = 20


class StubRunner:
    """Takes `slots` trials and ends all of them at once, with a score that depends on the recipe alone."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._held: list[TrialSpec] = []
        self.ended: list[tuple[float, float]] = []

    @property
    def capacity(self) -> int:
        return self._slots - len(self._held)

    @property
    def busy(self) -> bool:
        return bool(self._held)

    def submit(self, trial: TrialSpec) -> None:
        self._held.append(trial)

    def cancel(self, number: int) -> None:
        self._held = [trial for trial in self._held if trial.number != number]

    def at_most(self, slots: int) -> None:
        self._slots = min(self._slots, slots)

    def advance(self) -> Iterator[TrialEvent]:
        for trial in list(self._held):
            yield Progress(trial.number, STEPS, STEPS, 1.0, 1000.0)
            Path(trial.adapter_file).write_bytes(b"stub")
            self._held.remove(trial)
            self.ended.append((time.perf_counter(), time.process_time()))
            yield Finished(trial.number, stub_result(trial))

    def close(self) -> None:
        self._held.clear()


def stub_result(trial: TrialSpec) -> TrialResult:
    score = min(0.99, 0.3 + 10 * trial.recipe.lr)
    curve = tuple((step, 1.0 / step) for step in range(1, STEPS + 1))
    return TrialResult(
        score=score,
        metrics={"accuracy": score, "loss": 1 - score},
        curve=curve,
        trainable_params=1,
        stored_params=1,
        steps=STEPS,
        train_seconds=1.0,
        eval_seconds=0.1,
        wall_seconds=1.1,
        tokens_per_second=1000.0,
        train_tokens=1000,
        peak_memory_bytes=1,
        device="cpu",
        rows=20,
        rows_cut=0,
        eval_rows_cut=0,
    )


def sweep_content(n_trials: int, sampler: str, workspace: str) -> dict[str, Any]:
    """One method whose space is never used up."""
    block = {
        "r_q": {"low": 1, "high": 16},
        "r_v": {"low": 1, "high": 16},
        "lr": {"low": 1e-4, "high": 5e-2, "log": True},
    }
    return {
        "name": "load",
        "base": "tiny",
        "task": {"name": "demo", "train_examples": 20, "eval_examples": 10},
        "methods": {"lora": block},
        "recipe": {"steps": STEPS, "batch_size": 4},
        "sampler": sampler,
        "trials": n_trials,
        "workspace": workspace,
    }


def run(n_trials: int, slots: int, sampler: str, folder: Path) -> list[tuple[float, float]]:
    """Run the sweep; return the wall and processor seconds of each trial's bookkeeping, in order."""
    spec = check_spec(sweep_content(n_trials, sampler, str(folder)), "the benchmark")
    plan, workspace = make_plan(spec), Workspace.open(folder, create=True)
    workspace.make_folders(spec.name)
    runner, console = StubRunner(slots), Console(quiet=True)
    tracker = Tracker(workspace.tracking_uri, workspace.artifact_root)
    with (
        closing(Ledger.open(workspace.database_url)) as ledger,
        leased(ledger, spec.name) as lease,
        Display(console, spec.name, n_trials) as display,
    ):
        driver = Driver(
            plan=plan,
            books=Books(plan, workspace, ledger, lease, Mirror(lambda: tracker, display.say), display.say),
            executor=InlineExecutor(runner),
            display=display,
            provenance=collect_provenance(plan, "cpu"),
            budget=Budget(spec),
        )
        driver.run()
    ended = runner.ended
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(ended)]


def resident_mib() -> float:
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--sampler", default="random")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = resident_mib()
        costs = run(asked.trials, asked.slots, asked.sampler, Path(folder))
    print(f"{asked.sampler}, {asked.trials} trials, {asked.slots} slots")
    print("| trials | median ms a trial | mean ms a trial | mean processor ms |\n|---|---:|---:|---:|")
    window = max(1, len(costs) // 10)
    for first in range(0, len(costs) - window + 1, window):
        part = costs[first : first + window]
        wall = [1000 * seconds for seconds, _ in part]
        busy = 1000 * statistics.mean(seconds for _, seconds in part)
        print(
            f"| {first} to {first + window} | {statistics.median(wall):.1f} | {statistics.mean(wall):.1f} "
            f"| {busy:.1f} |"
        )
    print(f"resident memory: {before:.0f} MiB before, {resident_mib():.0f} MiB after")


if __name__ == "__main__":
    main()
