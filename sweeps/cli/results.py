"""Commands that show what a sweep found, and take it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeps.cli.group import Reading, main, paper_option, workspace_option
from sweeps.figure_kind import FigureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.directions import Factor


def _file_option(flag: str, name: str, said: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A file to write; the option alone, which is ``-``, asks for what is printed."""
    return click.option(flag, name, type=click.Path(path_type=Path), is_flag=False, flag_value="-", help=said)


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


@main.command(cls=Reading)
@click.argument("name")
@_file_option("--csv", "csv", "Write a CSV; without a file it is printed.")
@_file_option("--json", "json_file", "Write JSON; without a file it is printed.")
@_file_option("--parquet", "parquet", "Write Parquet to a file.")
@click.option("--all", "every", is_flag=True, help="Every trial, not only the front.")
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


@main.command(cls=Reading)
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
    help="Which of the LoRA paper's tables [default: 15; of webnlg 14, of e2e 18, of a low-data study 16].",
)
@paper_option
@workspace_option
def table(name: str, form: str, layout: str | None, paper: bool, workspace: str) -> None:
    """Print the results of the sweep NAME, laid out as the LoRA paper's table of its task."""
    from sweeps.commands import table_command

    table_command(name, workspace, form, paper, layout)


@main.command(cls=Reading)
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


@main.command(cls=Reading)
@click.argument("name")
@click.option(
    "--out",
    "file",
    type=click.Path(path_type=Path),
    help="A .html file [default: reports/NAME/report.html in the workspace].",
)
@workspace_option
def report(name: str, file: Path | None, workspace: str) -> None:
    """Write all that the sweep NAME found into one HTML file for a colleague."""
    from sweeps.report import report_command

    report_command(name, file, workspace)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="0: a free one.")
@workspace_option
def dashboard(port: int, workspace: str) -> None:
    """Open a live page on 127.0.0.1 over the sweeps of a workspace, running ones too; it writes nothing."""
    from sweeps.dashboard import dashboard_command

    dashboard_command(workspace, port)


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


@main.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--into", metavar="NAME", default=None, help="The sweep [default: the one the file names].")
@click.option("--replace", "replacing", is_flag=True, help="Drop what a file of this name brought before.")
@workspace_option
def import_results(file: Path, into: str | None, replacing: bool, workspace: str) -> None:
    """Bring results trained elsewhere, rows of the CSV FILE, into a sweep, marked as such."""
    from sweeps.importing import import_command

    import_command(file, into, replacing, workspace)


@main.command("test")
@click.argument("name")
@workspace_option
def test_split(name: str, workspace: str) -> None:
    """Score the front of the sweep NAME on the test split, once; nothing else reads that split."""
    from sweeps.held_out import score_front

    score_front(name, workspace)
