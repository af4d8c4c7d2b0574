"""The command `frontune`. Everything slow is imported inside the command that needs it."""

from sweeps.cli import reference, results, training
from sweeps.cli.group import main

__all__ = ["main", "reference", "results", "training"]
