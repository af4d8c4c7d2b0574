"""The root of all commands: how errors end, and the options that commands share."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

from methods.errors import FrontuneError, SeveralSweeps
from storage.collection import without_collection
from sweeps.own_packages import check_own_packages

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


class Reading(click.Command):
    """A command that reads results and ends."""

    def invoke(self, ctx: click.Context) -> Any:
        with without_collection():
            return super().invoke(ctx)


class Group(click.Group):
    """Says every error in one sentence and ends with exit code 2; an interruption ends with 130."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except SeveralSweeps as error:
            given = list(kwargs.get("args", args[0] if args else sys.argv[1:]))
            again = _with_name(given, error.name, error.parts[0])
            click.echo(f"frontune: {error}, such as `{again}`", err=True)
            sys.exit(2)
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


def _with_name(given: list[str], name: str, other: str) -> str:
    """The command that was given, with another sweep's name."""
    if name in given[1:]:
        given[given.index(name, 1)] = other
    return shlex.join(["frontune", *given])


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Compare parameter-efficient fine-tuning methods: score against trainable parameters."""
    check_own_packages()
