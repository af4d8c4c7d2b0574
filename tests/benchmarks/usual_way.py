"""A whole sweep against the usual way: the same trials with Optuna, PEFT, transformers' Trainer and MLflow.

``python -m tests.benchmarks.usual_way [tiny] [smollm2-135m]``: six trials of LoRA's rank and learning rate,
on `tiny` also 24, to show how the cost grows; the same matrices, rows, batch size, steps and AdamW, 100
validation rows scored, adapters kept; both sides timed as processes, imports included, in turn. `tiny` is
trained on the demo in float32, SmolLM2-135M on real MNLI rows in bfloat16.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.loading import base_folder
from methods.tiny.world import DEMO_LABELS, demo_examples
from storage.ledger import Ledger
from storage.workspace import Workspace
from sweeps.data import sample
from sweeps.tasks.base import Example, Split
from sweeps.tasks.mnli import LABELS, MNLI
from tests.benchmarks.real_rows import mnli_folder
from tests.benchmarks.turns import HEADINGS, in_turn, over, rounds, row

RANKS = (1, 2, 4)
SCORED = 100


@dataclass(frozen=True)
class Case:
    """A base with what it is trained on. `modules` are PEFT's names of the adapted matrices, which are
    not fused in either, so that the same is trained."""

    base: str
    words: tuple[str, ...]
    modules: dict[str, str]
    rates: tuple[float, ...]
    n_rows: int
    steps: int
    batch_size: int
    dtype: str
    target: str
    rounds: int

    @property
    def points(self) -> list[dict[str, float]]:
        """Rank and learning rate of each trial."""
        return [{"r": r, "lr": lr} for r in RANKS for lr in self.rates]

    def written(self, point: dict[str, float]) -> str:
        """A point as a sweep file has it."""
        ranks = ", ".join(f"r_{matrix}={point['r']}" for matrix in self.modules)
        return f"lora({ranks}, lr={point['lr']})"


CASES = (
    Case(
        "tiny",
        DEMO_LABELS,
        {"o": "attn.c_proj", "up": "mlp.c_fc"},
        (5e-3, 1e-2),
        500,
        100,
        16,
        "float32",
        "at least 6",
        5,
    ),
    Case(
        "tiny",
        DEMO_LABELS,
        {"o": "attn.c_proj", "up": "mlp.c_fc"},
        (1e-3, 2e-3, 3e-3, 5e-3, 7e-3, 1e-2, 1.5e-2, 2e-2),
        500,
        100,
        16,
        "float32",
        "reported",
        3,
    ),
    Case(
        "smollm2-135m",
        tuple(word.strip() for word in LABELS),
        {"q": "q_proj", "v": "v_proj"},
        (2e-4, 1e-3),
        500,
        20,
        8,
        "bfloat16",
        "at least 3",
        5,
    ),
)


def main(bases: list[str]) -> None:
    """A ratio and both accuracies for each base."""
    print(HEADINGS)
    for case in CASES:
        if case.base in bases or not bases:
            with tempfile.TemporaryDirectory() as folder:
                compare(case, Path(folder))


def compare(case: Case, folder: Path) -> None:
    """Run both ways in turn."""
    data = folder / "data"
    write_rows(case, data)
    accuracies: dict[str, list[float]] = {"usual": [], "ours": []}

    busy_s: dict[str, list[float]] = {"usual": [], "ours": []}

    def usual() -> None:
        before = processor_s()
        with tempfile.TemporaryDirectory(dir=folder) as own:
            accuracies["usual"] += run_usual(case, data, Path(own))
        busy_s["usual"].append(processor_s() - before)

    def ours() -> None:
        before = processor_s()
        with tempfile.TemporaryDirectory(dir=folder) as own:
            accuracies["ours"] += run_ours(case, data, Path(own))
        busy_s["ours"].append(processor_s() - before)

    theirs_s, ours_s = in_turn(rounds(case.rounds), usual, ours)
    what = f"{case.base} in {case.dtype}, {len(case.points)} trials of {case.steps} steps"
    row(f"{what}: whole sweep, usual way over `frontune run`", over(theirs_s, ours_s), " times", case.target)
    row(f"{what}: the same in processor time", over(busy_s["usual"], busy_s["ours"]), " times")
    row(f"{what}: usual way, s", theirs_s, digits=1)
    row(f"{what}: `frontune run`, s", ours_s, digits=1)
    for name, found in busy_s.items():
        row(f"{what}: {name}, processor s", found, digits=1)
    for name, found in accuracies.items():
        shown = [100 * each for each in found]
        row(f"{what}: accuracy of the trials, {name}, %", shown, digits=1, counted="trials")
    gap = 100 * (statistics.mean(accuracies["ours"]) - statistics.mean(accuracies["usual"]))
    row(f"{what}: mean accuracy, ours less theirs, points", [gap], target="within noise", digits=1)


def processor_s() -> float:
    """Processor time of all processes that this one has started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def write_rows(case: Case, data: Path) -> None:
    """The same rows for both, as JSONL."""
    data.mkdir()
    n_rows: dict[Split, int] = {"train": case.n_rows, "validation": SCORED}
    for split, n in n_rows.items():
        lines = [json.dumps({"prompt": p, "completion": c.strip()}) for p, c in texts(case, split, n)]
        (data / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


def texts(case: Case, split: Split, n: int) -> list[tuple[str, str]]:
    """Prompts and completions."""
    if case.base == "tiny":
        return [(each.prompt, each.completion) for each in demo_examples(split, 0)[:n]]
    found: list[Example] = sample(MNLI(str(mnli_folder())).examples(split), n, 0, split)
    return [(each.prompt, each.completion) for each in found]


def run_usual(case: Case, data: Path, folder: Path) -> list[float]:
    """Return the accuracies of the usual way."""
    job = {
        "base": str(base_folder(case.base)),
        "dtype": case.dtype,
        "data": str(data),
        "folder": str(folder),
        "words": case.words,
        "modules": list(case.modules.values()),
        "points": case.points,
        "steps": case.steps,
        "batch_size": case.batch_size,
    }
    file = folder / "job.json"
    file.write_text(json.dumps(job))
    done = run(["tests.benchmarks.usual_sweep", str(file)])
    found: list[float] = json.loads(done.splitlines()[-1])
    return found


def run_ours(case: Case, data: Path, folder: Path) -> list[float]:
    """Return the accuracies of a sweep file with the same trials."""
    content: dict[str, Any] = {
        "name": "ours",
        "base": case.base,
        "task": {
            "name": "own_data",
            "data": str(data),
            "prompt": "{prompt}",
            "completion": "completion",
            "score": "likelihood",
        },
        "points": [case.written(point) for point in case.points],
        "recipe": {"steps": case.steps, "batch_size": case.batch_size, "dtype": case.dtype},
        "slots_per_device": len(case.points),
        "trials": len(case.points),
        "workspace": str(folder / "runs"),
    }
    file = folder / "ours.yaml"
    # YAML reads JSON, but would take 1e-3 for a text.
    file.write_text(json.dumps(content))
    run(["sweeps.cli", "run", str(file)])
    workspace = Workspace.open(folder / "runs", create=False)
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        return [trial.score for trial in ledger.trials("ours") if trial.score is not None]


def run(module: list[str]) -> str:
    """Run a module in a process of its own, without the network."""
    settings = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings)
    if done.returncode:
        raise RuntimeError(f"{module[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
