"""What was trained elsewhere is compared with a sweep's own trials, and marked wherever it is shown."""

from __future__ import annotations

import re
from typing import Any

from plotly.validator_cache import ValidatorCache

from dashboards.appearance import KNOWN, appearance, hollow
from dashboards.figures.budget import budget_lines, plot_budget
from dashboards.imported import imported_note, marked, trial_names
from dashboards.live.choices import methods_of, states_of
from dashboards.live.filters import Filters, front_figure
from dashboards.live.picked import numbers_of, picked_csv
from dashboards.live.trials_view import trial_cells
from dashboards.pareto import pareto_front
from dashboards.points import tradeoff_points
from dashboards.table15 import render_csv, render_markdown, render_table15_latex, table_rows
from dashboards.tradeoff import tradeoff_figure
from storage.records import TrialRecord
from tests.test_pareto import make_trial


def imported(number: int, **changes: Any) -> TrialRecord:
    """Return a result that came from `peft.csv`."""
    known: dict[str, Any] = {"method": "IA3", "title": marked("IA3"), "label": "", "study": ""}
    values = known | {"imported_from": "peft.csv", "config_hash": f"elsewhere {number}"} | changes
    return make_trial(number=number, **values)


OWN = make_trial(number=0, trainable_params=1000, score=0.8, config_hash="own")
IA3 = imported(-1, trainable_params=500, score=0.7)
LORA = imported(-2, method="lora", title=marked("LoRA"), trainable_params=2000, score=0.9)
RESULTS = [OWN, IA3, LORA]


def test_what_is_imported_takes_part_in_the_front_and_loses_exact_ties() -> None:
    assert [t.number for t in pareto_front(RESULTS)] == [-1, 0, -2]
    tied = imported(-3, trainable_params=1000, score=0.8)
    assert [t.number for t in pareto_front([tied, OWN])] == [0]


def test_a_table_marks_what_was_imported_and_says_below_where_it_is_from() -> None:
    rows = table_rows(RESULTS)
    assert [row.title for row in rows] == ["LoRA", "LoRA†", "IA3†"]
    note = "† trained elsewhere, imported from peft.csv"
    lines = render_markdown(rows, "1 failed, not shown").splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["LoRA", "LoRA†", "IA3†"]
    assert lines[5:] == ["", note, "", "1 failed, not shown"]
    latex = render_table15_latex(rows)
    assert r"LoRA$\dagger$ &" in latex
    assert latex.index(r"\bottomrule") < latex.index(r"{\footnotesize $\dagger$ trained elsewhere, imported")
    assert [line.rsplit(",", 1)[1] for line in render_csv(rows).splitlines()] == [
        "Source",
        "",
        "peft.csv",
        "peft.csv",
    ]
    assert "†" not in render_markdown(table_rows([OWN]))


def test_the_note_names_each_file_once() -> None:
    files = ["b.csv", "a.csv", "b.csv"]
    found = [imported(-n, imported_from=file) for n, file in enumerate(files, start=1)]
    assert imported_note([*found, OWN]) == "† trained elsewhere, imported from a.csv and b.csv"
    assert imported_note([OWN]) == ""


def test_the_tradeoff_draws_it_hollow_with_an_entry_of_its_own_and_the_front_goes_through_it() -> None:
    figure = tradeoff_figure(RESULTS, "s")
    shown = {trace.name: trace.marker.symbol for trace in figure.data if trace.showlegend}
    assert shown == {
        "LoRA": "circle",
        "LoRA† (imported)": "circle-open-dot",
        "IA3† (imported)": hollow(appearance("IA3").symbol),
    }
    front = next(trace for trace in figure.data if trace.name == "Pareto front")
    assert list(front.x) == [500, 1000, 2000]
    hover = {point.numbers: point.hover.splitlines() for point in tradeoff_points(RESULTS)}
    assert "i2, trained elsewhere, imported from peft.csv, on the Pareto front" in hover[(-2,)][0]
    assert "trial 0, on the Pareto front" in hover[(0,)][0]


def test_every_marker_has_a_hollow_one() -> None:
    validator = ValidatorCache.get_validator("scatter.marker", "symbol")
    for method in [*KNOWN, *(f"plugin {n}" for n in range(200))]:
        assert validator.validate_coerce(hollow(appearance(method).symbol))


def test_budgets_are_reached_by_what_was_imported_too() -> None:
    lines = budget_lines(RESULTS)
    assert [(line.title, [s.first.number for s in line.steps]) for line in lines] == [
        ("LoRA", [0, -2]),
        ("IA3†", [-1]),
    ]
    (lora,) = [t for t in plot_budget(lines, "s").data if t.name == "LoRA"]
    assert list(lora.marker.symbol) == ["circle", "circle-open-dot"]
    assert re.search(r"LoRA† .* imported from peft\.csv", lora.hovertext[1])


def test_the_live_page_lists_filters_and_picks_what_was_imported() -> None:
    assert trial_cells(IA3, True)[:2] == ("i1", "imported")
    assert trial_cells(IA3, True)[-1] == "front, from peft.csv"
    assert [option["label"] for option in states_of(RESULTS)] == ["complete", "imported"]
    assert [option["label"] for option in methods_of(RESULTS)] == ["LoRA", "IA3"]
    for states, fronts in (({"complete"}, [1000]), ({"imported"}, [500, 2000]), (set(), [500, 1000, 2000])):
        figure = front_figure(RESULTS, "", Filters(states=frozenset(states)))
        assert list(next(t for t in figure.data if t.name == "Pareto front").x) == fronts
    beaten = make_trial(number=1, trainable_params=600, score=0.6, config_hash="beaten")
    figure = front_figure([*RESULTS, beaten], "", Filters(states=frozenset({"complete"})))
    assert list(next(t for t in figure.data if t.name == "Pareto front").x) == [1000]
    assert [t.number for t in pareto_front([*RESULTS, beaten])] == [-1, 0, -2]
    assert numbers_of("0, i1-i2, 4-5") == {0, 4, 5, -1, -2}
    assert trial_names({0, 4, 5, -1, -2, -4}) == "0, 4-5, i1-i2, i4"
    assert len(picked_csv(RESULTS, {0, -2}).splitlines()) == 3
