"""A headless Chromium that a test starts, and pages in it that reach no other address than their own."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 120_000
"""A machine that does much else is slow to start a browser or to draw."""


def absent() -> str:
    """Why no browser can be started here; nothing where one can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install 'frontune[dev]'"
    if browser_program() is None:
        return "Chromium is absent: apt-get install chromium"
    return ""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser, closed in the end.

    While it runs, its thread has a running event loop, and nothing else in that thread may start one.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox does not start under root in a container, and /dev/shm is small there.
        browser = playwright.chromium.launch(
            executable_path=browser_program(),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            timeout=PATIENCE_MS,
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Complaints:
    """Addresses that a page asked for and was refused, and what it threw, or wrote to the console as an error
    or, as plotly.js does, as a warning."""

    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def open_page(browser: Browser, url: str, own: str, **options: Any) -> Iterator[tuple[Page, Complaints]]:
    """Open `url` in a window of its own, where only addresses that begin with `own` can be reached; `options`
    are those of a playwright context, such as `color_scheme="dark"`."""
    complaints = Complaints()

    def answer(route: Route) -> None:
        if route.request.url.startswith(own):
            route.continue_()
        else:
            complaints.refused.append(route.request.url)
            route.abort()

    context = browser.new_context(**options)
    try:
        context.set_default_timeout(PATIENCE_MS)
        context.route("**/*", answer)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.errors.append(str(error)))
        page.on("console", lambda said: complaints.errors.append(said.text) if _is_bad(said) else None)
        page.goto(url)
        yield page, complaints
    finally:
        context.close()


def _is_bad(said: ConsoleMessage) -> bool:
    """plotly.js traces its warnings."""
    return said.type == "error" or said.text.startswith("WARN")


def focus_order(page: Page, most: int = 1000) -> list[str]:
    """Press Tab until the focus has left the page; return the text or label of what had it, in order."""
    found: list[str] = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate(_FOCUSED)
        if name is None:
            return found
        found.append(name)
    raise AssertionError(f"the focus does not leave the page after {most} times Tab")


_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e.dataset.focusSeen) return null;
  e.dataset.focusSeen = "1";
  return (e.getAttribute("aria-label") || e.innerText || e.id || e.tagName).trim();
}"""


def browser_program() -> str | None:
    """The browser of this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)
