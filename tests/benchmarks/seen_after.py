"""How long after a trial's commit to the ledger its point is on the live page, in a headless Chromium.

``python -m tests.benchmarks.seen_after`` ends twenty trials of a sweep that the page shows, one by one at
moments that have nothing to do with the page's own clock, and prints a line of seconds.
"""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from storage.ledger import Ledger
from tests.benchmarks.turns import HEADINGS, row
from tests.benchmarks.watched_sweep import serving
from tests.browser import absent, open_page, running_browser
from tests.watched import add_sweep, begin, end

if TYPE_CHECKING:
    from playwright.sync_api import Page

TRIALS, KNOWN = 20, 100
MOST_APART_S = 3.0


def main() -> None:
    """Measure, where there is a browser."""
    if reason := absent():
        raise SystemExit(reason)
    with (
        tempfile.TemporaryDirectory() as name,
        closing(Ledger.open(f"sqlite:///{Path(name) / 'frontune.db'}")) as ledger,
        serving(Path(name)) as url,
        running_browser() as browser,
        open_page(browser, url, own=url) as (page, _),
    ):
        add_sweep(ledger, "moving", KNOWN)
        page.wait_for_function(f"({_SHOWN})(0)")
        page.evaluate(_WATCH)
        found = [_seconds(page, ledger, KNOWN + n) for n in range(TRIALS)]
    print(HEADINGS)
    row("from a trial's commit to its point on the page", found, " s", "at most 5 s")


def _seconds(page: Page, ledger: Ledger, number: int) -> float:
    """From the commit to the first frame in which the figure has the trial; both clocks are the machine's."""
    begin(ledger, "moving", number)
    time.sleep(random.uniform(0, MOST_APART_S))
    end(ledger, "moving", number)
    committed = time.time()
    page.wait_for_function(f"seenAt.has({number})")
    seen: float = page.evaluate(f"seenAt.get({number})")
    return seen / 1000 - committed


_SHOWN = """(number) => {
  const figure = document.querySelector("#front-a .js-plotly-plot");
  if (!figure || !figure.data) return false;
  return figure.data.some((trace) => [...(trace.customdata || [])].some((own) => [...own].includes(number)));
}"""
_WATCH = """() => {
  window.seenAt = new Map();
  const plot = document.querySelector("#front-a .js-plotly-plot");
  plot.on("plotly_afterplot", () => {
    const now = Date.now();
    for (const trace of plot.data)
      for (const own of trace.customdata || [])
        for (const number of own) if (!seenAt.has(number)) seenAt.set(number, now);
  });
}"""


if __name__ == "__main__":
    main()
