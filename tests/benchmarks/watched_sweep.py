"""What an open dashboard costs a running sweep: its driver's bookkeeping with the page open over without.

``python -m tests.benchmarks.watched_sweep`` runs the sweep of `driver_load`, whose training is a stub, in
rounds that take these in turn: alone; with `frontune dashboard` serving and asked every two seconds for all
that a page shows; with that page in a headless Chromium on the same processors, where there is one. A stub
ends hundreds of trials a minute, so that the page has far more to draw than of a real sweep.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from dashboards.live.layout import TICK_MS
from storage.ledger import Ledger
from tests.benchmarks.driver_load import run
from tests.benchmarks.turns import HEADINGS, over, rounds, row
from tests.browser import absent, browser_program

TRIALS, SLOTS = 100, 8
SHOWN = ("front-a", "running-a", "curves-a", "trials-a")
Open = Callable[[Path], AbstractContextManager[None]]


def main() -> None:
    """A line for each way to look, wall and processor time of a trial's bookkeeping."""
    print(HEADINGS)
    ways: dict[str, Open] = {"alone": lambda folder: nullcontext(), "asked": asked}
    if not absent():
        ways["seen"] = seen
    wall: dict[str, list[float]] = {way: [] for way in ways}
    busy: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds(3)):
        for way, look in ways.items():
            seconds, processor = bookkeeping_s(look)
            wall[way].append(seconds)
            busy[way].append(processor)
    row("bookkeeping of a trial, nobody looking, ms", [1000 * each for each in wall["alone"]], digits=1)
    for way, what in (("asked", "asking every 2 s"), ("seen", "in Chromium beside it")):
        if way in wall:
            row(f"the same with the page open, {what}, over that", over(wall[way], wall["alone"]))
            row("its processor time over that", over(busy[way], busy["alone"]))


def bookkeeping_s(look: Open) -> tuple[float, float]:
    """Wall and processor seconds of the driver's bookkeeping a trial, the mean of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Ledger.open(f"sqlite:///{folder / 'frontune.db'}").close()
        with look(folder):
            costs = run(TRIALS, SLOTS, "random", folder)
    seconds, processor = (sum(each) / len(costs) for each in zip(*costs, strict=True))
    return seconds, processor


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The command, in a process of its own; its address."""
    command = [sys.executable, "-m", "sweeps.cli", "dashboard", "--workspace", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[4].rstrip(";")
        finally:
            process.terminate()


@contextmanager
def asked(folder: Path) -> Iterator[None]:
    """What a page asks for, without a browser."""
    ended = threading.Event()
    with serving(folder) as url:
        thread = threading.Thread(target=_ask, args=(url, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _ask(url: str, ended: threading.Event) -> None:
    known = json.loads(_get(f"{url}/_dash-dependencies"))
    shown = [each for each in known if any(f"{name}." in each["output"] for name in SHOWN)]
    ticks = [each for each in known if "pulse.data" in each["output"]]
    pulse: Any = None
    while not ended.wait(TICK_MS / 1000):
        for each in (*ticks, *shown):
            answer = _call(url, each, {"pulse.data": pulse, "sweep-a.value": "load"})
            pulse = answer.get("pulse", {}).get("data", pulse)


def _call(url: str, callback: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    def filled(each: dict[str, str]) -> dict[str, Any]:
        return {**each, "value": values.get(f"{each['id']}.{each['property']}")}

    names = [name.split(".") for name in callback["output"].strip(".").split("...")]
    outputs = [{"id": name, "property": key} for name, key in names]
    content = {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "inputs": [filled(each) for each in callback["inputs"]],
        "state": [filled(each) for each in callback["state"]],
        "changedPropIds": ["pulse.data"],
    }
    request = urllib.request.Request(
        f"{url}/_dash-update-component",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    # Before the sweep has begun there is nothing to show.
    found: dict[str, Any] = json.loads(text).get("response", {}) if text else {}
    return found


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def seen(folder: Path) -> Iterator[None]:
    """The page in a browser."""
    program = browser_program()
    assert program is not None
    options = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-port=0"]
    with serving(folder) as url, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *options, f"--user-data-dir={profile}", "--window-size=1500,1000", url]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as browser:
            try:
                yield
            finally:
                os.killpg(browser.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
