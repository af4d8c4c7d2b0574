"""A table of results as wide as its terminal: methods without room beside their rows stand above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.rich_table import rich_table, table_width

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table


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

    @property
    def indent(self) -> int:
        """How far configurations stand from under their method; beside a trial's number they need not."""
        return 1 if self.n_names == 2 else 0

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
        gap, widths, headings = self._layout(width)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
        if self.footer:
            table.caption, table.caption_justify = Text(self.footer), "left"
        for at, heading in headings.items():
            is_name = at < self.n_names
            table.add_column(
                Text("\n".join(heading)),
                justify="left" if is_name else "right",
                width=widths[at],
                overflow="fold",
            )
        for number, row in enumerate(self.rows):
            if row[method]:
                table.add_row(*[""] * method, Text(row[method]))
            cells = [Text(cell, "bold" if (number, at) in self.best else "") for at, cell in enumerate(row)]
            lines = Text("\n".join(_lines(row[label], widths[label] - self.indent)))
            last = number + 1 == len(self.rows) or self.rows[number + 1][method] != ""
            indented = Padding(lines, (0, 0, 0, self.indent))
            table.add_row(*cells[:method], indented, *cells[label + 1 :], end_section=last)
        return table

    def _layout(self, width: int) -> tuple[int, dict[int, int], dict[int, list[str]]]:
        """The gap between columns, their widths and headings by number: the first that fit, or the least."""
        method, label = self.n_names - 2, self.n_names - 1
        columns = {at: [row[at] for row in self.rows] for at in range(len(self.headings)) if at != method}
        for gap, broken_at, most in ((2, "\n", 99), (2, ", ", 99), (1, ", ", 99), (1, ", ", 8)):
            headings = {at: _heading(self.headings[at], most) for at in columns}
            headings[label] = ["Method,", "hyper-", "parameters"]
            widths = {
                at: max(_longest(cells, broken_at), *map(len, headings[at])) for at, cells in columns.items()
            }
            widths[label] = max(_longest(columns[label], ", ") + self.indent, len("parameters"))
            left = width - sum(widths.values()) - gap * (len(widths) - 1)
            if left >= 0:
                break
        widths[label] += max(0, left)
        return gap, widths, headings


def _heading(text: str, most: int) -> list[str]:
    """Its words, those that are longer than `most` in two parts."""
    words: list[str] = []
    for word in text.split():
        at = word.index("-") + 1 if "-" in word else 5
        parts = [word] if len(word) <= most else [f"{word[:at].rstrip('-')}-", word[at:]]
        words += parts
    return words


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
