"""Score by number of training examples: each method's best configuration, Table 16's layout, the paper."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from dashboards.beside import paper_low_data, paper_points, paper_rows
from dashboards.figures import draw_figure
from dashboards.low_data import (
    low_data_points,
    plot_low_data,
    print_examples,
    render_low_data_csv,
    render_low_data_markdown,
    render_low_data_rich,
)
from dashboards.points import tradeoff_points
from dashboards.rich_table import table_width
from dashboards.table15 import render_csv, render_markdown, table_rows
from dashboards.tradeoff import plot_tradeoff
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.records import Measurement, SweepRecord, TrialOutcome, TrialRecord
from sweeps.shown import _low_data, find, source_of
from tests.test_pareto import make_trial


def trials(scores: dict[str, tuple[float, ...]]) -> list[TrialRecord]:
    """A configuration for each name (METHOD or METHOD/OTHER), its scores one a seed."""
    titles = {"lora": "LoRA", "prefix_embed": "PrefixEmbed"}
    return [
        make_trial(
            number=10 * at + seed,
            seed=seed,
            score=score,
            task="mnli",
            method=name.partition("/")[0],
            title=titles[name.partition("/")[0]],
            config_hash=name,
        )
        for at, (name, values) in enumerate(scores.items())
        for seed, score in enumerate(values)
    ]


STUDY = {
    1000: trials({"lora": (0.8, 0.9), "prefix_embed": (0.7, 0.7)}),
    100: trials({"lora": (0.5, 0.5), "lora/better": (0.6, 0.7), "prefix_embed": (0.4, 0.4)}),
}


def test_each_methods_best_configuration_stands_at_each_size() -> None:
    points = low_data_points(STUDY)
    assert [(p.method, p.examples, round(p.score, 3), p.n) for p in points] == [
        ("prefix_embed", 100, 0.4, 2),
        ("prefix_embed", 1000, 0.7, 2),
        ("lora", 100, 0.65, 2),
        ("lora", 1000, 0.85, 2),
    ]


def test_the_table_is_laid_out_as_table_16_with_each_columns_best_bold() -> None:
    assert render_low_data_markdown(low_data_points(STUDY)) == (
        "| Method | MNLI-m accuracy, 100 | MNLI-m accuracy, 1k |\n"
        "| --- | ---: | ---: |\n"
        "| PrefixEmbed | 40.0 ± .0 | 70.0 ± .0 |\n"
        "| LoRA | **65.0 ± 7.1** | **85.0 ± 7.1** |\n"
    )


def test_the_papers_numbers_stand_below_marked_and_never_bold() -> None:
    text = render_low_data_markdown(low_data_points(STUDY) + paper_low_data())
    assert "| LoRA (paper, GPT-3 175B) | 63.8 | 85.6 | 89.2 | 91.7 |" in text
    assert "MNLI-m accuracy, 393k" in text
    assert text.count("**") == 4
    assert "| LoRA | **65.0 ± 7.1** | **85.0 ± 7.1** | - | - |" in text


def test_the_table_in_a_terminal_breaks_no_number_and_no_name_where_there_is_room() -> None:
    points = low_data_points(STUDY) + paper_low_data()
    console = Console(file=io.StringIO(), width=40)
    fewest, all_on_a_line = table_width(table := render_low_data_rich(points), console)
    for width in (fewest, all_on_a_line):
        with (wide := Console(file=io.StringIO(), width=width)).capture() as printed:
            wide.print(table)
        assert "65.0 ± 7.1" in printed.get()
        assert "…" not in printed.get()
    assert "PrefixEmbed (paper, GPT-3 175B)" in printed.get()


def test_the_csv_holds_scores_as_stored() -> None:
    rows = list(csv.DictReader(io.StringIO(render_low_data_csv(low_data_points(STUDY) + paper_low_data()))))
    assert float(rows[2]["score"]) == pytest.approx(0.65)
    assert rows[-1]["source"] == "paper, GPT-3 175B"
    assert len(rows) == 4 + 16


def test_the_plot_has_a_line_with_error_bars_for_each_method() -> None:
    figure = plot_low_data(low_data_points(STUDY) + paper_low_data(), "study").to_dict()
    names = [trace["name"] for trace in figure["data"]]
    assert names[:2] == ["PrefixEmbed", "LoRA"]
    assert "LoRA (paper, GPT-3 175B)" in names
    prefix, lora = figure["data"][:2]
    # Beside each other, so that no error bar hides another.
    assert list(lora["x"]) == pytest.approx([100, 1000], rel=0.05)
    assert all(left < n < right for left, n, right in zip(prefix["x"], (100, 1000), lora["x"], strict=True))
    assert list(lora["y"]) == pytest.approx([65.0, 85.0])
    assert lora["error_y"]["array"][0] == pytest.approx(7.0710678)
    assert figure["layout"]["xaxis"]["type"] == "log"


@pytest.mark.parametrize(
    ("n", "text"), [(100, "100"), (1000, "1k"), (2500, "2.5k"), (10_000, "10k"), (392_702, "393k")]
)
def test_numbers_of_examples_print_short(n: int, text: str) -> None:
    assert print_examples(n) == text


def test_the_paper_has_30_rows_of_mnli_and_wikisql_and_11_of_webnlg() -> None:
    assert len(paper_rows("mnli", "accuracy")) == len(paper_rows("wikisql", "lf_accuracy")) == 30
    lora = [r for r in paper_rows("webnlg", "bleu") if r.method == "lora"]
    assert [r.source for r in lora] == ["paper, GPT-2 Medium, test split", "paper, GPT-2 Large, test split"]
    assert [(r.score, r.std) for r in lora] == [pytest.approx((0.553, 0.002)), pytest.approx((0.57, 0.001))]
    assert len(paper_rows("webnlg", "bleu")) == 11
    with pytest.raises(FrontuneError, match="the paper has no scores of task demo by accuracy"):
        paper_rows("demo", "accuracy")


def test_the_papers_rows_are_marked_in_the_table_and_take_no_part_in_the_front() -> None:
    rows = table_rows(STUDY[100]) + paper_rows("mnli", "accuracy")
    text = render_markdown(rows)
    assert "| LoRA (paper, GPT-3 175B) | r_v = 2 | 4.7 M | 91.7 | - | - |  |" in text
    assert text.count("✓") == sum(row.is_pareto for row in table_rows(STUDY[100])) > 0
    as_csv = list(csv.DictReader(io.StringIO(render_csv(rows))))
    assert as_csv[-1]["Source"] == "paper, GPT-3 175B"
    assert max(len(row["MNLI-m accuracy"]) for row in as_csv if row["Source"]) == len("0.917")


def test_the_papers_points_are_hollow_and_the_front_line_is_ones_own() -> None:
    own = tradeoff_points(STUDY[100])
    alone = plot_tradeoff(own, "x").to_dict()["data"]
    beside = plot_tradeoff(own + paper_points("mnli", "accuracy"), "x").to_dict()["data"]
    hollow = [trace for trace in beside if "(paper" in trace.get("name", "")]
    assert all(trace["marker"]["symbol"].endswith("-open") for trace in hollow)
    assert sum(len(trace["x"]) for trace in hollow) == 30
    line = [trace for trace in beside if trace.get("name") == "Pareto front"]
    assert max(line[0]["x"]) == max(p.trainable_params for p in own)
    assert len(beside) == len(alone) + len(hollow)


def test_all_examples_may_be_as_many_as_one_of_the_sizes_and_hide_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'l.db'}")
    for name, size, score in (("ld-10", 10, 0.9), ("ld-all", None, 0.4)):
        spec = {"part_of": "ld", "task": {"train_examples": size}}
        ledger.add_sweep(SweepRecord(name, "tiny", "mnli", "accuracy", spec, datetime.now(UTC)))
        trial = make_trial(sweep=name, task="mnli", score=score, config_hash=name)
        ledger.save_outcome(TrialOutcome(trial, (Measurement("rows", "train", 1, 10.0),)))
    found = find(ledger, "ld")
    (point,) = _low_data(ledger, found, paper=False)
    assert (point.examples, point.score) == (10, 0.9)
    with pytest.raises(FrontuneError, match="two or more numbers of training examples, ld has them on 10"):
        draw_figure("low_data", source_of(ledger, found, paper=False))
