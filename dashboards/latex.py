"""Tables in LaTeX with the lines of the package booktabs, to be put into a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dashboards.printing import one_line

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "±": r"$\pm$", "✓": r"$\checkmark$"}
_SPECIAL |= {"†": r"$\dagger$"}
# A row that began with a bracket or a star would be taken for what the line break before it is told.
_SPECIAL |= {"[": "{[}", "]": "{]}", "*": "{*}", "<": r"\textless{}", ">": r"\textgreater{}"}
_SPECIAL |= {"|": r"\textbar{}"} | {each: f"\\{each}" for each in "&%$#_{}"}


def render_latex(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    bold: set[tuple[int, int]],
    footer: str = "",
    note: str = "",
) -> str:
    """Return a tabular: names on the left, numbers on the right; `bold` holds (row, column).

    A row whose first cell is not empty begins a group, before which there is a line where some are empty. The
    `note` is printed under the table; the `footer` is a comment.
    """
    grouped = any(not row[0] for row in rows)
    lines = [f"\\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}", "\\toprule", _line(headings), "\\midrule"]
    for at, row in enumerate(rows):
        if grouped and at and row[0]:
            lines.append("\\midrule")
        cells = [latex_text(cell) for cell in row]
        lines.append(
            " & ".join(f"\\textbf{{{c}}}" if (at, i) in bold else c for i, c in enumerate(cells)) + r" \\"
        )
    lines.append("\\bottomrule")
    if note:
        lines.append(f"\\multicolumn{{{len(headings)}}}{{l}}{{\\footnotesize {latex_text(note)}}} \\\\")
    lines.append("\\end{tabular}")
    return "\n".join([*lines, *([f"% {one_line(footer)}"] if footer else []), ""])


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_text, cells)) + r" \\"


def latex_text(text: str) -> str:
    """Return a line for LaTeX: special characters escaped, ``Adapter^H`` raised, ``r_q`` lowered."""
    parts = re.split(r"(\b[rl]_[a-z]+\b|\^\w+)", one_line(text))
    return "".join(
        f"${part[0]}_{{{part[2:]}}}$"
        if re.fullmatch(r"[rl]_[a-z]+", part)
        else f"\\textsuperscript{{{part[1:].replace('_', chr(92) + '_')}}}"
        if re.fullmatch(r"\^\w+", part)
        else "".join(_SPECIAL.get(c, r"\textasciicircum{}" if c == "^" else c) for c in part)
        for part in parts
    )
