"""What there is: methods, tasks, presets and versions, as `frontune methods` and its kin print them."""

from __future__ import annotations

import inspect
import platform
from importlib import resources
from pathlib import Path

import click

from methods.errors import FrontuneError, unknown_name


def preset_files() -> dict[str, Path]:
    """Every preset by name."""
    folder = Path(str(resources.files("sweeps") / "presets"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def sweep_file(sweep: str) -> Path:
    """Return the file of a sweep given as a path or as a preset's name."""
    path = Path(sweep)
    if path.is_file():
        return path
    presets = preset_files()
    if sweep in presets:
        return presets[sweep]
    if path.suffix in (".yaml", ".yml") or "/" in sweep:
        raise FrontuneError(f"sweep file '{sweep}' does not exist")
    raise FrontuneError(unknown_name("sweep file or preset", sweep, presets))


def print_methods() -> None:
    """A line for each method, and one for its hyperparameters."""
    from methods.registry import field_types, known_methods

    for name, method in known_methods().items():
        click.echo(f"{name}  ({method.title}): {inspect.getdoc(inspect.getmodule(method))}".split("\n")[0])
        defaults = inspect.signature(method).parameters
        fields = [
            f"{key}: {wanted.__name__}" + ("" if p.default is p.empty else f" = {p.default}")
            for key, wanted in field_types(method).items()
            if (p := defaults[key])
        ]
        click.echo(f"    {', '.join(fields) or 'no hyperparameters of its own'}")
    click.echo("Sums are written with +, such as lora+prefix_embed.")


def print_tasks() -> None:
    """A line for each task."""
    from sweeps.tasks import known_tasks

    for name, task in known_tasks().items():
        click.echo(f"{name}  ({task.metric}): {task.summary}")


def print_presets() -> None:
    """A line for each preset: task, base, trials, and an estimate of the tokens that they train on."""
    from dashboards.printing import print_tokens
    from sweeps.effort import n_trials, training_tokens
    from sweeps.spec import load_specs

    for name, file in preset_files().items():
        specs = load_specs(file)
        bases = ", ".join(dict.fromkeys(spec.base for spec in specs))
        known = [tokens for spec in specs if (tokens := training_tokens(spec)) is not None]
        total = print_tokens(sum(known) if len(known) == len(specs) else None)
        trials = sum(map(n_trials, specs))
        click.echo(f"{name}: {specs[0].task.name} on {bases}, {trials} trials, about {total} training tokens")
    click.echo(
        "Tokens are without padding, from the tasks' published sizes; `frontune plan` counts the rows."
    )


def print_preset(name: str) -> None:
    """The file itself, ready to be edited."""
    presets = preset_files()
    if name not in presets:
        raise FrontuneError(unknown_name("preset", name, presets))
    click.echo(presets[name].read_text(encoding="utf-8"), nl=False)


def print_versions() -> None:
    """Frontune's version and those that its numbers depend on."""
    from sweeps.provenance import PACKAGES, package_version

    for name in PACKAGES:
        click.echo(f"{name} {package_version(name)}")
    click.echo(f"python {platform.python_version()}")
