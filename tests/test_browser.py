"""The pages that tests open: what a test would miss if the browser's own tools were blind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import focus_order, open_page
from tests.contrast import too_faint

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<!doctype html><html lang="en"><title>t</title>
<style>
  body {background: #fff; color: #111}
  .grey {color: #999}
  .veiled {color: #000; opacity: .3}
  @media (prefers-color-scheme: dark) {body {background: #000}}
</style>
<p>dark on white</p><p class="grey">grey on white</p><p class="veiled">veiled</p>
<p style="display: none" class="grey">hidden</p>
<h1 class="grey" style="font-size: 40px; color: #888">large</h1>
<svg style="background: #222"><text y="20" fill="#333">drawn</text></svg>
<a href="#first">first</a> <button aria-label="second">x</button> <a>no link</a>
<script>console.error("said")</script>
<script>fetch("http://127.0.0.1:9/secret").catch(() => document.title = "refused")</script>
</html>"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    return tmp_path / "page.html"


def test_faint_text_is_found_and_legible_and_hidden_text_is_not(browser: Browser, file: Path) -> None:
    with open_page(browser, file.as_uri(), own="file:") as (page, _):
        faint = too_faint(page)
    assert [line.split("'")[1] for line in faint] == ["grey on white", "veiled", "drawn"]
    assert faint[0].startswith("2.85 of 4.5")


def test_contrast_is_that_of_the_colour_scheme(browser: Browser, file: Path) -> None:
    with open_page(browser, file.as_uri(), own="file:", color_scheme="dark") as (page, _):
        assert "'dark on white'" in " ".join(too_faint(page))


def test_the_focus_goes_through_what_can_be_used_in_order(browser: Browser, file: Path) -> None:
    with open_page(browser, file.as_uri(), own="file:") as (page, _):
        assert focus_order(page) == ["first", "second"]


def test_a_page_reaches_no_other_address_and_its_errors_are_seen(browser: Browser, file: Path) -> None:
    with open_page(browser, file.as_uri(), own="file:") as (page, complaints):
        page.wait_for_function("document.title === 'refused'")
    assert complaints.refused == ["http://127.0.0.1:9/secret"]
    assert complaints.errors[0] == "said"
