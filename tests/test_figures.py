"""The kinds of figures: each one is known to the command, stands in its page and draws a real sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.figures import figure_names
from tests.conftest import Frontune

PAGE = (Path(__file__).parents[1] / "docs" / "figures.md").read_text(encoding="utf-8")
OF_ONE_SWEEP = [name for name in figure_names() if name != "low_data"]


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
    assert "Plotly.newPlot" in page


def test_an_unknown_kind_is_refused_with_the_known_ones(frontune: Frontune, tmp_path: Path) -> None:
    result = frontune("plot", "small", "--figure", "pie", "--out", tmp_path / "x.html")
    assert result.exit_code == 2
    assert "unknown figure 'pie'" in result.stderr
    assert all(name in result.stderr for name in figure_names())
    assert list(tmp_path.iterdir()) == []
