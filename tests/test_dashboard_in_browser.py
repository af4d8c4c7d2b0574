"""The live page in a browser: a sweep moves, filters filter, picked points are the CSV's rows."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from storage.lease import leased
from storage.ledger import Ledger
from tests.browser import absent, focus_order, open_page
from tests.conftest import Frontune
from tests.contrast import too_faint
from tests.watched import add_sweep, begin, end, step_to

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "it is there")
HOSTILE = "<img src=x onerror=alert(1)>"
N = 14
ROOT = Path(__file__).parents[1]


@contextmanager
def dashboard(workspace: Path) -> Iterator[str]:
    """Run the command in a process of its own; the address that it prints."""
    command = [sys.executable, "-m", "sweeps.cli", "dashboard", "--workspace", str(workspace), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[4].rstrip(";")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def ledger(workspace: Path) -> Iterator[Ledger]:
    """Three sweeps, the last of which is being run."""
    with closing(Ledger.open(f"sqlite:///{workspace / 'frontune.db'}")) as opened:
        add_sweep(opened, HOSTILE, 4)
        add_sweep(opened, "earlier", N)
        add_sweep(opened, "moving", N)
        with leased(opened, "moving"):
            yield opened


@pytest.fixture(scope="module")
def address(workspace: Path, ledger: Ledger) -> Iterator[str]:
    with dashboard(workspace) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page as it is opened, with the sweep that is being run; nothing may go wrong in it, and nothing be
    asked of anybody else."""
    size = {"width": 1500, "height": 1000}
    with open_page(browser, address, own=address, viewport=size, accept_downloads=True) as (
        opened,
        complaints,
    ):
        opened.wait_for_function(f"({_POINTS})('front-a').length >= 7")
        yield opened
        assert complaints.errors == []
        assert complaints.refused == []


def points(page: Page, panel: str) -> list[list[int]]:
    """The trials of each point that a panel's figure shows."""
    found: list[list[int]] = page.evaluate(_POINTS, f"front-{panel}")
    return found


def wait_for_points(page: Page, panel: str, n: int) -> None:
    page.wait_for_function(f"(name) => ({_POINTS})(name).length === {n}", arg=f"front-{panel}")


_POINTS = """(name) => {
  const figure = document.querySelector(`#${name} .js-plotly-plot`);
  if (!figure || !figure.data) return [];
  return figure.data.filter((trace) => trace.customdata).flatMap((trace) => [...trace.customdata]);
}"""


def choose(page: Page, name: str, option: str) -> None:
    page.locator(f"#{name}").click()
    page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")
    page.locator(f"#{name}").get_by_text(option, exact=True).wait_for()


def choose_earlier(page: Page) -> None:
    choose(page, "sweep-a", "earlier")
    page.locator("#title-a").get_by_text("earlier").wait_for()
    page.wait_for_function(
        "document.querySelector('#front-a .js-plotly-plot').layout.uirevision === 'earlier'"
    )


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_a_running_sweep_moves_while_one_looks(page: Page, ledger: Ledger) -> None:
    assert "14 of 18 trials: 13 complete, 1 pruned. Run by process" in page.locator("#summary-a").inner_text()
    assert not page.get_by_text("ledger …").or_(page.get_by_text("Drawing")).filter(visible=True).count()
    page.locator("#runs-a").wait_for(state="hidden")
    begin(ledger, "moving", N)
    page.get_by_text("step 40 of 100, about").wait_for()
    assert "accuracy 35.0 at step 16" in page.locator("#running-a").inner_text()
    step_to(ledger, "moving", N, 70)
    page.get_by_text("step 70 of 100, about").wait_for()
    page.wait_for_function("document.querySelector('#curves-a .js-plotly-plot').data[0].x.at(-1) >= 60")
    end(ledger, "moving", N)
    wait_for_points(page, "a", 8)
    page.locator("#runs-a").wait_for(state="hidden")
    page.get_by_text("14 complete, 1 pruned").wait_for()


def test_a_trial_of_a_sweep_that_nobody_drives_says_ever_anew_when_it_was_heard_of(
    page: Page, ledger: Ledger
) -> None:
    choose_earlier(page)
    begin(ledger, "earlier", N)
    line = page.locator("#running-a li > span:last-child")
    line.get_by_text("step 40 of 100, last heard of").wait_for()
    page.wait_for_function(
        "(first) => document.querySelector('#running-a li > span:last-child').innerText !== first",
        arg=line.inner_text(),
    )
    end(ledger, "earlier", N)


