"""Tables of all metrics of generated text, in the layouts of the paper's Tables 14 and 18, and in LaTeX."""

from __future__ import annotations

import csv
import io

from dashboards.latex import render_latex
from dashboards.table15 import render_table15_latex, table_rows
from dashboards.text_table import text_cells, text_csv, text_rows
from tests.test_pareto import make_trial

TRIALS = [
    make_trial(number=i, seed=i % 2, config_hash=f"c{i // 2}", task="e2e", metric="bleu") for i in range(4)
]
MEASURED = {
    "bleu": {0: 0.68, 1: 0.70, 2: 0.60, 3: 0.60},
    "loss": {0: 1.3, 1: 1.3, 2: 1.2, 3: 1.2},
    "nist": {0: 8.0, 2: 8.5, 3: 8.7},
}


def test_each_columns_best_is_bold_and_less_is_better_for_losses() -> None:
    headings, cells, best = text_cells(text_rows(TRIALS, MEASURED, "18"), "18")
    assert headings[3:] == ["val_loss", "BLEU", "NIST", "METEOR", "ROUGE-L", "CIDEr"]
    assert [row[3:6] for row in cells] == [
        ["1.300 ± .000", "69.0 ± 1.4", "-"],
        ["1.200 ± .000", "60.0 ± .0", "8.600 ± .141"],
    ]
    assert best == {(1, 3), (0, 4), (1, 5)}


def test_table_14_has_unseen_seen_and_all() -> None:
    headings, _, best = text_cells(
        text_rows(TRIALS, {"ter/unseen": {0: 0.5, 1: 0.5, 2: 0.4, 3: 0.4}}, "14"), "14"
    )
    assert headings[3:6] == ["BLEU U", "BLEU S", "BLEU A"]
    assert best == {(1, headings.index("TER U"))}


def test_the_csv_holds_numbers_as_stored_and_nothing_for_what_is_missing() -> None:
    first, second = csv.DictReader(io.StringIO(text_csv(text_rows(TRIALS, MEASURED, "18"), "18")))
    assert (first["loss"], first["nist"], second["loss_std"], second["n"]) == ("1.3", "", "0.0", "2")


def test_latex_is_escaped_and_has_booktabs_lines() -> None:
    text = render_latex(["Method", "x"], [["Adapter^H", r"50% & \input{x} r_q = l_p"], ["", "1"]], {(1, 1)})
    assert text.startswith("\\begin{tabular}{lr}\n\\toprule\nMethod & x \\\\\n\\midrule\n")
    assert r"Adapter\textsuperscript{H} & 50\% \& \textbackslash{}input\{x\} $r_{q}$ = $l_{p}$ \\" in text
    assert " & \\textbf{1} \\\\\n\\bottomrule\n\\end{tabular}\n" in text


def test_table_15_in_latex_parts_the_methods_and_bolds_the_best() -> None:
    rows = table_rows([make_trial(), make_trial(number=1, method="adapter_h", title="Adapter^H", score=0.7)])
    text = render_table15_latex(rows)
    assert text.count("\\textbf{") == 1
    assert "\\textbf{90.0}" in text
