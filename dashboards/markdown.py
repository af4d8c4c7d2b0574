"""Text and tables in GitHub's Markdown, in which what users wrote is text and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dashboards.printing import one_line

_MARKUP = re.compile(r"[&<\\|`*\[\]~$_:]|www\.", re.IGNORECASE)
"""Without any of these nothing is to be done, as in almost every cell of a table."""


def markdown_text(text: str) -> str:
    """Return text on one line that no reader of Markdown takes for markup, a link or the end of a cell.

    `<` and `&` become entities, for not every reader takes a backslash before them; so does the first letter
    of what is made a link without any brackets.
    """
    text = one_line(text)
    if not _MARKUP.search(text):
        return text
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    text = re.sub(r"([\\|`*\[\]~$])|(?<!\w)_|_(?!\w)", lambda found: f"\\{found[0]}", text)
    return re.sub(r"(?i)(?:https?|ftp|mailto|javascript):|www\.", _no_link, text)


def markdown_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    best: set[tuple[int, int]] | None = None,
    n_names: int = 1,
) -> str:
    """Return a table of these cells, the first `n_names` columns on the left and numbers on the right;
    `best`, as (row, column), is bold."""
    bold = best or set()
    rule = ["---" if at < n_names else "---:" for at in range(len(headings))]
    lines = [[markdown_text(heading) for heading in headings], rule]
    for number, row in enumerate(rows):
        cells = map(markdown_text, row)
        lines.append([f"**{cell}**" if (number, at) in bold else cell for at, cell in enumerate(cells)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _no_link(found: re.Match[str]) -> str:
    return f"&#{ord(found[0][0])};{found[0][1:]}"