@pytest.mark.parametrize(
    ("name", "choice", "shown"),
    [
        ("methods", "LoRA", [[0, 1], [6, 7], [12], [13]]),
        ("states", "pruned", [[13]]),
        ("seeds", "1", [[1], [3], [5], [7], [9], [11], [13]]),
    ],
)
def test_a_filter_leaves_what_was_chosen(page: Page, name: str, choice: str, shown: list[list[int]]) -> None:
    choose_earlier(page)
    choose(page, name, choice)
    wait_for_points(page, "a", len(shown))
    assert sorted(points(page, "a")) == shown


def test_a_range_of_parameters_leaves_what_is_within(page: Page) -> None:
    choose_earlier(page)
    page.get_by_label("Parameters from").get_by_role("spinbutton").fill("1000")
    page.get_by_label("to", exact=True).get_by_role("spinbutton").fill("9000")
    page.keyboard.press("Enter")
    wait_for_points(page, "a", 5)
    shown = {number for point in points(page, "a") for number in point}
    page.locator("#panel-a summary").click()
    # The table is drawn by itself, before the figure or after it.
    page.wait_for_function(f"(shown) => ({_ROWS}).join() === shown.join()", arg=sorted(shown))


_ROWS = """[...document.querySelectorAll('#trials-a tbody td:first-child')]
  .map((cell) => Number(cell.textContent)).sort((a, b) => a - b)"""


def test_picked_points_are_the_rows_of_the_csv(
    page: Page, workspace: Path, frontune: Frontune, tmp_path: Path
) -> None:
    choose_earlier(page)
    drag_over(page, "a", 0.0, 0.0, 0.5, 1.0)
    page.wait_for_function("document.querySelector('#picked-a').value !== ''")
    picked = page.locator("#picked-a").input_value()
    assert "trials picked" in page.locator("#count-a").inner_text()
    with page.expect_download() as download:
        page.locator("#csv-a").click()
    assert download.value.suggested_filename == "earlier-picked.csv"
    download.value.save_as(tmp_path / "picked.csv")
    every = frontune("pareto", "earlier", "--workspace", workspace, "--all", "--csv", tmp_path / "all.csv")
    assert every.exit_code == 0
    found = rows(tmp_path / "picked.csv")
    numbers = {int(row["trial"]) for row in found}
    assert 0 < len(found) < N
    assert found == [row for row in rows(tmp_path / "all.csv") if int(row["trial"]) in numbers]
    assert numbers_in(picked) == numbers


def test_a_click_adds_a_point_or_takes_it_back(page: Page) -> None:
    choose_earlier(page)
    x, y = place_of(page, "a", [0, 1])
    page.mouse.click(x, y)
    page.wait_for_function("document.querySelector('#picked-a').value === '0-1'")
    page.locator("#count-a").get_by_text("2 trials picked").wait_for()
    page.mouse.click(x, y)
    page.wait_for_function("document.querySelector('#picked-a').value === ''")


def test_two_sweeps_stand_side_by_side_on_the_same_axes(page: Page) -> None:
    choose_earlier(page)
    choose(page, "sweep-b", HOSTILE)
    wait_for_points(page, "b", 3)
    page.wait_for_function(f"({_SPAN})('front-a') === ({_SPAN})('front-b')")
    assert page.locator("#title-b").inner_text() == HOSTILE
    boxes = [page.locator(f"#front-{panel}").bounding_box() for panel in "ab"]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    assert page.locator("img").count() == 0


_SPAN = """(name) => {
  const layout = document.querySelector(`#${name} .js-plotly-plot`)._fullLayout;
  return JSON.stringify([layout.xaxis.range, layout.yaxis.range]);
}"""


def test_a_sweep_is_chosen_with_the_keyboard_alone(page: Page) -> None:
    page.locator("#sweep-b").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.matches('.dash-dropdown-search')")
    page.keyboard.type("earl")
    page.locator("[role=option]").get_by_text("moving").wait_for(state="detached")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.activeElement.matches('[role=option] input')")
    page.keyboard.press("Enter")
    page.locator("#title-b").get_by_text("earlier").wait_for()


