"""How long results take to come out of a large ledger: the CSV, the table and the plot's data.

``python -m tests.benchmarks.results_size [TRIALS ...]`` writes ledgers of 1,000, 10,000 and 100,000 trials,
each with 50 measurements, in the schema that the ledger makes, and reads each in a process of its own
through what the commands call. A configuration has three seeds and its score grows with its parameters, so
that the front is long and its bootstrap has work to do.
"""

from __future__ import annotations

import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from dashboards.pareto_csv import write_csv
from dashboards.points import tradeoff_points
from dashboards.table15 import render_markdown, table_rows
from dashboards.tradeoff import plot_tradeoff
from storage.collection import without_collection
from storage.ledger import Ledger
from storage.models import MeasurementRow, TrialRow, row_values
from storage.records import SweepRecord, TrialRecord
from tests.benchmarks.turns import HEADINGS, rounds, row

SWEEP, SEEDS, MEASURED, CHUNK = "size", 3, 50, 2_000
METHODS = (("lora", "LoRA"), ("adapter_h", "Adapter^H"), ("prefix_layer", "PrefixLayer"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHAT = {
    "front_s": "the front's CSV, processor s",
    "all_s": "the CSV of all trials, processor s",
    "points_s": "the plot's data, processor s",
    "figure_s": "the plot's figure, processor s",
    "table_s": "the table, processor s",
    "memory_mb": "peak memory, MB",
}
TARGETS = {"front_s": "under 3", "table_s": "under 3", "points_s": "under 3", "memory_mb": "under 1,000"}


def main(sizes: list[int]) -> None:
    """A line for each size and result."""
    print(HEADINGS)
    for n_trials in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "frontune.db"
            write_ledger(f"sqlite:///{file}", n_trials)
            found = [read_in_a_process(file) for _ in range(rounds(5))]
        where = f"{n_trials:,} trials, {n_trials * MEASURED:,} measurements"
        for key, what in WHAT.items():
            target = TARGETS.get(key, "-") if n_trials >= 100_000 else "-"
            row(f"{where}: {what}", [each[key] for each in found], target=target)


def write_ledger(url: str, n_trials: int) -> None:
    """Fill a new ledger in bulk."""
    with closing(Ledger.open(url)) as ledger:
        ledger.add_sweep(SweepRecord(SWEEP, "tiny", "mnli", "accuracy", {}, NOW))
        for first in range(0, n_trials, CHUNK):
            numbers = range(first, min(n_trials, first + CHUNK))
            with ledger.session(write=True) as session:
                session.execute(insert(TrialRow), [row_values(trial(n)) | {"id": n + 1} for n in numbers])
                session.execute(insert(MeasurementRow), [each for n in numbers for each in measured(n)])


def trial(number: int) -> TrialRecord:
    """A complete trial; its draws depend on its number alone."""
    draw = random.Random(number // SEEDS)
    method, title = draw.choice(METHODS)
    params = int(10 ** draw.uniform(3, 8))
    score = 0.35 + 0.07 * math.log10(params) + draw.gauss(0, 0.05) + random.Random(number).gauss(0, 0.005)
    rank = draw.randint(1, 512)
    return TrialRecord(
        sweep=SWEEP,
        study=f"{SWEEP}/{method}",
        number=number,
        state="complete",
        method=method,
        title=title,
        label=f"r = {rank}",
        hyperparameters={"r": rank, "lr": 10 ** draw.uniform(-4, -2), "dropout": 0.0},
        config_hash=f"{number // SEEDS:016x}",
        seed=number % SEEDS,
        base="tiny",
        task="mnli",
        metric="accuracy",
        trainable_params=params,
        stored_params=params,
        base_params=10**9,
        point=number // SEEDS,
        created_at=NOW,
        score=min(1.0, score),
        lr=1e-3,
        batch_size=8,
        steps=MEASURED,
        train_seconds=1.0,
        eval_seconds=0.1,
        wall_seconds=1.1,
        tokens_per_second=1000.0,
        peak_memory_bytes=10**9,
        device="cpu",
        mlflow_run_id=f"{number:032x}",
        git_commit="0" * 40,
        train_tokens=10**6,
        mirrored=True,
    )


def measured(number: int) -> Iterator[dict[str, Any]]:
    """A trial's learning curve."""
    for step in range(MEASURED):
        value = 1 / (step + 1)
        yield {"trial_id": number + 1, "metric": "loss", "split": "train", "step": step, "value": value}


def read_in_a_process(file: Path) -> dict[str, float]:
    """What a fresh process measures, so that its peak memory is that of the reading."""
    command = [sys.executable, "-m", "tests.benchmarks.results_size", "--read", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def busy_s(work: Callable[[], object]) -> float:
    """Processor time of one call: it works alone, and other work on the machine does not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def read(file: Path) -> None:
    """Print the seconds of each result as its command has them, with the ledger's reading, and the memory."""
    with closing(Ledger.open(f"sqlite:///{file}", create=False)) as ledger, without_collection():

        def trials() -> list[TrialRecord]:
            return ledger.trials(SWEEP)

        csv = file.parent / "out.csv"
        found = {
            "front_s": busy_s(lambda: write_csv(csv, [trials()], front_only=True)),
            "all_s": busy_s(lambda: write_csv(csv, [trials()], front_only=False)),
            "points_s": busy_s(lambda: tradeoff_points(trials())),
            "table_s": busy_s(lambda: render_markdown(table_rows(trials()))),
        }
        points = tradeoff_points(trials())
        found["figure_s"] = busy_s(lambda: plot_tradeoff(points, SWEEP).to_json())
    print(json.dumps(found | {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(Path(sys.argv[2]))
    else:
        main([int(n) for n in sys.argv[1:]] or [1_000, 10_000, 100_000])
