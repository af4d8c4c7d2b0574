"""What `frontune count` shows: trainable parameters in closed form, as injected, and as Table 15 prints."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dashboards.markdown import markdown_table
from dashboards.paper import PaperRow, table15
from dashboards.pareto_csv import csv_cell, csv_text
from methods.errors import FrontuneError, unknown_name
from sweeps.named_method import with_names

if TYPE_CHECKING:
    from methods.base import Method
    from methods.frozen import FrozenBase

Format = Literal["rich", "csv", "markdown"]
FORMATS: tuple[Format, ...] = ("rich", "csv", "markdown")
TABLE_15_BASE = "gpt3-175b"
COLUMNS = ("method", "hyperparameters", "printed", "closed_form", "elements", "difference_pct")
_HEADINGS = ("Method", "Hyperparameters", "Printed", "Closed form", "Elements", "Difference")


@dataclass(frozen=True)
class CountRow:
    """A method's trainable parameters on one base, counted twice; the two counts are equal.

    `method` and `label` read as in the paper. `printed` is the paper's own count as text, empty where it has
    none. `difference_pct` is how far that lies above the closed form, in percent of the closed form.
    """

    method: str
    label: str
    printed: str
    closed_form: int
    elements: int
    difference_pct: float | None


def table15_counts() -> list[CountRow]:
    """Return the 30 rows of Table 15 in its order, counted on GPT-3 175B without its weights."""
    from methods.loading import meta_base

    base = meta_base(TABLE_15_BASE)
    return [_counted(base, paper_method(row), row.printed, row.printed_params) for row in table15()]


def count_one(base: str, method_text: str) -> CountRow:
    """Count a method such as ``lora(r_q=8) + prefix_embed(l_p=4)`` on a base by name, folder or hub id; its
    parts go by their titles, too.

    Raises FrontuneError if the method or base is unknown, or the base cannot hold the method.
    """
    from methods.expression import parse_parts
    from methods.loading import meta_base
    from methods.registry import known_methods
    from sweeps.point import point_of
    from sweeps.training.recipe import Recipe

    titles = [(name, each) for name, m in known_methods().items() for each in (m.title, m.short)]
    method_text = with_names(method_text, titles)
    # A point of a sweep file may be pasted, its learning rate and all.
    method, _ = point_of(parse_parts(method_text)).build(Recipe())
    return _counted(meta_base(base), method, "", None)


def paper_method(row: PaperRow) -> Method:
    """Return the method of a row of Table 15, from a text such as ``r_q=r_v=8 l_p=8 l_i=4``."""
    from methods.expression import build_method
    from methods.registry import field_types, known_methods

    values: dict[str, int] = {}
    for equation in row.hyperparameters.split():
        *names, value = equation.split("=")
        values |= {name: int(value) for name in names}
    known = known_methods()
    return build_method(
        [
            (part, {name: values[name] for name in field_types(known[part]) if name in values})
            for part in row.method.split("+")
        ]
    )


def render_counts(rows: Sequence[CountRow], format: Format) -> str:
    """Return the counts as text; ``csv`` keeps full precision, the others print for people."""
    if format == "csv":
        return csv_text([COLUMNS, *map(_csv_cells, rows)])
    if format == "markdown":
        return markdown_table(_HEADINGS, list(map(_cells, rows)), n_names=2)
    if format == "rich":
        return _rich_text(rows)
    raise FrontuneError(unknown_name("format", format, FORMATS))


def _counted(base: FrozenBase, method: Method, printed: str, printed_params: float | None) -> CountRow:
    from methods.injected import count_elements

    method.check(base.shape)
    closed_form, elements = method.count(base.shape), count_elements(method, base)
    if closed_form != elements:
        raise FrontuneError(
            f"method {method.name!r} has a defect: its closed form counts {closed_form:,} trainable "
            f"parameters on {base.name}, but {elements:,} are injected"
        )
    difference = None if printed_params is None else 100 * (printed_params / closed_form - 1)
    return CountRow(method.title, method.label() or "-", printed, closed_form, elements, difference)


def _csv_cells(row: CountRow) -> list[str]:
    # A lone "-" is no formula, and the paper prints it so.
    return [value if value == "-" else csv_cell(value) for value in vars(row).values()]


def _cells(row: CountRow) -> tuple[str, ...]:
    difference = "-" if row.difference_pct is None else f"{round(row.difference_pct, 1) + 0.0:+.1f}%"
    counts = (f"{row.closed_form:,}", f"{row.elements:,}")
    return row.method, row.label, row.printed or "-", *counts, difference


def _rich_text(rows: Sequence[CountRow]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table: Any = Table(box=box.SIMPLE_HEAD)
    for index, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if index > 1 else "left", no_wrap=True)
    for number, row in enumerate(rows, start=1):
        ends = number == len(rows) or rows[number].method != row.method
        table.add_row(*(Text(cell) for cell in _cells(row)), end_section=ends)
    text = io.StringIO()
    Console(file=text, width=200).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n") + "\n"
