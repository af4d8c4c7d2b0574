"""Sentences on a terminal, which breaks long lines anywhere; in a file each stays a line."""

from __future__ import annotations

import textwrap

from rich.console import Console


def broken(text: str, console: Console) -> str:
    """Return lines broken between words where a terminal ends, what goes on indented below its beginning."""
    if not console.is_terminal:
        return text
    return "\n".join(_broken(line, console.width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
