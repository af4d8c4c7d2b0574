"""The command `frontune`. Everything slow is imported inside the command that needs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from methods.errors import FrontuneError
from sweeps.figure_kind import FigureKind
from sweeps.own_packages import check_own_packages
from sweeps.scoring import Form as ScoreForm
from sweeps.scoring import ManyReferences, ScoreRequest

if TYPE_CHECKING:
    from dashboards.directions import Factor
    from sweeps.counting import Format
    from sweeps.plan_command import PlanForm

workspace_option = click.option(
    "--workspace", default="runs", show_default=True, help="Folder of the ledger and the results."
)
Command = Callable[..., None]


def sweep_options(command: Command) -> Command:
    """How a sweep is given: its file, and what is changed in it."""
    options = (
        click.argument("sweep"),
        click.option(
            "--workspace",
            default=None,
            help="Folder of the ledger and the results [default: the file's, or runs].",
        ),
        click.option("--trials", type=click.IntRange(min=1), default=None, help="Trials in all."),
        click.option(
            "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the sweep file."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


paper_option = click.option("--paper", is_flag=True, help="Show the LoRA paper's numbers beside one's own.")


class Group(click.Group):
    """Says every error in one sentence and ends with exit code 2; an interruption ends with 130."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except FrontuneError as error:
            # Libraries' own messages, quoted in ours, may have several lines.
            click.echo(f"frontune: {' '.join(str(error).splitlines())}", err=True)
            sys.exit(2)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.ClickException as error:
            click.echo(f"frontune: {error.format_message()}", err=True)
            sys.exit(2)
        except click.Abort:
            sys.exit(130)
        except BrokenPipeError:
            # The reader of our output, such as `head`, has gone.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Compare parameter-efficient fine-tuning methods: score against trainable parameters."""
    check_own_packages()


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
@workspace_option
def resume(name: str, trials: int | None, workspace: str) -> None:
    """Go on with the sweep NAME where it stopped, however it did, without its file."""
    from sweeps.commands import resume_command

    sys.exit(resume_command(name, workspace, trials))


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


@main.command("list")
@workspace_option
def list_sweeps(workspace: str) -> None:
    """List the sweeps of a workspace."""
    from sweeps.commands import list_command

    list_command(workspace)


@main.command()
@click.argument("name")
@workspace_option
def status(name: str, workspace: str) -> None:
    """Show how far the sweep NAME is, its failures and refusals, and its front."""
    from sweeps.commands import status_command

    status_command(name, workspace)


@main.command()
@click.argument("name")
@click.option("--csv", type=click.Path(path_type=Path), help="Write a CSV; without a file it is printed.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write JSON.")
@click.option("--parquet", type=click.Path(path_type=Path), help="Write Parquet.")
@click.option("--all", "every", is_flag=True, help="Every trial in the files, not only the front.")
@click.option("--metric", default=None, help="Another measured metric [default: the score].")
@click.option(
    "--cost",
    type=click.Choice(
        ["trainable_params", "stored_params", "peak_memory_bytes", "train_seconds", "train_tokens"]
    ),
    default="trainable_params",
    show_default=True,
    help="What the front is against.",
)
@workspace_option
def pareto(name: str, workspace: str, json_file: Path | None, **options: Any) -> None:
    """Write the Pareto front of the sweep NAME, one row a trial, or print it."""
    from sweeps.pareto import FrontRequest, pareto_command

    pareto_command(name, workspace, FrontRequest(json=json_file, **options))


@main.command()
@click.argument("name")
@click.option(
    "--format",
    "form",
    type=click.Choice(["rich", "markdown", "latex", "csv"]),
    default="rich",
    show_default=True,
)
@click.option(
    "--layout",
    type=click.Choice(["14", "15", "16", "18"]),
    default=None,
    help="Which of the LoRA paper's tables [default: 15; of a low-data study, 16].",
)
@paper_option
@workspace_option
def table(name: str, form: str, layout: str | None, paper: bool, workspace: str) -> None:
    """Print the results of the sweep NAME, laid out as Table 15 of the LoRA paper; those of a low-data
    study as Table 16."""
    from sweeps.commands import table_command

    table_command(name, workspace, form, paper, layout)


@main.command()
@click.argument("name")
@click.option(
    "--out", "file", type=click.Path(path_type=Path), required=True, help="A .html, .png, .svg or .pdf file."
)
@click.option(
    "--figure",
    "kind",
    type=FigureKind(),
    default=None,
    help="What to draw [default: tradeoff; of a low-data study, low_data].",
)
@paper_option
@workspace_option
def plot(name: str, file: Path, kind: str | None, paper: bool, workspace: str) -> None:
    """Draw score against trainable parameters of the sweep NAME, or another figure."""
    from sweeps.commands import plot_command

    plot_command(name, workspace, file, paper, kind)


@main.command("compare")
@click.argument("name")
@click.argument("method")
@click.argument("other")
@click.option("--at", default=None, metavar="COUNT", help="Most trainable parameters, such as 350k.")
@click.option("--metric", default=None, help="Another measured metric [default: the score].")
@workspace_option
def compare_methods(
    name: str, method: str, other: str, at: str | None, metric: str | None, workspace: str
) -> None:
    """Say whether METHOD and OTHER of the sweep NAME, each at its best, differ by more than noise."""
    from sweeps.compare import compare_command

    compare_command(name, (method, other), at, metric, workspace)


@main.command()
@click.argument("name")
@click.argument("trial_a", type=click.IntRange(min=0))
@click.argument("trial_b", type=click.IntRange(min=0))
@click.option(
    "--factor", type=click.Choice(["a", "b"]), default="a", show_default=True, help="Input or output side."
)
@click.option("--out", type=click.Path(path_type=Path), help="A .html, .png, .svg or .pdf file.")
@click.option("--csv", type=click.Path(path_type=Path), help="Where to write the numbers.")
@workspace_option
def subspace(
    name: str,
    trial_a: int,
    trial_b: int,
    factor: Factor,
    out: Path | None,
    csv: Path | None,
    workspace: str,
) -> None:
    """Compare the directions that two LoRA trials of the sweep NAME learned, and those of the weights."""
    from sweeps.subspace import subspace_command

    subspace_command(name, (trial_a, trial_b), factor, workspace, out, csv)


@main.command()
@click.argument("name")
@click.argument("trial", type=click.IntRange(min=0))
@click.option("--to", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--merged", is_flag=True, help="A model with what was trained merged into its weights.")
@workspace_option
def export(name: str, trial: int, to: Path, merged: bool, workspace: str) -> None:
    """Write what a TRIAL of the sweep NAME trained into a folder, for PEFT where it has such a method."""
    from sweeps.export import export_command

    export_command(name, trial, to, merged, workspace)


@main.command("test")
@click.argument("name")
@workspace_option
def test_split(name: str, workspace: str) -> None:
    """Score the front of the sweep NAME on the test split, once; nothing else reads that split."""
    from sweeps.held_out import score_front

    score_front(name, workspace)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@workspace_option
def ui(port: int, workspace: str) -> None:
    """Open MLflow's UI on 127.0.0.1 with this workspace's stores."""
    from sweeps.commands import ui_command

    ui_command(workspace, port)


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


if __name__ == "__main__":
    main()
