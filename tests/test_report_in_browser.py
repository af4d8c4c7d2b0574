"""A report in a browser: without a network, by keyboard, dark, on a phone, on paper, and under attack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import focus_order, open_page
from tests.conftest import Frontune
from tests.contrast import too_faint
from tests.report_pages import hostile_workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
N_FIGURES = 7


@pytest.fixture(scope="module")
def url(
    browser: Browser, finished: Path, frontune: Frontune, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The address of a report's file; a machine without a browser needs none."""
    file = tmp_path_factory.mktemp("report") / "small.html"
    assert frontune("report", "small", "--out", file, "--workspace", finished).exit_code == 0
    return file.as_uri()


def draw_all(page: Page) -> None:
    """Have all figures drawn, which else wait until they are near, and show all tables."""
    page.evaluate("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    for plot in page.locator(".plot").all():
        plot.locator(".main-svg").first.wait_for()


def test_a_report_needs_no_network_and_complains_of_nothing(browser: Browser, url: str) -> None:
    with open_page(browser, url, own=url) as (page, complaints):
        draw_all(page)
        assert page.title() == "small: Frontune report"
        assert page.locator(".plot .main-svg").count() >= N_FIGURES
        policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert (complaints.refused, complaints.errors) == ([], [])


def test_figures_are_drawn_when_one_comes_near_them(browser: Browser, url: str) -> None:
    with open_page(browser, url, own=url) as (page, _):
        page.locator("#p1-tradeoff ~ figure .main-svg").first.wait_for()
        last = page.locator(".plot").last
        assert last.locator(".main-svg").count() == 0
        last.scroll_into_view_if_needed()
        last.locator(".main-svg").first.wait_for()


def test_the_keyboard_reaches_every_link_and_table_in_order(browser: Browser, url: str) -> None:
    with open_page(browser, url, own=url) as (page, _):
        order = focus_order(page)
        links = page.locator("a[href]").all_inner_texts()
        summaries = page.locator("summary").all_inner_texts()
        assert order[: len(links)] == links
        assert links[:2] == ["To the content", "Answer"]
        assert [name for name in order if name in summaries] == summaries
        page.locator("nav a", has_text="Provenance").press("Enter")
        assert page.url.endswith("#p1-provenance")
        page.locator("summary").first.press("Enter")
        assert page.locator("details").first.get_attribute("open") is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_in_both_colour_schemes(browser: Browser, url: str, scheme: str) -> None:
    with open_page(browser, url, own=url, color_scheme=scheme) as (page, _):
        draw_all(page)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}[scheme]
        assert page.locator(".plot text").count() > 50
        assert too_faint(page) == []


def test_every_figure_has_a_name_and_says_in_words_what_it_shows(browser: Browser, url: str) -> None:
    with open_page(browser, url, own=url) as (page, _):
        plots = page.locator("[role=img]").all()
        assert len(plots) == N_FIGURES
        for plot in plots:
            name, words = (
                page.locator(f"[id='{plot.get_attribute(attribute)}']").inner_text()
                for attribute in ("aria-labelledby", "aria-describedby")
            )
            assert name
            assert words.endswith(".")
            assert any(letter.isdigit() for letter in words), "made from the data"
            assert plot.locator("xpath=ancestor::section[1]").locator("table").count() == 1
        assert [page.locator(mark).count() for mark in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]


def test_on_a_phone_nothing_is_wider_than_the_page(browser: Browser, url: str) -> None:
    with open_page(browser, url, own=url, **PHONE) as (page, _):
        draw_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        # What is too wide scrolls by itself, also by keyboard.
        wide = page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
            ".map((e) => e.tabIndex)"
        )
        assert wide
        assert set(wide) == {0}


def test_on_paper_all_figures_are_light_and_within_the_page(browser: Browser, url: str) -> None:
    with open_page(browser, url, own=url, color_scheme="dark") as (page, complaints):
        paper = page.pdf(format="A4")
        assert paper.startswith(b"%PDF")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        widths = page.evaluate("[...document.querySelectorAll('.plot')].map((e) => e._fullLayout.width)")
        inks = page.evaluate("[...document.querySelectorAll('.plot')].map((e) => e._fullLayout.font.color)")
        assert (len(widths), max(widths)) == (N_FIGURES, 680)
        assert set(inks) == {"#2B2B2B"}
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("nav").is_visible()
    assert complaints.errors == []


def test_no_text_of_users_runs_in_the_browser(
    browser: Browser, make_workspace: Callable[[], Path], frontune: Frontune, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.html"
    workspace = hostile_workspace(make_workspace())
    assert frontune("report", "hostile", "--out", file, "--workspace", workspace).exit_code == 0
    with open_page(browser, file.as_uri(), own=file.as_uri()) as (page, complaints):
        draw_all(page)
        assert page.evaluate("window.pwned") is None
        assert page.locator("img").count() == 0
        assert page.locator("a[href^=javascript], .plot a[*|href^=javascript]").count() == 0
    assert (complaints.refused, complaints.errors) == ([], [])
