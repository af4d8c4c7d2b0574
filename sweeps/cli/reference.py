"""Commands about stores, methods, tasks, presets, counts and metrics."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeps.cli.group import main, workspace_option
from sweeps.scoring import Form as ScoreForm
from sweeps.scoring import ManyReferences, ScoreRequest

if TYPE_CHECKING:
    from sweeps.counting import Format


@main.command()
@click.argument("name", required=False)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@workspace_option
def ui(name: str | None, port: int, workspace: str) -> None:
    """Open MLflow's UI on 127.0.0.1 with this workspace's stores, and say where the sweep NAME is in it."""
    from sweeps.ui import ui_command

    ui_command(workspace, port, name)


@main.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@workspace_option
def doctor(repair: bool, workspace: str) -> None:
    """Check this machine, the workspace's stores, and that ledger, studies and MLflow agree."""
    from sweeps.doctor.command import doctor_command

    sys.exit(doctor_command(workspace, repair))


@main.command("methods")
def methods_command() -> None:
    """List the methods and their hyperparameters, plugins included."""
    from sweeps.catalogue import print_methods

    print_methods()


@main.command("tasks")
def tasks_command() -> None:
    """List the tasks."""
    from sweeps.catalogue import print_tasks

    print_tasks()


@main.group("presets", invoke_without_command=True)
@click.pass_context
def presets_command(context: click.Context) -> None:
    """List the sweep files that ship with the package, with what they cost."""
    from sweeps.catalogue import print_presets

    if context.invoked_subcommand is None:
        print_presets()


@presets_command.command("show")
@click.argument("name")
def show_preset(name: str) -> None:
    """Print the preset NAME, ready to be edited."""
    from sweeps.catalogue import print_preset

    print_preset(name)


@main.command()
@click.option("--base", default="gpt3-175b", show_default=True, help="A base or a named shape.")
@click.option(
    "--preset", type=click.Choice(["table15"]), default=None, help="All rows of one of the paper's tables."
)
@click.option("--method", default=None, help="One configuration, such as 'lora(r_q=8, r_v=8)'.")
@click.option(
    "--format", "form", type=click.Choice(["rich", "markdown", "csv"]), default="rich", show_default=True
)
def count(base: str, preset: str | None, method: str | None, form: Format) -> None:
    """Count trainable parameters: printed by the paper, in closed form, and on the model itself."""
    from sweeps.commands import count_command

    count_command(base, preset, method, form)


@main.command(cls=ManyReferences)
@click.argument("task", required=False)
@click.option(
    "--predictions", type=click.Path(path_type=Path), required=True, help="A text file, one a line."
)
@click.option("--data", default=None, help="The task's data folder [default: its hub data set].")
@click.option(
    "--split", type=click.Choice(["validation", "test"]), default=None, help="[default: validation]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="For own_data: task.prompt, task.completion, task.score.",
)
@click.option(
    "--references",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE ...",
    help="Text files, line by line; an empty line is no reference.",
)
@click.option("--metrics", default=None, help="Such as bleu,meteor,ter [default: all].")
@click.option("--lowercase/--no-lowercase", default=None, help="[default: --lowercase]")
@click.option(
    "--tokenize", type=click.Choice(["none", "13a", "webnlg"]), default=None, help="[default: none]"
)
@click.option("--format", "form", type=click.Choice(["rich", "json"]), default="rich", show_default=True)
def score(form: ScoreForm, **options: Any) -> None:
    """Score a file of PREDICTIONS for TASK, or against plain text files of references."""
    from sweeps.scoring import score_command

    score_command(ScoreRequest(**options), form)


@main.command()
def schema() -> None:
    """Print the JSON Schema of sweep files, for editors."""
    from sweeps.sweep_schema import sweep_schema

    click.echo(json.dumps(sweep_schema(), indent=2))


@main.command()
def version() -> None:
    """Print the versions of Frontune and of what it stands on."""
    from sweeps.catalogue import print_versions

    print_versions()
