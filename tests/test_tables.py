"""The table laid out like the paper's Table 15, the paper's own table, and the looks of methods."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import pytest
from rich.console import Console

from dashboards.appearance import KNOWN, appearance, method_order
from dashboards.front_table import front_cells, render_front_rows
from dashboards.paper import table15
from dashboards.printing import print_count, print_lr, print_score, score_title
from dashboards.table15 import (
    TableRow,
    not_shown,
    render_csv,
    render_markdown,
    render_rich,
    table_cells,
    table_rows,
)
from methods.errors import FrontuneError
from storage.records import TrialRecord
from tests.test_pareto import make_trial


def small_sweep() -> list[TrialRecord]:
    """Return two methods, one configuration with three seeds, and trials that are no rows."""
    lora = [make_trial(number=i, seed=i, score=s) for i, s in enumerate((0.846, 0.849, 0.852))]
    wide = make_trial(number=3, label="r_v = 8", trainable_params=4_718_592, score=0.917)
    plain = make_trial(
        number=4, method="fine_tune", title="Fine-Tune", label="", trainable_params=354_823_168, score=0.9
    )
    states = ("failed", "failed", "pruned")
    lost = [make_trial(number=5 + i, state=state, score=None) for i, state in enumerate(states)]
    return [wide, *lora, *lost, plain]


def printed(rows: list[TableRow], footer: str = "") -> str:
    console = Console(width=110, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(render_rich(rows, footer))
    return capture.get()


def test_rows_stand_in_the_papers_order_then_by_parameters_then_by_label() -> None:
    names = ["zeta", "lora+prefix_layer", "lora", "alpha", "ft_top2", "fine_tune", "adapter_h", "adapter_l"]
    trials = [make_trial(number=i, method=name) for i, name in enumerate(names)]
    trials += [
        make_trial(number=20, label="b", trainable_params=10),
        make_trial(number=21, label="a", trainable_params=10),
    ]
    rows = table_rows(trials)
    assert [r.method for r in rows] == [
        "fine_tune",
        "ft_top2",
        "adapter_l",
        "adapter_h",
        "lora",
        "lora",
        "lora",
        "lora+prefix_layer",
        "alpha",
        "zeta",
    ]
    assert [r.label for r in rows[4:6]] == ["a", "b"]


def test_replicates_are_one_row_with_mean_and_sample_deviation() -> None:
    row = next(r for r in table_rows(small_sweep()) if r.n == 3)
    assert row.score == pytest.approx(0.849)
    assert row.std == pytest.approx(0.003)
    assert print_score(row.score, row.std, row.metric) == "84.9 ± .3"


def test_a_mean_over_the_seeds_that_did_not_fail_says_so() -> None:
    shared = {"title": "LoRA", "label": "r"}
    states = {0: "complete", 1: "failed", 2: "complete", 3: "infeasible", 4: "interrupted", 5: "failed"}
    trials = [make_trial(**shared, number=n, seed=n, state=state) for n, state in states.items()]
    # A failed seed that was trained after all has not failed.
    trials.append(make_trial(**shared, number=6, seed=5))
    (row,) = table_rows(trials)
    assert (row.n, row.n_failed) == (3, 2)
    assert "| 3 of 5 |" in render_markdown([row])
    assert "3 of 5" in printed([row])
    (alone,) = table_rows([make_trial(), make_trial(number=1, seed=1, state="failed", score=None)])
    assert "| 1 of 2 |" in render_markdown([alone])


def test_a_result_reused_within_a_sweep_does_not_count_as_another_seed() -> None:
    rows = table_rows([make_trial(), make_trial(number=1, reused_from="tiny/0")])
    assert [(r.n, r.std) for r in rows] == [(1, None)]


def test_two_configurations_with_one_label_are_two_rows() -> None:
    rows = table_rows([make_trial(lr=1e-3, score=0.8), make_trial(number=1, lr=2e-4)])
    assert [(r.label, r.learning_rates, r.n) for r in rows] == [
        ("r_q = r_v = 2", (2e-4,), 1),
        ("r_q = r_v = 2", (1e-3,), 1),
    ]
    rates = {"lora.r_q": 1, "lora.lr": 1e-2, "prefix_embed.lr": 3e-2}
    (row,) = table_rows([make_trial(method="lora+prefix_embed", hyperparameters=rates, lr=None)])
    assert row.learning_rates == (1e-2, 3e-2)
    assert "| 1e-2, 3e-2 |" in render_markdown([row])


def test_the_front_of_a_table_is_the_front_of_its_means() -> None:
    lucky = [make_trial(number=i, seed=i, score=s, trainable_params=20) for i, s in enumerate((0.99, 0.01))]
    steady = make_trial(number=2, score=0.7, trainable_params=10)
    assert [(r.trainable_params, r.is_pareto) for r in table_rows([*lucky, steady])] == [
        (10, True),
        (20, False),
    ]


def test_mixed_tasks_or_metrics_are_refused() -> None:
    with pytest.raises(FrontuneError, match="e2e bleu, mnli accuracy"):
        table_rows([make_trial(), make_trial(task="e2e", metric="bleu", config_hash="x")])


def test_trials_that_are_no_rows_are_counted() -> None:
    assert not_shown(small_sweep()) == "2 failed, 1 pruned, not shown"
    assert not_shown([make_trial()]) == ""
    others = [make_trial(state=state) for state in ("running", "interrupted", "infeasible")]
    others.append(make_trial(score=float("nan")))
    assert not_shown(others) == "1 infeasible, 1 interrupted, 1 running, 1 without a score, not shown"
    partly = [make_trial(), make_trial(number=1, seed=1), make_trial(number=2, seed=2, state="pruned")]
    assert table_rows(partly) == []
    assert not_shown(partly) == "1 pruned, 2 with another seed pruned, not shown"


def test_markdown_is_laid_out_like_the_paper() -> None:
    trials = small_sweep()
    assert render_markdown(table_rows(trials), not_shown(trials)) == "\n".join(
        [
            "| Method | Hyperparameters | # Trainable Parameters | MNLI-m accuracy | Seeds | lr | Front |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
            "| Fine-Tune | - | 354.8 M | 90.0 | 1 | 2e-4 |  |",
            "| LoRA | r_q = r_v = 2 | 0.2 M | 84.9 ± .3 | 3 | 2e-4 | ✓ |",
            "|  | r_v = 8 | 4.7 M | **91.7** | 1 | 2e-4 | ✓ |",
            "",
            "2 failed, 1 pruned, not shown",
            "",
        ]
    )


def test_markdown_escapes_pipes_and_line_breaks_of_names() -> None:
    text = render_markdown(table_rows([make_trial(title="A|B", label="x\n| y | <b>", score=0.5)]))
    assert r"| A\|B | x \| y \| &lt;b> |" in text
    assert len(text.splitlines()) == 3


def test_rich_prints_the_same_cells_takes_names_literally_and_counts_what_is_missing() -> None:
    trials = [*small_sweep(), make_trial(number=30, method="plug", title="[red]P[/red]", score=0.1)]
    text = printed(table_rows(trials), not_shown(trials))
    for cell in ("84.9 ± .3", "4.7 M", "354.8 M", "[red]P[/red]", "2 failed, 1 pruned, not shown", "✓"):
        assert cell in text
    assert text.count("LoRA") == 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_rich_breaks_no_word_and_no_number_of_a_narrow_terminal(width: int) -> None:
    rates = {"lora.lr": 1.25e-2, "prefix_embed.lr": 3e-2}
    lora = {"method": "lora+prefix_embed", "title": "LoRA+PE", "label": "r_q = r_v = 1, l_p = 4, l_i = 0"}
    pair = [
        make_trial(number=9 + n, seed=n, **lora, hyperparameters=rates, lr=None, score=0.5 + n / 9)
        for n in (0, 1)
    ]
    prefix = make_trial(number=20, method="prefix_embed", title="PrefixEmbed", label="l_p = 8", score=0.3)
    rows = table_rows([*small_sweep(), *pair, prefix])
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table, (headings, cells, _) in (
        (render_rich(rows), table_cells(rows)),
        (render_front_rows(rows), front_cells(rows)),
    ):
        with console.capture() as capture:
            console.print(table)
        text = capture.get()
        assert max(map(len, text.splitlines())) <= width
        for cell in ["Seeds", *headings[-2:], *(cell for row in cells for cell in row)]:
            assert all(part in text for part in cell.split(", ")), cell


def test_rich_sets_only_the_best_score_bold() -> None:
    console = Console(width=110, file=io.StringIO(), force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(render_rich(table_rows(small_sweep())))
    body = capture.get().split("─")[-1]
    assert "\x1b[1m" in body.split("91.7")[0].rsplit(" ", 1)[-1]
    assert body.count("\x1b[1m") == 1


def test_csv_names_the_method_on_every_row_and_rounds_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(table_rows(small_sweep())))))
    assert [r["Method"] for r in rows] == ["Fine-Tune", "LoRA", "LoRA"]
    assert rows[2]["# Trainable Parameters"] == "4718592"
    assert (rows[2]["MNLI-m accuracy"], rows[2]["Front"], rows[0]["Hyperparameters"]) == (
        "0.917",
        "true",
        "-",
    )


def test_a_table_without_rows_has_headings() -> None:
    assert render_markdown([]).startswith("| Method | Hyperparameters | # Trainable Parameters | Score |")
    assert "Method" in printed([])
    rows = table_rows(small_sweep())[:2]
    assert [line.split(",")[0] for line in render_csv(rows, ["a", "b"]).splitlines()] == ["Sweep", "a", "b"]
    assert render_csv([]).startswith("Method,Hyperparameters,# Trainable Parameters,Score")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1_536, "1,536"),
        (99_999, "99,999"),
        (393_216, "0.4 M"),
        (4_718_592, "4.7 M"),
        (999_949_999, "999.9 M"),
        (999_950_000, "1.0B"),
        (1_557_611_200, "1.6B"),
        (99_960_000_000, "100B"),
        (175_000_000_000, "175B"),
    ],
)
def test_counts_print_as_in_the_paper(count: int, text: str) -> None:
    assert print_count(count) == text


def test_scores_print_as_in_the_paper() -> None:
    assert print_score(0.917, None, "accuracy") == "91.7"
    assert print_score(0.5534, 0.0123, "bleu") == "55.3 ± 1.2"
    assert print_score(0.5, 0.0, "accuracy") == "50.0 ± .0"
    assert print_score(0.4142, 0.004, "meteor") == "0.414 ± .004"
    assert score_title("wikisql", "accuracy") == "WikiSQL accuracy"
    assert score_title("webnlg", "bleu") == "WebNLG BLEU"
    assert [print_lr(lr) for lr in (2e-4, 3.19e-4, 1.0, None)] == ["2e-4", "3.19e-4", "1e0", "-"]


def test_printed_counts_of_table_15_are_the_formulas_but_for_the_rows_that_design_names() -> None:
    rows = [r for r in table15() if r.formula and r.printed_params]
    apart = [r for r in rows if abs((r.printed_params or 0) / (r.formula or 1) - 1) > 0.02]
    assert len(rows) == 29
    assert {(r.method, r.hyperparameters) for r in apart if r.method != "prefix_layer"} == {
        ("prefix_embed", "l_p=32 l_i=8")
    }


def test_table_15_is_loaded_as_printed() -> None:
    rows = table15()
    assert len(rows) == 30
    assert (rows[0].method, rows[0].printed, rows[0].printed_params, rows[0].formula) == (
        "fine_tune",
        "175B",
        175e9,
        None,
    )
    lora = next(r for r in rows if (r.method, r.hyperparameters) == ("lora", "r_v=2"))
    assert (lora.printed_params, lora.formula, lora.wikisql, lora.mnli) == (4.7e6, 4_718_592, 73.4, 91.7)
    assert all(r.printed_params for r in rows)
    assert {r.method for r in rows} <= set(KNOWN)


def test_known_methods_differ_in_colour_and_in_marker() -> None:
    assert len({look.color for look in KNOWN.values()}) == len({look.symbol for look in KNOWN.values()}) == 9


def test_unknown_methods_look_the_same_in_every_process_and_stand_last() -> None:
    code = "from dashboards.appearance import appearance; print(appearance('my_plugin'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == str(appearance("my_plugin"))
    assert appearance("my_plugin").symbol not in {look.symbol for look in KNOWN.values()}
    assert sorted(["zeta", "alpha", *KNOWN], key=method_order) == [*KNOWN, "alpha", "zeta"]


def test_repeated_seeds_show_how_probable_a_place_on_the_front_is() -> None:
    noisy = [make_trial(number=i, seed=i, trainable_params=20, score=s) for i, s in enumerate((0.5, 0.75))]
    small = make_trial(number=2, trainable_params=10, score=0.6)
    shaky = [make_trial(number=3 + i, seed=i, trainable_params=30, score=s) for i, s in enumerate((0.5, 0.7))]
    rows = table_rows([*noisy, small, *shaky])
    # Means of 0.6 and 0.7 (3/4) count where they beat those of 20 parameters: never, 0.5 or 0.625 (3/4).
    assert [row.front_probability for row in rows] == [1.0, 0.75, 0.25 * 0.75]
    cells = [line.split("|")[-2].strip() for line in render_markdown(rows).splitlines()[2:]]
    assert cells == ["✓", "✓ 75%", "19%"]