def test_numbers_can_be_written_and_what_is_none_is_said(page: Page) -> None:
    page.locator("#picked-a").fill("3; 4")
    page.keyboard.press("Enter")
    page.locator("#count-a").get_by_text("'3;' is no trial's number").wait_for()
    page.locator("#csv-a").click()
    page.locator("#clear-a").focus()
    page.keyboard.press("Enter")
    page.locator("#count-a").get_by_text("0 trials picked").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_and_all_controls_be_reached(
    browser: Browser, address: str, scheme: str
) -> None:
    with open_page(browser, address, own=address, color_scheme=scheme) as (page, _):
        page.wait_for_function(f"({_POINTS})('front-a').length >= 7")
        page.wait_for_function(f"{'' if scheme == 'dark' else '!'}({_IS_DARK})('front-a')")
        reached = focus_order(page)
        page.locator("#panel-a summary").click()
        page.locator("#trials-a td").first.wait_for()
        assert too_faint(page) == []
        for width in (360, 700, 1100):
            page.set_viewport_size({"width": width, "height": 900})
            # Figures follow the window a moment later.
            page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
            tops = page.locator(".range .control").evaluate_all("all => all.map(e => e.offsetTop)")
            assert tops[0] == tops[1]
    wanted = ["moving", "none", "all", "all", "all", "least", "most", "picked-a", "Download CSV", "Clear"]
    assert [name for name in reached if name in wanted] == wanted


def test_figures_follow_the_system_when_it_goes_dark(page: Page, ledger: Ledger) -> None:
    begin(ledger, "moving", N + 2)
    page.locator("#curves-a .main-svg").first.wait_for()
    page.emulate_media(color_scheme="dark")
    for figure in ("front-a", "curves-a"):
        page.wait_for_function(f"({_IS_DARK})('{figure}')")
    assert too_faint(page) == []
    page.emulate_media(color_scheme="light")
    for figure in ("front-a", "curves-a"):
        page.wait_for_function(f"!({_IS_DARK})('{figure}')")
    end(ledger, "moving", N + 2)
    page.locator("#runs-a").wait_for(state="hidden")


_IS_DARK = """(name) => {
  const tick = document.querySelector(`#${name} .xtick text`);
  return tick && Number(getComputedStyle(tick).fill.match(/[0-9]+/)[0]) > 128;
}"""


def numbers_in(text: str) -> set[int]:
    from dashboards.live.picked import numbers_of

    return set(numbers_of(text))


def drag_over(page: Page, panel: str, *corners: float) -> None:
    """Draw a box in the figure, corners as shares of it."""
    box = page.locator(f"#front-{panel} .nsewdrag").first.bounding_box()
    assert box is not None
    x0, y0, x1, y1 = corners
    page.mouse.move(box["x"] + x0 * box["width"] + 1, box["y"] + y0 * box["height"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + x1 * box["width"] - 1, box["y"] + y1 * box["height"] - 1, steps=8)
    page.mouse.up()


def place_of(page: Page, panel: str, numbers: list[int]) -> tuple[float, float]:
    """Where the point of these trials is on the screen."""
    x, y = page.evaluate(_PLACE, [f"front-{panel}", numbers])
    return float(x), float(y)


_PLACE = """([name, numbers]) => {
  const figure = document.querySelector(`#${name} .js-plotly-plot`);
  const layout = figure._fullLayout, box = figure.getBoundingClientRect();
  for (const trace of figure.data.filter((each) => each.customdata)) {
    const at = [...trace.customdata].findIndex((own) => String(own) === String(numbers));
    if (at >= 0) {
      const x = layout.xaxis._offset + layout.xaxis.d2p(trace.x[at]);
      return [box.x + x, box.y + layout.yaxis._offset + layout.yaxis.d2p(trace.y[at])];
    }
  }
}"""


@pytest.mark.slow
def test_a_sweep_that_is_really_run_grows_on_the_page(
    browser: Browser,
    small_sweep: dict[str, Any],
    make_workspace: Callable[[], Path],
    tmp_path: Path,
) -> None:
    workspace, file = make_workspace(), tmp_path / "real.yaml"
    changes = {"trials": 12, "seeds": [0], "recipe": {"steps": 400, "batch_size": 4}}
    file.write_text(yaml.safe_dump(small_sweep | changes, sort_keys=False))
    Ledger.open(f"sqlite:///{workspace / 'frontune.db'}").close()
    command = [sys.executable, "-m", "sweeps.cli", "run", str(file), "--workspace", str(workspace)]
    with (
        dashboard(workspace) as url,
        open_page(browser, url, own=url) as (page, complaints),
        subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) as sweep,
    ):
        page.get_by_text("of 400").first.wait_for()
        page.wait_for_function(f"({_POINTS})('front-a').length >= 2")
        assert sweep.poll() is None
        assert sweep.wait() == 0
        wait_for_points(page, "a", 12)
        page.get_by_text("12 trials: 12 complete. ").wait_for()
        assert complaints.errors == []
