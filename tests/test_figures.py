"""The kinds of figures: each one is known to the command, stands in its page and draws a real sweep."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from dashboards.figure_source import Source
from dashboards.figures import draw_figure, figure_in_words, figure_names, figure_title
from storage.ledger import Ledger
from storage.records import SweepRecord
from storage.untrained import save_untrained
from tests.conftest import Frontune
from tests.test_pareto import make_trial

PAGE = (Path(__file__).parents[1] / "docs" / "figures.md").read_text(encoding="utf-8")
OF_ONE_SWEEP = [name for name in figure_names() if name not in ("low_data", "importance")]


def test_every_kind_of_figure_stands_in_its_page() -> None:
    for name in figure_names():
        assert f"| `{name}` |" in PAGE, name


@pytest.mark.parametrize("name", OF_ONE_SWEEP)
def test_every_figure_is_drawn_from_a_finished_sweep(
    name: str, finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    file = tmp_path / "plot.html"
    result = frontune("plot", "small", "--figure", name, "--out", file, "--workspace", finished)
    assert (result.exit_code, result.stdout) == (0, f"wrote {file}\n"), result.output
    page = file.read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert "Plotly.react" in page
    title = f"{figure_title(name)}: sweep small, task demo on base "
    assert f"<title>{title}" in page
    assert f'<div id="plot" role="img" aria-label="{title}' in page
    assert re.search(r'"subtitle":\{"font":\{[^}]*\},"text":"sweep small, task demo on base ', page)


def test_a_single_number_of_examples_is_no_figure(finished: Path, frontune: Frontune, tmp_path: Path) -> None:
    file = tmp_path / "plot.html"
    result = frontune("plot", "small", "--figure", "low_data", "--out", file, "--workspace", finished)
    assert (result.exit_code, result.stdout, file.exists()) == (2, "", False)
    assert re.fullmatch(
        r"frontune: the figure low_data needs trials on two or more numbers of training examples, small "
        r"has them on \d+ alone; a list of task\.train_examples makes a sweep of each\n",
        result.stderr,
    )


def test_a_figure_without_data_is_refused_and_not_written(
    finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    file = tmp_path / "plot.png"
    result = frontune("plot", "small", "--figure", "importance", "--out", file, "--workspace", finished)
    assert (result.exit_code, result.stdout, file.exists()) == (2, "", False)
    assert result.stderr == (
        "frontune: the figure importance has nothing to draw for small: no method has eight completed "
        "configurations that differ in what was searched\n"
    )


def test_an_unknown_kind_is_refused_with_the_known_ones(frontune: Frontune, tmp_path: Path) -> None:
    result = frontune("plot", "small", "--figure", "pie", "--out", tmp_path / "x.html")
    assert result.exit_code == 2
    assert "unknown figure 'pie'" in result.stderr
    assert all(name in result.stderr for name in figure_names())
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_pruned_trials_alone_is_drawn_and_said(tmp_path: Path) -> None:
    trials = [make_trial(sweep="s", number=n, state="pruned", score=0.1 * n) for n in range(3)]
    with closing(Ledger.open(f"sqlite:///{tmp_path / 'new.db'}")) as ledger:
        sweep = SweepRecord("s", "tiny", "mnli", "accuracy", {}, trials[0].created_at)
        ledger.add_sweep(sweep)
        save_untrained(ledger, "s", "identity", {"accuracy": 0.05})
        source = Source("s", [sweep], {"s": trials}, ledger, False, list, list)
        assert len(draw_figure("tradeoff", source).data) > 0
        assert figure_in_words("tradeoff", source).sentence == (
            "0 configurations of 0 methods by trainable parameters and MNLI-m accuracy. "
            "3 pruned trials as small points. The untrained base scores 5.0."
        )
