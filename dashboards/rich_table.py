"""A table of results for a terminal: names on the left, numbers on the right, a line between methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table


def rich_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    best: set[tuple[int, int]],
    footer: str = "",
    n_names: int = 2,
) -> Table:
    """Return the table; the first `n_names` columns are names, the last two of them method and
    hyperparameters, `best`, as (row, column), is bold, and a row that names its method begins a group."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, caption=Text(footer) if footer else None, caption_justify="left")
    for at, heading in enumerate(headings):
        # Two lines for the long headings leave the width to the hyperparameters.
        text = Text("\n".join(heading.rsplit(" ", 1)))
        is_number = at >= n_names
        is_whole = is_number or at < n_names - 2
        table.add_column(text, justify="right" if is_number else "left", overflow="fold", no_wrap=is_whole)
    for number, row in enumerate(rows):
        texts = [Text(cell) for cell in row]
        for at, text in enumerate(texts):
            text.stylize("bold" if (number, at) in best else "")
        is_last = n_names > 1 and (number + 1 == len(rows) or rows[number + 1][n_names - 2] != "")
        table.add_row(*texts, end_section=is_last)
    return table


def table_width(table: Table, console: Console) -> Measurement:
    """Return the fewest characters a line that hold the table's numbers whole, and those that hold all."""
    from rich.measure import Measurement, measure_renderables

    # As if there were no end to a line: a console's own width would bound the answer.
    endless = console.options.update(max_width=10_000)
    for column in table.columns:
        if column.no_wrap:
            column.min_width = measure_renderables(console, endless, [column.header, *column.cells]).maximum
    return Measurement.get(console, endless, table)
