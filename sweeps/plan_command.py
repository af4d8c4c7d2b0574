"""`frontune plan`: what a sweep is going to take, known in seconds; nothing is trained or written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import click
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from dashboards.printing import print_count, print_seconds, print_tokens
from methods.errors import FrontuneError
from sweeps.calibration import Pace, calibrate
from sweeps.catalogue import sweep_file
from sweeps.executors.choose import first_device
from sweeps.expected import Expected, expected_points
from sweeps.forecast import MethodForecast, forecast, middle, trials_done
from sweeps.line_breaks import broken
from sweeps.plan import Plan
from sweeps.running import announce, check_sweep, known_ledger, loaded_once, quiet_libraries
from sweeps.spec import load_specs
from sweeps.training.memory import is_out_of_memory
from sweeps.trial_memory import print_bytes

PlanForm = Literal["rich", "json"]


def plan_command(sweep: str, overrides: tuple[str, ...], form: PlanForm) -> None:
    """Print what each sweep of a file is going to take."""
    file = sweep_file(sweep)
    specs = load_specs(file, overrides)
    quiet_libraries()
    try:
        plans = [check_sweep(spec, only_look=True) for spec in specs]
    except FrontuneError as error:
        raise FrontuneError(f"sweep file '{file}': {error}") from error
    found = []
    for plan in plans:
        expected = expected_points(plan)
        with known_ledger(plan.spec.workspace, only_look=True) as ledger:
            n_done, wanted = trials_done(plan, ledger), plan.spec.trials
            lines = forecast(plan, expected, ledger, {})
            if wanted is not None and n_done > wanted:
                # What so small a sweep would be dealt is not what was trained.
                lines = []
            if any(line.trials > line.done + line.reused for line in lines):
                lines = forecast(plan, expected, ledger, paces_of(plan, expected))
        if form == "json":
            found.append(as_json(plan, lines, n_done))
        else:
            print_plan(plan, lines, n_done, Console())
    if form == "json":
        click.echo(json.dumps(found, indent=2))


def paces_of(plan: Plan, expected: Sequence[Expected]) -> dict[str, Pace]:
    """Load the base and time each method at its middle point; where memory does not suffice, or there is no
    such device here, there is none."""
    device = first_device(plan.spec)
    if not _is_here(device):
        return {}
    base, paces = loaded_once(plan.spec, device)(), {}
    costs = {each.method: middle(plan, each) for each in expected}
    # The first method is timed twice: the first step of a process pays for what all later ones have.
    for method in [*list(costs)[:1], *costs]:
        cost = costs[method]
        try:
            paces[method] = calibrate(base, plan.data, cost.method, cost.recipe)
        except Exception as error:
            if not is_out_of_memory(error):
                raise FrontuneError(f"{method} ({cost.method.label()}) cannot train: {error}") from error
    return paces


def _is_here(device: str) -> bool:
    return torch.cuda.is_available() or not device.startswith("cuda")


def as_json(plan: Plan, lines: Sequence[MethodForecast], n_done: int) -> dict[str, Any]:
    """The forecast of one sweep as plain values: bytes, seconds, tokens."""
    spec = plan.spec
    return {
        "sweep": spec.name,
        "task": spec.task.name,
        "base": spec.base,
        "device": plan.memory.device,
        "methods": [asdict(line) for line in lines],
        "refusals": [asdict(refusal) for refusal in plan.refusals],
        "notes": [*_nothing_left(plan, n_done), *notes(plan, lines)],
    }


def print_plan(plan: Plan, lines: Sequence[MethodForecast], n_done: int, console: Console) -> None:
    """A row for each method, and one for all; nothing but the reason where more is done than wanted."""
    announce(plan, console)
    said = _nothing_left(plan, n_done)
    if lines:
        console.print(_table(lines, console))
        said += notes(plan, lines)
    for note in said:
        console.print(broken(note, console), markup=False, highlight=False, soft_wrap=True)


def _nothing_left(plan: Plan, n_done: int) -> list[str]:
    wanted = plan.spec.trials
    if wanted is None or n_done < wanted:
        return []
    return [f"nothing is left to search: {n_done} trials are done, {wanted} wanted"]


def _table(lines: Sequence[MethodForecast], console: Console) -> Table:
    is_narrow = console.width < 80
    padding = (0, 1, 0, 0) if is_narrow else (0, 1)
    table = Table(box=box.SIMPLE_HEAD, show_edge=not is_narrow, pad_edge=not is_narrow, padding=padding)
    table.add_column("Method", no_wrap=True)
    for heading in ("Trials", "Parameters", "Memory", "Tokens", "Time"):
        # Words that say several numbers may stand on several lines.
        table.add_column(heading, justify="right", no_wrap=heading in ("Tokens", "Time"))
    for line in lines:
        table.add_row(
            line.title,
            _trials(line.trials, line.done, line.reused),
            _span(print_count(line.params_low), print_count(line.params_high)),
            _span(print_bytes(line.memory_low), print_bytes(line.memory_high)),
            print_tokens(line.train_tokens),
            print_seconds(line.seconds),
            end_section=line is lines[-1],
        )
    trials = _trials(*(sum(getattr(line, name) for line in lines) for name in ("trials", "done", "reused")))
    highest = print_bytes(max(line.memory_high for line in lines))
    tokens = print_tokens(sum(line.train_tokens for line in lines))
    table.add_row("all", trials, "", highest, tokens, print_seconds(total_seconds(lines)))
    return table


def notes(plan: Plan, lines: Sequence[MethodForecast]) -> list[str]:
    """What the numbers do not say: what is left out of them, and budgets that end the sweep before."""
    spec, seconds = plan.spec, total_seconds(lines)
    said = [
        "tokens are of prompts and completions, without padding, as a report counts what was trained",
        "memory is of tensors, each trial alone; time is of one trial after another, without the start",
    ]
    if plan.spaces and spec.sampler != "grid":
        said.append("what is drawn is not known yet: its tokens and time are those of typical points")
    if spec.executor == "ray":
        here = (
            "that of this machine" if _is_here(plan.memory.device) else "not known: this machine has no GPU"
        )
        said.append(f"the cluster's time is {here}")
    if spec.pruning:
        said.append("nothing is taken to be pruned: tokens and time are the most that they can be")
    if spec.replicate_front:
        said.append("the front's further replicates (replicate_front) come on top")
    if spec.wall_clock is not None and seconds is not None and seconds > spec.wall_clock:
        said.append(f"wall_clock of {print_seconds(spec.wall_clock)} ends the run before")
    tokens = sum(line.train_tokens for line in lines)
    if spec.train_tokens is not None and tokens > spec.train_tokens:
        said.append(f"train_tokens of {print_tokens(spec.train_tokens)} ends the sweep before")
    return said


def total_seconds(lines: Sequence[MethodForecast]) -> float | None:
    """The sum; None where a method's time is not known."""
    known = [line.seconds for line in lines if line.seconds is not None]
    return sum(known) if len(known) == len(lines) else None


def _trials(trials: int, done: int, reused: int) -> str:
    parts = [f"{n} {what}" for n, what in ((done, "done"), (reused, "reused")) if n]
    return f"{trials} ({', '.join(parts)})" if parts else str(trials)


def _span(low: str, high: str) -> str:
    """``17.3 to 24.8 MB``: a unit that both have stands once."""
    if low == high:
        return low
    number, _, unit = low.rpartition(" ")
    return f"{number if number and high.endswith(f' {unit}') else low} to {high}"
