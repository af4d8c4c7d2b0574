"""Closed forms against injected elements on meta models, and both against the paper's printed counts."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from typing import Any

import pytest

from dashboards.paper import table15
from methods.base import Shape
from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.loading import meta_base
from methods.lora import LoRA
from sweeps.counting import COLUMNS, FORMATS, CountRow, count_one, paper_method, render_counts, table15_counts


@pytest.fixture(scope="module")
def rows() -> list[CountRow]:
    return table15_counts()


def test_all_30_rows_of_table_15_are_counted_in_its_order(rows: list[CountRow]) -> None:
    assert len(rows) == len(table15()) == 30
    titles = {"fine_tune": "Fine-Tune", "prefix_embed": "PrefixEmbed", "prefix_layer": "PrefixLayer"}
    titles |= {"adapter_h": "Adapter^H", "lora": "LoRA"}
    titles |= {"lora+prefix_embed": "LoRA+PE", "lora+prefix_layer": "LoRA+PL"}
    assert [row.method for row in rows] == [titles[paper.method] for paper in table15()]


def test_closed_form_and_elements_equal_the_reference_in_every_row(rows: list[CountRow]) -> None:
    for row, paper in zip(rows, table15(), strict=True):
        assert row.closed_form == row.elements
        assert paper.formula in (row.closed_form, None)
        assert row.printed == paper.printed


def test_labels_read_as_the_paper_prints_them(rows: list[CountRow]) -> None:
    labels = [row.label for row in rows]
    assert labels[0] == "-"
    assert labels[1] == "l_p = 32, l_i = 8"
    assert labels[11] == "r = 1"
    assert labels[18:20] == ["r_q = r_v = 2", "r_q = r_k = r_v = r_o = 1"]
    assert labels[29] == "r_q = r_v = 8, l_p = 8, l_i = 4"


def test_printed_counts_are_within_two_percent_but_for_the_rows_that_the_design_names(
    rows: list[CountRow],
) -> None:
    beyond = [row for row in rows if abs(row.difference_pct or 0) > 2]
    assert {row.method for row in beyond} == {"PrefixEmbed", "PrefixLayer"}
    assert [row.label for row in beyond if row.method == "PrefixEmbed"] == ["l_p = 32, l_i = 8"]
    for row in rows:
        if row.method in ("PrefixLayer", "LoRA+PL"):
            assert row.difference_pct is not None
            assert 0.7 < row.difference_pct < 8.2
    assert rows[0].difference_pct == pytest.approx(100 * (175e9 / rows[0].closed_form - 1))


@pytest.mark.parametrize(
    ("base", "method", "wanted"),
    [
        ("gpt2-medium", "lora(r_q=4, r_v=4)", 393_216),
        ("gpt2-large", "lora(r_q=4, r_v=4)", 737_280),
        ("gpt2-medium", "ft_top2", 25_192_448),
        ("gpt2-medium", "prefix_layer(l_p=14)", 344_064),
        ("gpt2-large", "prefix_layer(l_p=17)", 783_360),
        ("gpt2-medium", "fine_tune", 354_823_168),
    ],
)
def test_counts_of_table_14_are_exact(base: str, method: str, wanted: int) -> None:
    row = count_one(base, method)
    assert row.closed_form == row.elements == wanted
    assert row.printed == ""
    assert row.difference_pct is None


@pytest.mark.parametrize(
    ("base", "r", "printed"),
    [
        ("gpt2-medium", 6, "0.37"),
        ("gpt2-medium", 224, "11.09"),
        ("gpt2-large", 8, "0.88"),
        ("gpt2-large", 248, "23.0"),
    ],
)
def test_adapter_l_of_table_14_prints_as_the_paper_does(base: str, r: int, printed: str) -> None:
    digits = len(printed.partition(".")[2])
    assert f"{count_one(base, f'adapter_l(r={r})').elements / 1e6:.{digits}f}" == printed


def test_count_one_refuses_what_the_base_cannot_hold() -> None:
    with pytest.raises(FrontuneError, match="at most 1024"):
        count_one("gpt2-medium", "lora(r_q=1025)")
    with pytest.raises(FrontuneError, match="leaves no room"):
        count_one("gpt2", "prefix_embed(l_p=1023)")


def test_methods_go_by_their_titles_too_in_whatever_case() -> None:
    assert count_one("gpt2", "LoRA(r_q=1, lr=1e-3) + pe(l_p=2)") == count_one(
        "gpt2", "lora(r_q=1) + prefix_embed(l_p=2)"
    )
    assert count_one("gpt2", "adapter^H(r=1)") == count_one("gpt2", "adapter_h(r=1)")
    with pytest.raises(FrontuneError, match="unknown method 'LoRRA'; did you mean 'lora'"):
        count_one("gpt2", "LoRRA(r_q=1)")


def test_a_closed_form_that_does_not_hold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoRA, "count", lambda self, shape: 7)
    with pytest.raises(FrontuneError, match=r"'lora' has a defect: its closed form counts 7 .* but 18,432"):
        count_one("gpt2", "lora(r_q=1)")


def test_every_row_of_the_paper_becomes_the_method_it_names() -> None:
    assert paper_method(table15()[-1]) == parse_method("lora(r_q=8, r_v=8) + prefix_layer(l_p=8, l_i=4)")
    assert paper_method(table15()[19]) == parse_method("lora(r_q=1, r_k=1, r_v=1, r_o=1)")


def test_the_csv_keeps_full_precision(rows: list[CountRow]) -> None:
    read = list(csv.DictReader(io.StringIO(render_counts(rows, "csv"))))
    assert tuple(read[0]) == COLUMNS
    assert read[0]["hyperparameters"] == "-"
    for cells, row in zip(read, rows, strict=True):
        assert int(cells["closed_form"]) == int(cells["elements"]) == row.elements
        assert float(cells["difference_pct"]) == row.difference_pct
    assert next(csv.DictReader(io.StringIO(render_counts([replace(rows[0], difference_pct=None)], "csv"))))[
        "difference_pct"
    ] == ("")


@pytest.mark.parametrize("format", ["rich", "markdown"])
def test_the_readable_formats_show_every_row_on_a_line_of_its_own(rows: list[CountRow], format: Any) -> None:
    text = render_counts(rows, format)
    lines = [line for line in text.splitlines() if f"{rows[-1].elements:,}" in line]
    assert len(lines) == 1
    assert "LoRA+PL" in lines[0]
    assert "+1.7%" in lines[0]
    assert "-0.0%" not in text
    assert sum("r_q = r_v = 2 " in line for line in text.splitlines()) == 1


def test_an_unknown_format_names_the_known_ones() -> None:
    wrong: Any = "jsn"
    with pytest.raises(FrontuneError, match=", ".join(sorted(FORMATS))):
        render_counts([], wrong)


def test_the_shape_of_gpt_3_is_the_papers() -> None:
    shape: Shape = meta_base("gpt3-175b").shape
    assert (shape.n_layers, shape.d_model, shape.matrices["up"]) == (96, 12288, (12288, 49152))
    assert math.isclose(shape.total_params, 175e9, rel_tol=0.01)
