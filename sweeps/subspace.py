"""`frontune subspace`: how alike what two trials' LoRA matrices learned is, and what of W it amplifies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from threadpoolctl import threadpool_limits

from dashboards.amplification import amplifications, amplifications_csv, render_amplifications
from dashboards.directions import Factor, Update
from dashboards.figure_layout import of_sweep, say_whose
from dashboards.files import check_writable, write_atomically
from dashboards.plot_files import write_plot
from dashboards.subspace import Panel, adapter_panels, panels_csv, render_panels, weight_panels
from dashboards.subspace_plot import plot_subspaces
from methods.expression import parse_method
from methods.lora_updates import low_rank_updates
from storage.checkpoints import load_tensors
from storage.kept_adapter import kept_adapter
from storage.ledger import Ledger
from storage.workspace import Workspace
from sweeps.base_directions import base_directions
from sweeps.running import quiet_libraries
from sweeps.shown import find
from sweeps.text_layout import print_whole

if TYPE_CHECKING:
    import plotly.graph_objects as go

SIDES = {
    "a": "right singular vectors: directions of the input",
    "b": "left singular vectors: directions of the output",
}


def subspace_command(
    name: str,
    numbers: tuple[int, int],
    factor: Factor,
    workspace_path: str,
    out: Path | None,
    csv: Path | None,
) -> None:
    """Print how alike the two are and what they amplify; draw the heat maps; write the numbers."""
    quiet_libraries()
    for file, what, beside in ((out, "the plot", "weights"), (csv, "the CSV", "amplification")):
        if file is not None:
            check_writable(file, what)
            check_writable(_beside(file, beside), what)
    workspace = Workspace.open(workspace_path, create=False)
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        sweep = find(ledger, name).only
        files = [kept_adapter(workspace, ledger, sweep.name, number) for number in numbers]
    trials = {str(number): _updates(file) for number, file in zip(numbers, files, strict=True)}
    first, second = (trials[str(number)] for number in numbers)
    names = (str(numbers[0]), str(numbers[1]))
    # Matrices are small: threads of BLAS would wait for each other, on a busy machine nearly always.
    with threadpool_limits(1, "blas"):
        panels = adapter_panels(first, second, factor, names)
        print_whole(render_panels(panels))
        trust = bool(sweep.spec.get("trust_remote_code"))
        weights = base_directions(files[0], trust, [*first, *second], workspace)
        amplified = list(amplifications(weights, trials))
        print_whole(render_amplifications(amplified))
        against = weight_panels({place: known for place, (_, known) in weights.items()}, trials, factor)
    if csv is not None:
        _write(csv, panels_csv([*panels, *against]), "the CSV")
        _write(_beside(csv, "amplification"), amplifications_csv(amplified), "the CSV")
    if out is not None:
        of = of_sweep(sweep.name, sweep.task, sweep.base)
        _draw(out, panels, against, f"{of}; {SIDES[factor]}", numbers)


def _beside(file: Path, what: str) -> Path:
    """The second file of a kind: ``a-weights.html`` beside ``a.html``."""
    return file.with_stem(f"{file.stem}-{what}")


def _updates(file: Path) -> list[Update]:
    tensors, about = load_tensors(file)
    return [
        Update(update.site.layer or 0, update.site.kind, update.A.numpy(), update.B.numpy(), update.scale)
        for update in low_rank_updates(parse_method(about["method"]), tensors)
    ]


def _draw(
    out: Path,
    panels: Sequence[Panel],
    against: Sequence[Panel],
    whose: str,
    numbers: tuple[int, int],
) -> None:
    one, other = numbers
    title = f"How alike trials {one} and {other} are in what they learned"
    figure = plot_subspaces(
        panels, title, f"first directions of trial {other}", f"first directions of trial {one}"
    )
    _write_plot(figure, out, whose)
    title = f"How alike W and what trials {one} and {other} learned are"
    figure = plot_subspaces(against, title, "first directions of ΔW", "first directions of W")
    _write_plot(figure, _beside(out, "weights"), whose)


def _write_plot(figure: go.Figure, file: Path, whose: str) -> None:
    write_plot(say_whose(figure, whose), file)
    click.echo(f"wrote {file}")


def _write(file: Path, text: str, what: str) -> None:
    write_atomically(file, text.encode(), what)
    click.echo(f"wrote {file}")
