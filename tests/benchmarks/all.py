"""Runs every benchmark and writes docs/benchmarks.md: ``make bench``, or ``python -m tests.benchmarks.all``.

With names, only these are run, and the sections of the others stay as they are.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
NOTES = Path(__file__).parent / "notes"
BENCHMARKS = {
    "usual_way": "A whole sweep against the usual way",
    "well_done": "The training loop alone against the Trainer, grouped by length",
    "limit": "Against the limit of the machine",
    "growth": "How cost grows",
    "overheads": "Beside training",
    "results_size": "Results of large ledgers",
    "gpu_pack": "On a GPU",
}
PACKAGES = ("torch", "transformers", "peft", "optuna", "mlflow", "numpy", "sqlalchemy")
INTRODUCTION = """# Benchmarks

`make bench` runs `tests/benchmarks/` and writes this page. Comparisons are ratios of what was measured
in turn in one run; a line gives the median of all rounds, the target, and the least and the most.
What a line does not say to be in bfloat16 is in float32. What a change of the code gained or lost is in
[performance.md](performance.md).
"""


def main(names: list[str]) -> None:
    """Run the benchmarks and write the page after each."""
    for name in names or BENCHMARKS:
        before = load()
        command = [sys.executable, "-m", f"tests.benchmarks.{name}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        lines = [line for line in done.stdout.splitlines() if is_ours(line)]
        failed = [f"\nIt ended with exit code {done.returncode}."] if done.returncode else []
        where = f"{machine()}. Load of the machine {before} before and {load()} after.\n"
        write(name, "\n".join([where, *lines, *failed, *note(name)]))


def note(name: str) -> list[str]:
    """What is to be said of a benchmark's numbers, from notes/NAME.md."""
    file = NOTES / f"{name}.md"
    return ["", file.read_text(encoding="utf-8").strip()] if file.exists() else []


def is_ours(line: str) -> bool:
    """Tables and sentences of a benchmark, not what the libraries that it measures print."""
    return not line.startswith(("{", "Loading", "[", "Map", "Generating"))


def machine() -> str:
    """Processor, cores, threads, GPU, versions and date, as one sentence without its full stop."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {models[0] if models else platform.processor()}, "
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {gpu}, "
        f"Python {platform.python_version()}, {versions}"
    )


def load() -> str:
    """How many processes wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def write(name: str, body: str) -> None:
    """Put a section into the page, in the place that it has or in the order above."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    found = dict(re.findall(r"^## (.*?)\n\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    found[BENCHMARKS[name]] = body
    sections = [f"## {title}\n\n{found[title].strip()}\n" for title in BENCHMARKS.values() if title in found]
    PAGE.write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
