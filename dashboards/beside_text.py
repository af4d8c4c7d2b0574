"""Tables 14 and 18 of the LoRA paper (Hu et al. 2021), all metrics, to be shown beside one's own."""

from __future__ import annotations

from dashboards.beside import paper_rows, read_reference
from dashboards.printing import is_percent
from dashboards.text_table import LAYOUTS, TASKS, TextRow, Values

FILES = {"14": "table14_webnlg_gpt2.csv", "18": "table18_e2e_rank.csv"}
PRINTED = {"unseen": "u", "seen": "s", "all": "a"}
"""What the files call the parts of WebNLG."""


def paper_text_rows(layout: str) -> list[TextRow]:
    """Return the paper's rows in this layout; its losses are of the validation split, all else of test."""
    rows, cells = paper_rows(TASKS[layout], "bleu"), read_reference(FILES[layout])
    return [TextRow(row, _values(line, layout)) for row, line in zip(rows, cells, strict=True)]


def _values(cells: dict[str, str], layout: str) -> Values:
    values: dict[str, tuple[float, float | None]] = {}
    for metric in LAYOUTS[layout]:
        name, _, part = metric.partition("/")
        column = f"{name}_{PRINTED[part]}" if part else {"loss": "val_loss"}.get(name, name)
        scale = 100 if is_percent(metric) else 1
        spread = cells.get(f"{column}_std")
        # No digit that was not printed: 0.687, not 0.6870000000000001.
        values[metric] = (
            round(float(cells[column]) / scale, 6),
            round(float(spread) / scale, 6) if spread else None,
        )
    return values
