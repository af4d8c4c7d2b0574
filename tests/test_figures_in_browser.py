"""Every kind of figure as a page of its own: it warns of nothing, and stands out light, dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dashboards.dark import dark_figure
from dashboards.figure_source import Importance, Source
from dashboards.figures import draw_figure, figure_names
from dashboards.low_data import low_data_points
from dashboards.plot_files import write_plot
from dashboards.subspace import Panel
from dashboards.subspace_plot import plot_subspaces
from storage.ledger import Ledger
from storage.records import Measurement, RungScore, SweepRecord, TrialOutcome
from storage.rungs import add_rung
from storage.untrained import save_untrained
from tests.browser import open_page
from tests.contrast import too_faint
from tests.watched import watched_trial

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from playwright.sync_api import Browser

# A report's own tests look at most kinds, too.
FAST = ("tradeoff", "subspace")
KINDS = [
    kind if kind in FAST else pytest.param(kind, marks=pytest.mark.slow)
    for kind in (*figure_names(), "subspace")
]
STATES = ("complete", "pruned", "failed", "infeasible", "interrupted")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """A sweep with something for every kind: seeds, rungs, tokens, and trials that ended in each way."""
    with closing(Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('drawn') / 'new.db'}")) as ledger:
        sweep = SweepRecord("s", "gpt3", "mnli", "accuracy", {}, datetime(2026, 3, 1, tzinfo=UTC))
        ledger.add_sweep(sweep)
        for number in range(16):
            state = STATES[max(0, number - 11)]
            score = {} if state in ("complete", "pruned") else {"score": None}
            trial = watched_trial("s", number, state=state, train_tokens=900, eval_seconds=3.0, **score)
            losses = tuple(Measurement("loss", "train", step, 2.0 / step) for step in (1, 50, 100))
            ledger.save_outcome(TrialOutcome(trial, losses))
            add_rung(ledger, "s", RungScore(number, 0, 5, 0.3, 1.0))
        save_untrained(ledger, "s", "identity", {"accuracy": 0.2})
        trials = ledger.trials("s")
        importances = [
            Importance("lora", "LoRA", name, share, 9) for name, share in (("r", 0.7), ("lr", 0.3))
        ]
        sizes = low_data_points({100: trials[:8], 1000: trials[:10]})
        yield Source("s", [sweep], {"s": trials}, ledger, True, lambda: sizes, lambda: importances)


def drawn(kind: str, source: Source) -> go.Figure:
    if kind != "subspace":
        return draw_figure(kind, source)
    values = np.linspace(0, 1, 12).reshape(3, 4)
    panels = [Panel(matrix, layer, "1 and 2", (1, 2, 3), values) for layer in (0, 1) for matrix in ("q", "v")]
    return plot_subspaces(panels, "alike", "of 2", "of 1")


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_warns_of_nothing_and_can_be_read_light_dark_and_on_paper(
    browser: Browser, source: Source, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{kind}.html"
    figure = drawn(kind, source)
    assert len(figure.data) > 0
    write_plot(figure, file)
    with open_page(browser, file.as_uri(), own=file.as_uri(), color_scheme="dark") as (page, complaints):
        page.locator(".main-svg").first.wait_for()
        assert page.evaluate(_INK) != figure.layout.font.color
        assert page.evaluate(_PAPER) == "rgb(28, 28, 28)"
        assert too_faint(page) == []
        # The browser and `dark_figure` give the same colours.
        same = dark_figure(figure)["layout"]
        assert page.evaluate(_INK) == same["font"]["color"]
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(_INK) == figure.layout.font.color
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(color_scheme="light")
        page.wait_for_function(f"({_PAPER}) === 'rgb(255, 255, 255)'")
        assert too_faint(page) == []
    assert (complaints.refused, complaints.errors) == ([], [])


_INK = "document.getElementById('plot')._fullLayout.font.color"
_PAPER = "getComputedStyle(document.querySelector('.main-svg')).backgroundColor"


def test_heat_maps_keep_their_scale_in_the_dark_and_lines_do_not(source: Source) -> None:
    maps, lines = drawn("subspace", source), drawn("parallel", source)
    assert dark_figure(maps)["layout"]["coloraxis"] == maps.to_plotly_json()["layout"]["coloraxis"]
    scales = [
        each["data"][-1]["marker"]["colorscale"] for each in (dark_figure(lines), lines.to_plotly_json())
    ]
    assert list(map(list, scales[0])) != list(map(list, scales[1]))
