"""`frontune pareto`: the front of a sweep on the axes that are asked for, printed or in files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from dashboards.files import check_writable, write_atomically
from dashboards.front_table import render_front_rows
from dashboards.imported import trained_here
from dashboards.other_axes import render_front, scored_by
from dashboards.pareto import front_of
from dashboards.pareto_csv import trials_csv
from dashboards.printing import score_title
from dashboards.replicates import Cost, replicates
from dashboards.table15 import table_rows
from dashboards.trial_files import trials_json, trials_parquet
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.records import TrialRecord
from storage.workspace import Workspace
from sweeps.shown import find
from sweeps.text_layout import print_whole

STDOUT = Path("-")


@dataclass(frozen=True)
class FrontRequest:
    """What is asked: all trials or the front alone, its axes (None is the sweep's own score), and files, of
    which `STDOUT` is printed."""

    every: bool
    metric: str | None
    cost: Cost
    csv: Path | None
    json: Path | None
    parquet: Path | None


def pareto_command(name: str, workspace: str, asked: FrontRequest) -> None:
    """Write the files, or print the front; of a file that made several sweeps, each sweep's own."""
    wanted = [
        (asked.csv, trials_csv, "the CSV"),
        (asked.json, trials_json, "the JSON"),
        (asked.parquet, trials_parquet, "the Parquet file"),
    ]
    _check_printed(asked)
    with closing(Ledger.open(Workspace.open(workspace, create=False).database_url, create=False)) as ledger:
        trials = dict(find(ledger, name).results)
        if asked.metric is not None:
            trials = {sweep: _scored_by(asked.metric, some, ledger) for sweep, some in trials.items()}
    for some in trials.values():
        _check_cost(trained_here(some), asked.cost)
    for file, _, what in wanted:
        if file is not None:
            check_writable(file, what)
    is_printed = any(file == STDOUT for file, _, _ in wanted)
    for file, form, what in wanted:
        if file is None:
            continue
        data = form(list(trials.values()), not asked.every, asked.cost)
        if file == STDOUT:
            click.echo(data, nl=False)
        else:
            write_atomically(file, data, what)
            click.echo(f"wrote {file}", err=is_printed)
    if not any(file for file, _, _ in wanted):
        _print(trials, asked)


def print_front(trials: list[TrialRecord], every: bool = False) -> None:
    """Print the front's rows of the table, or all, replicates averaged, with the numbers of their trials."""
    rows = table_rows(trials)
    front = [row for row in rows if row.is_pareto]
    click.echo(f"Pareto front: {len(front)} of {len(rows)} configurations")
    score = score_title(trials[0].task, trials[0].metric) if trials else "Score"
    print_whole(render_front_rows(rows if every else front, score))


def _check_printed(asked: FrontRequest) -> None:
    if asked.parquet == STDOUT:
        raise FrontuneError("--parquet needs a file: Parquet is not printed")
    if asked.csv == asked.json == STDOUT:
        raise FrontuneError("--csv and --json cannot both be printed: give one of them a file")


def _print(trials: Mapping[str, list[TrialRecord]], asked: FrontRequest) -> None:
    for name, some in trials.items():
        if len(trials) > 1:
            click.echo(name)
        if asked.metric is None and asked.cost == "trainable_params":
            print_front(some, asked.every)
            continue
        groups = replicates(some)
        found = f"{len(front_of(groups, asked.cost))} of {len(groups)} configurations"
        click.echo(f"Pareto front: {found}")
        Console().print(render_front(some, asked.cost, asked.every))


def _check_cost(trials: list[TrialRecord], cost: Cost) -> None:
    """Say what is left out because its cost is not known; raises FrontuneError where that is everything."""
    groups = replicates(trials)
    known = sum(group.cost(cost) is not None for group in groups)
    if cost != "peak_memory_bytes":
        return
    if any(t.device == "cpu" and t.peak_memory_bytes is not None for t in trials):
        raise FrontuneError(
            f"--cost {cost}: trials were trained on a CPU, where the peak is that of the process with all it "
            "keeps from earlier trials, so that it does not compare configurations; on a GPU it does"
        )
    if known == len(groups):
        return
    why = "trials that train side by side have no peak memory of their own (slots_per_device: 1 measures it)"
    if not known:
        raise FrontuneError(f"--cost {cost}: it is known of none of the {len(groups)} configurations: {why}")
    click.echo(f"{len(groups) - known} of {len(groups)} configurations are left out: {why}", err=True)


def _scored_by(metric: str, trials: list[TrialRecord], ledger: Ledger) -> list[TrialRecord]:
    if all(trial.metric == metric for trial in trials):
        return trials
    return scored_by(metric, trials, {t.number: ledger.measurements(t.sweep, t.number) for t in trials})
