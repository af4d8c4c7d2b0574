"""The untrained base: what it scores is measured once, without costing any trial anything, and drawn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboards.tradeoff import tradeoff_figure
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import load_base, load_tokenizer
from storage.untrained import save_untrained, untrained_elsewhere, untrained_scores
from sweeps.data import TaskData, prepare_data, read_examples
from sweeps.settings import TaskSettings
from sweeps.training import train
from sweeps.training.decoding import Decoding
from sweeps.training.recipe import Recipe
from sweeps.training.selection import evaluate
from sweeps.training.slot import Slot
from sweeps.training.untrained import evaluate_untrained
from tests.conftest import Frontune, SweepFile
from tests.report_pages import read_page
from tests.sweep_outcomes import ledger_of, trials_of
from tests.test_pareto import make_trial

MakeWorkspace = Callable[[], Path]
SETTINGS: dict[str, Any] = {"name": "demo", "train_examples": 24, "eval_examples": 30}


@pytest.fixture(scope="module")
def frozen(base: str) -> FrozenBase:
    return load_base(base)


@pytest.fixture(scope="module")
def data(base: str) -> TaskData:
    return prepare_data(read_examples(TaskSettings(**SETTINGS)), load_tokenizer(base))


@pytest.mark.parametrize("decoding", [None, Decoding(max_new_tokens=3)])
def test_the_untrained_base_scores_as_a_lora_that_has_not_stepped(
    frozen: FrozenBase, data: TaskData, decoding: Decoding | None
) -> None:
    data = replace(data, decoding=decoding)
    # B is zero at the start, so that nothing is added.
    slot = Slot(frozen, parse_method("lora(r_q=2, r_v=2)"), Recipe(steps=1), data.train)
    wanted, found = evaluate(frozen, data, slot), evaluate_untrained(frozen, data)
    assert found == wanted
    assert bool(found.generated) == (decoding is not None)


def small_sweep(sweep_file: SweepFile, **changes: Any) -> Path:
    points = ["lora(r_q=1, lr=1e-2)", "fine_tune(lr=1e-3)"]
    return sweep_file(
        **{"methods": None, "points": points, "trials": 2, "seeds": [0], "task": SETTINGS, **changes}
    )


def untrained_of(workspace: Path, sweep: str = "small") -> dict[str, float]:
    with closing(ledger_of(workspace)) as ledger:
        return untrained_scores(ledger, sweep)


def test_a_sweep_measures_it_and_draws_it(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    tmp_path: Path,
    frozen: FrozenBase,
    data: TaskData,
) -> None:
    workspace = make_workspace()
    assert frontune("run", small_sweep(sweep_file), "--workspace", workspace).exit_code == 0
    scores = untrained_of(workspace)
    assert scores == evaluate_untrained(frozen, data).metrics
    line = f"Untrained base: {100 * scores['accuracy']:.1f}"
    assert line in (workspace / "reports" / "small" / "tradeoff.html").read_text(encoding="utf-8")
    file = tmp_path / "report.html"
    assert frontune("report", "small", "--out", file, "--workspace", workspace).exit_code == 0
    assert f"The untrained base scores {100 * scores['accuracy']:.1f}." in read_page(file).text
    assert "Fine-Tune: " in file.read_text(encoding="utf-8")


def test_what_one_sweep_measured_another_on_the_same_base_and_data_knows(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace()
    assert frontune("run", small_sweep(sweep_file), "--workspace", workspace).exit_code == 0
    measured = untrained_of(workspace)
    asked: list[object] = []

    def ask(*given: object) -> None:
        asked.append(given)
        raise RuntimeError("not again")

    monkeypatch.setattr(train, "evaluate_untrained", ask)
    other = small_sweep(sweep_file, name="other", points=["lora(r_q=2, lr=1e-2)"], trials=1)
    assert frontune("run", other, "--workspace", workspace).exit_code == 0
    assert (untrained_of(workspace, "other"), asked) == (measured, [])
    fewer = small_sweep(sweep_file, name="fewer", points=["lora(r_q=2, lr=1e-2)"], trials=1)
    frontune("run", fewer, "--workspace", workspace, "--set", "task.eval_examples=12")
    assert len(asked) == 1, "of other rows the score is another"


def test_a_base_that_cannot_be_scored_costs_no_trial_and_is_tried_again_by_the_next_run(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("out of luck")

    workspace, file = make_workspace(), small_sweep(sweep_file)
    with monkeypatch.context() as patched:
        patched.setattr(train, "evaluate_untrained", fail)
        assert frontune("run", file, "--workspace", workspace, "--trials", 1).exit_code == 0
    assert [t.state for t in trials_of(workspace)] == ["complete"]
    assert untrained_of(workspace) == {}
    plot = workspace / "reports" / "small" / "tradeoff.html"
    assert "Untrained base" not in plot.read_text(encoding="utf-8")
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert untrained_of(workspace).keys() == {"accuracy", "loss"}
    assert "Untrained base" in plot.read_text(encoding="utf-8")


def test_scores_come_back_by_sweep_and_by_what_they_are_of(finished: Path, tmp_path: Path) -> None:
    from storage.ledger import Ledger
    from storage.records import SweepRecord
    from tests.report_pages import NOW

    with closing(Ledger.open(f"sqlite:///{tmp_path / 'new.db'}")) as ledger:
        for name in ("one", "two"):
            ledger.add_sweep(SweepRecord(name, "tiny", "demo", "accuracy", {}, NOW))
        save_untrained(ledger, "one", "same", {"accuracy": 0.25, "loss": 2.5})
        save_untrained(ledger, "one", "same", {"accuracy": 0.5})
        assert untrained_scores(ledger, "one") == untrained_elsewhere(ledger, "same") == {"accuracy": 0.5}
        assert untrained_scores(ledger, "two") == untrained_elsewhere(ledger, "other") == {}
    assert untrained_of(finished).keys() == {"accuracy", "loss"}


def test_its_line_is_within_the_plot_and_in_the_plots_unit() -> None:
    trials = [make_trial(number=n, trainable_params=10 * n + 10, score=0.8 + n / 100) for n in range(3)]
    figure = tradeoff_figure(trials, "t", untrained=0.25)
    (line,) = figure.layout.shapes
    (note,) = figure.layout.annotations
    assert (line.y0, line.y1, note.text) == (25.0, 25.0, "Untrained base: 25.0")
    assert figure.layout.yaxis.range[0] < 25.0
    assert not tradeoff_figure(trials, "t").layout.shapes
