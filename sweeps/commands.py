"""What each command does, once its arguments are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from dashboards.imported import imported_ones, shown_state, trained_here
from dashboards.pareto import pareto_front
from dashboards.printing import one_line
from methods.errors import FrontuneError
from storage.lease import holders
from storage.ledger import Ledger
from storage.records import Refusal, SweepRecord, TrialRecord
from storage.workspace import Workspace
from sweeps.catalogue import sweep_file
from sweeps.display import refusal_line
from sweeps.front_replicates import searched
from sweeps.interrupts import terminable
from sweeps.line_breaks import broken
from sweeps.pareto import print_front

if TYPE_CHECKING:
    from sweeps.counting import Format
    from sweeps.plan import Plan
    from sweeps.running import SweepRun
    from sweeps.spec import SweepSpec

OPEN = ("interrupted", "running")
"""A trial that a resumed sweep goes on with; one whose driver was killed is left running."""


def run_command(sweep: str, overrides: tuple[str, ...]) -> int:
    """Run the sweeps of a file; the exit code is 0, 1 where one has no score, 130 after an interruption."""
    from sweeps.spec import load_specs

    file = sweep_file(sweep)
    specs = load_specs(file, overrides)
    return _run(specs, f"sweep file '{file}'", f"frontune run {sweep}` with the same options")


def resume_command(name: str, workspace: str, trials: int | None, retry_failed: bool = False) -> int:
    """Go on with a sweep, or those of one file, as the ledger remembers them; exit codes as of a run."""
    from sweeps.resume import stored_specs

    specs = stored_specs(_ledger(workspace), name, workspace, {} if trials is None else {"trials": trials})
    return _run(specs, f"sweep {name!r}", f"frontune resume {name}`", retry_failed)


def _run(specs: Sequence[SweepSpec], where: str, again: str, retry_failed: bool = False) -> int:
    from sweeps.running import check_sweep, quiet_libraries, run_sweep

    console, code = Console(), 0
    quiet_libraries()
    try:
        with terminable():
            try:
                plans = [check_sweep(spec) for spec in specs]
            except FrontuneError as error:
                raise FrontuneError(f"{where}: {error}") from error
            for plan in plans:
                done = run_sweep(plan, console, retry_failed=retry_failed)
                code = max(code, _print_results(done, plan))
                if done.ending == "interrupted":
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        click.echo(f"interrupted; `{again} goes on with it", err=True)
        return 130
    return code


def _print_results(done: SweepRun, plan: Plan) -> int:
    """Print the front and what was written; return 1 where no trial has a score."""
    spec = plan.spec
    results = _ledger(str(done.workspace.root)).results(spec.name)
    n_searched = len(searched(trained_here(results), spec.seeds))
    if done.ending == "complete" and spec.trials is not None and n_searched < spec.trials:
        why = "nothing else is left to try" if len(spec.seeds) == 1 else f"a point takes {len(spec.seeds)}"
        click.echo(f"{n_searched} of {spec.trials} trials: {why}")
    if done.files:
        print_front(results)
    else:
        click.echo("no trial has a score")
    for path in done.files:
        click.echo(f"wrote {path}")
    return 0 if done.files and done.ending != "failed" else 1


def list_command(workspace: str) -> None:
    """A line for each sweep."""
    ledger, console = _ledger(workspace), Console()
    driven = holders(ledger)
    for sweep in ledger.sweeps():
        states = Counter(shown_state(each) for each in ledger.results(sweep.name))
        counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "no trials"
        if sweep.name not in driven and any(states[state] for state in OPEN):
            counts += f" (nobody runs it; `frontune resume {sweep.name}` goes on)"
        begun = f"begun {sweep.created_at:%Y-%m-%d %H:%M} UTC"
        line = one_line(f"{sweep.name}: {sweep.task} on {sweep.base}, {counts}, {begun}")
        click.echo(broken(line, console))


def status_command(name: str, workspace: str) -> None:
    """States, failures, refusals, front; of every sweep of a file that made several."""
    from sweeps.shown import find

    ledger = _ledger(workspace)
    # Before the trials: a driver that ends in between must leave none behind that seem forsaken.
    driven = holders(ledger)
    found = find(ledger, name)
    for sweep in found.sweeps:
        _print_status(sweep, found.results[sweep.name], ledger.refusals(sweep.name), driven.get(sweep.name))


def _print_status(
    sweep: SweepRecord, results: list[TrialRecord], refusals: list[Refusal], driver: str | None
) -> None:
    trials, imported = trained_here(results), imported_ones(results)
    states = Counter(trial.state for trial in trials)
    budget, seeds = sweep.spec.get("trials"), sweep.spec.get("seeds")
    own = searched(trials, seeds if isinstance(seeds, list) else [0])
    done = sum(trial.state not in OPEN for trial in own)
    of = f" of {budget}" if isinstance(budget, int) and budget >= len(own) else ""
    more = f", {len(trials) - len(own)} further replicates of the front" if len(trials) > len(own) else ""
    said = [one_line(f"{sweep.name}: {sweep.task} on {sweep.base}, {done}{of} trials{more}")]
    said += [f"  {n} {state}" for state, n in sorted(states.items())]
    if driver:
        said.append(f"  run by {driver}")
    elif done < len(own):
        nobody = f"nobody runs it; `frontune resume {sweep.name}` goes on"
        said.append(f"  {one_line(nobody)}")
    files = Counter(str(each.imported_from) for each in imported)
    said += [f"  {n} imported from {one_line(file)}" for file, n in sorted(files.items())]
    for trial in trials:
        if trial.reason:
            what = f"trial {trial.number} {trial.title} {trial.label}".rstrip()
            said.append(f"  {one_line(f'{what}: {trial.reason.splitlines()[0]}')}")
    said += [f"  {refusal_line(refusal)}" for refusal in refusals]
    click.echo(broken("\n".join(said), Console()))
    if pareto_front(results):
        print_front(results)


def table_command(name: str, workspace: str, form: str, paper: bool, layout: str | None = None) -> None:
    """Print the table."""
    from sweeps.shown import print_table

    print_table(_ledger(workspace), name, form, paper, layout)


def plot_command(name: str, workspace: str, file: Path, paper: bool, kind: str | None = None) -> None:
    """Draw a figure."""
    from sweeps.shown import draw

    draw(_ledger(workspace), name, file, paper, kind)


def count_command(base: str, preset: str | None, method: str | None, form: Format) -> None:
    """Print the counts."""
    from sweeps.counting import TABLE_15_BASE, count_one, render_counts, table15_counts

    if (preset is None) == (method is None):
        raise FrontuneError("give one of --preset table15 and --method 'NAME(key=value, ...)'")
    if preset is not None and base != TABLE_15_BASE:
        raise FrontuneError(f"--preset table15 counts on {TABLE_15_BASE}, got --base {base}; use --method")
    rows = table15_counts() if method is None else [count_one(base, method)]
    text = render_counts(rows, form)
    click.echo(text, nl=not text.endswith("\n"))


def _ledger(workspace: str) -> Ledger:
    return Ledger.open(Workspace.open(workspace, create=False).database_url, create=False)
