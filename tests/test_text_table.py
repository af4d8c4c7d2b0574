"""Tables of all metrics of generated text, in the layouts of the paper's Tables 14 and 18, and in LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboards.beside_text import paper_text_rows
from dashboards.latex import render_latex
from dashboards.table15 import render_table15_latex, table_rows
from dashboards.text_table import text_cells, text_csv, text_rows
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.records import Measurement, SweepRecord, TrialOutcome
from sweeps.shown import print_table
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
    metrics = ["val_loss", "BLEU", "NIST", "METEOR", "ROUGE-L", "CIDEr"]
    assert headings[2:] == ["# Trainable Parameters", *metrics, "Seeds", "lr", "Front"]
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
    assert (first["lr"], first["is_pareto"], second["is_pareto"]) == ("0.0002", "true", "false")
    beside = text_csv(
        text_rows(TRIALS, MEASURED, "18") + paper_text_rows("18"), "18", ["a", "a"] + ["b"] * 11
    )
    rows = list(csv.DictReader(io.StringIO(beside)))
    assert [row["sweep"] for row in rows] == ["a"] * 2 + ["b"] * 11
    assert (rows[2]["bleu"], rows[2]["source"]) == ("0.6872", "paper, GPT-2 Medium, test split")


def test_the_papers_rows_have_all_that_it_prints_and_are_never_the_best() -> None:
    headings, cells, best = text_cells(text_rows(TRIALS, MEASURED, "18") + paper_text_rows("18"), "18")
    assert cells[4][1:9] == ["r_q = r_v = 4", "0.4 M", "1.180", "70.4", "8.844", "0.469", "0.719", "2.535"]
    assert {row for row, _ in best} == {0, 1}
    headings, cells, _ = text_cells(paper_text_rows("14"), "14")
    medium = dict(zip(headings, cells[5], strict=True))
    assert (medium["Method"], medium["BLEU U"]) == ("LoRA (paper, GPT-2 Medium, test split)", "46.7 ± .4")
    assert (medium["METEOR A"], medium["TER S"], len(cells)) == ("0.410", "0.330", 11)


def written(folder: Path, task: str, metrics: Sequence[str]) -> Ledger:
    """A ledger with a sweep of one trial that has measured these."""
    ledger = Ledger.open(f"sqlite:///{folder / 'l.db'}")
    ledger.add_sweep(SweepRecord("s", "tiny", task, "bleu", {}, datetime.now(UTC)))
    trial = make_trial(sweep="s", task=task, metric="bleu")
    ledger.save_outcome(TrialOutcome(trial, tuple(Measurement(m, "validation", 1, 0.5) for m in metrics)))
    return ledger


@pytest.mark.parametrize(("task", "heading"), [("webnlg", "TER A"), ("e2e", "CIDEr"), ("own_data", "lr")])
def test_a_task_of_the_paper_is_shown_as_in_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, heading: str
) -> None:
    with closing(written(tmp_path, task, ["bleu", "bleu/all", "loss"])) as ledger:
        print_table(ledger, "s", "markdown", paper=task != "own_data")
        assert heading in (printed := capsys.readouterr().out)
        assert ("(paper, GPT-2 Medium, test split)" in printed) == (task != "own_data")
        print_table(ledger, "s", "markdown", paper=False, layout="15")
        assert heading == "lr" or heading not in capsys.readouterr().out


def test_numbers_are_not_broken_and_a_narrow_terminal_gets_table_15(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(written(tmp_path, "webnlg", ["bleu/all"])) as ledger:
        print_table(ledger, "s", "rich", paper=False)
        assert "TER" in capsys.readouterr().out
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "80")
        print_table(ledger, "s", "rich", paper=False)
        printed = capsys.readouterr().out
        assert "--layout 14 prints it anyway" in printed
        assert "BLEU" in printed
        print_table(ledger, "s", "rich", paper=False, layout="14")
        assert any("0.2 M" in line and "50.0" in line for line in capsys.readouterr().out.splitlines())


def test_a_layout_of_another_task_is_refused(tmp_path: Path) -> None:
    with closing(written(tmp_path, "mnli", ["accuracy"])) as ledger:
        with pytest.raises(
            FrontuneError, match="has the metrics of e2e, and sweep 's', of mnli, has measured"
        ):
            print_table(ledger, "s", "markdown", paper=False, layout="18")
        with pytest.raises(FrontuneError, match="the paper's Table 14 is of webnlg, not of mnli"):
            print_table(ledger, "s", "markdown", paper=True, layout="14")


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
