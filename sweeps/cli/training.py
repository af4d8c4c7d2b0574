"""Commands that train, or say what training will take."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from sweeps.cli.group import main, sweep_options, workspace_option

if TYPE_CHECKING:
    from sweeps.plan_command import PlanForm


@main.command()
@sweep_options
def run(sweep: str, workspace: str | None, trials: int | None, overrides: tuple[str, ...]) -> None:
    """Run SWEEP, a file or a preset's name; go on with it where it was interrupted."""
    from sweeps.commands import run_command

    sys.exit(run_command(sweep, _all_overrides(workspace, trials, overrides)))


@main.command("plan")
@sweep_options
@click.option("--format", "form", type=click.Choice(["rich", "json"]), default="rich", show_default=True)
def plan_sweep(
    sweep: str, workspace: str | None, trials: int | None, overrides: tuple[str, ...], form: PlanForm
) -> None:
    """Say what SWEEP, a file or a preset's name, is going to take; nothing is trained or written."""
    from sweeps.plan_command import plan_command

    plan_command(sweep, _all_overrides(workspace, trials, overrides), form)


def _all_overrides(workspace: str | None, trials: int | None, overrides: tuple[str, ...]) -> tuple[str, ...]:
    # In quotes: a folder may be called 2024, which YAML takes for a number.
    extra = [f"workspace={json.dumps(workspace, ensure_ascii=False)}"] if workspace is not None else []
    extra += [f"trials={trials}"] if trials is not None else []
    return (*overrides, *extra)


@main.command()
@click.argument("name")
@click.option("--trials", type=click.IntRange(min=1), default=None, help="Trials in all.")
@click.option("--retry-failed", is_flag=True, help="Train anew what failed, but for what diverged.")
@workspace_option
def resume(name: str, trials: int | None, retry_failed: bool, workspace: str) -> None:
    """Go on with the sweep NAME where it stopped, however it did, without its file."""
    from sweeps.commands import resume_command

    sys.exit(resume_command(name, workspace, trials, retry_failed))


@main.command()
@click.argument("name")
@click.option("--points", type=click.IntRange(min=1), default=3, show_default=True, help="At most so many.")
@click.option("--dry-run", is_flag=True, help="Only show the points.")
@workspace_option
def refine(name: str, points: int, dry_run: bool, workspace: str) -> None:
    """Train new points where the front of the sweep NAME has its widest gaps."""
    from rich.console import Console

    from sweeps.refine import refine as refine_sweep
    from sweeps.running import quiet_libraries

    quiet_libraries()
    sys.exit(refine_sweep(name, workspace, points, dry_run, Console()))
