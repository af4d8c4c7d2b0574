"""A table of results as wide as its terminal: methods without room beside their rows stand above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.rich_table import rich_table, table_width

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

_INDENT = 1


@dataclass(frozen=True)
class FittedTable:
    """What `rich_table` takes: method and hyperparameters are the last two of its `n_names` first columns."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: set[tuple[int, int]]
    footer: str = ""
    n_names: int = 2

    def whole(self) -> Table:
        """Return the table for as long lines as it needs."""
        return rich_table(self.headings, self.rows, self.best, self.footer, self.n_names)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        method, label = self.n_names - 2, self.n_names - 1
        titles, labels = ([row[at] for row in self.rows] for at in (method, label))
        for narrowest in (_longest(titles, "\n"), _longest(titles, " ")):
            table = self.whole()
            table.columns[method].width = max(narrowest, len(self.headings[method]))
            table.columns[label].min_width = max(_longest(labels, ", "), len(self.headings[label]))
            if table_width(table, console).minimum <= options.max_width:
                yield table
                return
        yield self._narrow(options.max_width)

    def _narrow(self, width: int) -> Table:
        """The same with each method above its configurations, and what is listed broken at commas."""
        from rich import box
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        method, label = self.n_names - 2, self.n_names - 1
        gap, first, others = self._widths(width)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
        if self.footer:
            table.caption, table.caption_justify = Text(self.footer), "left"
        for at, heading in enumerate(self.headings):
            text = Text("\n".join(heading.split()))
            if at == label:
                table.add_column(Text("Method,\nhyper-\nparameters"), width=first, overflow="fold")
            elif at != method:
                table.add_column(
                    text, justify="left" if at < method else "right", width=others[at], overflow="fold"
                )
        for number, row in enumerate(self.rows):
            if row[method]:
                table.add_row(*[""] * method, Text(row[method]))
            cells = [Text(cell, "bold" if (number, at) in self.best else "") for at, cell in enumerate(row)]
            lines = Text("\n".join(_lines(row[label], first - _INDENT)))
            last = number + 1 == len(self.rows) or self.rows[number + 1][method] != ""
            indented = Padding(lines, (0, 0, 0, _INDENT))
            table.add_row(*cells[:method], indented, *cells[label + 1 :], end_section=last)
        return table

    def _widths(self, width: int) -> tuple[int, int, dict[int, int]]:
        """The gap between columns, the width of the methods' column, and those of all others by number."""
        method, label = self.n_names - 2, self.n_names - 1
        least = max(_longest([row[label] for row in self.rows], ", "), len("parameters")) + _INDENT
        others = [at for at in range(len(self.headings)) if at not in (method, label)]
        for gap, broken_at in ((2, "\n"), (2, ", "), (1, ", ")):
            widths = {at: self._number_width(at, broken_at) for at in others}
            first = width - sum(widths.values()) - gap * len(widths)
            if first >= least:
                break
        return gap, max(least, first), widths

    def _number_width(self, column: int, broken_at: str) -> int:
        cells = [row[column] for row in self.rows]
        return max(_longest(cells, broken_at), _longest([self.headings[column]], " "))


def _lines(listed: str, width: int) -> list[str]:
    """A list on lines of at most so many characters, broken after commas."""
    lines: list[str] = []
    for part in listed.split(", "):
        if lines and len(f"{lines[-1]}, {part}") < width:
            lines[-1] = f"{lines[-1]}, {part}"
        else:
            lines = [*lines[:-1], f"{lines[-1]},", part] if lines else [part]
    return lines


def _longest(texts: Sequence[str], at: str) -> int:
    """How long the longest part is of texts broken there; a comma stays with what it ends."""
    from rich.cells import cell_len

    longest = 0
    for text in texts:
        *first, last = text.split(at)
        longest = max(longest, cell_len(last), *(cell_len(part + at.rstrip()) for part in first))
    return longest
