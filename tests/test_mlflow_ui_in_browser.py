"""MLflow's own UI as a user meets a sweep in it: by `frontune ui`, and on a server of its own."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mlflow.tracking import MlflowClient

from storage.stores import TRACKING
from tests.browser import absent, open_page
from tests.conftest import SHORT, Frontune
from tests.mlflow_server import START_S, MlflowServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(absent()), reason=absent() or "it is there")]
SIZE = {"width": 1600, "height": 1000}
GLOBAL_404 = "Failed to load resource: the server responded with a status of 404 (Not Found)"
"""MLflow's pages look for an assistant that is not set up."""


@pytest.fixture(scope="module")
def store(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server over a copy of what MLflow holds of the finished sweep `small`."""
    folder = tmp_path_factory.mktemp("store")
    with (
        closing(sqlite3.connect(finished / "mlflow.db")) as known,
        closing(sqlite3.connect(folder / "mlflow.db")) as copy,
    ):
        known.backup(copy)
    with serving(folder) as server:
        yield server


@contextmanager
def serving(folder: Path) -> Iterator[MlflowServer]:
    server = MlflowServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.close()


def the_experiment(uri: str) -> str:
    return str(MlflowClient(uri).get_experiment_by_name("small").experiment_id)


@contextmanager
def shown(browser: Browser, uri: str, path: str) -> Iterator[Page]:
    """A page of MLflow's UI, which asks nobody but its server."""
    with open_page(browser, f"{uri}/#{path}", own=uri, viewport=SIZE) as (page, complaints):
        yield page
        assert complaints.refused == []
        assert [error for error in complaints.errors if error != GLOBAL_404] == []


def column(page: Page, name: str) -> list[str]:
    """The cells of a column of the table of runs that are in sight, by row."""
    found: list[str] = page.evaluate(_COLUMN, name)
    return found


_COLUMN = """(name) => [...document.querySelectorAll(`.ag-row [col-id="${CSS.escape(name)}"]`)]
  .map((cell) => [parseInt(cell.closest(".ag-row").getAttribute("row-index")), cell.innerText.trim()])
  .sort((a, b) => a[0] - b[0]).map((each) => each[1])"""


def follow_the_note(page: Page, link: str) -> Page:
    """Read the experiment's note and take one of its links, which opens a page of its own."""
    page.locator('[data-component-id="mlflow.experiment.metadata_editor.expand_button"]').click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name=link, exact=True).click()
    return opened.value


def test_the_note_leads_to_trials_by_score_with_their_parameters(
    browser: Browser, store: MlflowServer
) -> None:
    with shown(browser, store.uri, f"/experiments/{the_experiment(store.uri)}/runs") as found:
        page = follow_the_note(found, "Trials by score")
        page.locator(".ag-header-cell", has_text="trainable_params").wait_for()
        page.wait_for_function(f"({_COLUMN})('metrics.`score`').filter(Boolean).length > 5")
        scores = [float(cell) for cell in column(page, "metrics.`score`") if cell not in ("", "-")]
        assert scores == sorted(scores, reverse=True)
        sizes = [cell for cell in column(page, "metrics.`trainable_params`") if cell not in ("", "-")]
        # One that failed has a size and no score.
        assert len(sizes) >= len(scores)
        assert all(size.isdigit() for size in sizes)


@pytest.fixture(scope="module")
def remote(
    tmp_path_factory: pytest.TempPathFactory,
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    small_sweep: dict[str, Any],
) -> Iterator[MlflowServer]:
    """A server that was told of the sweep `small` while that was run."""
    folder, file = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("file") / "small.yaml"
    file.write_text(yaml.safe_dump(small_sweep | SHORT | {"trials": 8}, sort_keys=False))
    with serving(folder) as server:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv(TRACKING, server.uri)
            assert frontune("run", file, "--workspace", make_workspace()).exit_code == 0
        yield server


@pytest.mark.parametrize("kind", ["store", "remote"])
def test_a_sweep_is_found_read_compared_and_drawn(
    browser: Browser, kind: str, request: pytest.FixtureRequest
) -> None:
    server: MlflowServer = request.getfixturevalue(kind)
    experiment = the_experiment(server.uri)
    with shown(browser, server.uri, "/experiments") as page:
        page.get_by_role("link", name="small", exact=True).first.wait_for()
    with shown(browser, server.uri, f"/experiments/{experiment}/runs") as found:
        page = follow_the_note(found, "Trials by score")
        page.wait_for_function(f"({_COLUMN})('metrics.`score`').filter(Boolean).length > 5")
        boxes = page.locator(".ag-row .ag-checkbox-input")
        boxes.nth(0).check()
        boxes.nth(1).check()
        page.get_by_role("button", name="Compare", exact=True).click()
        page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
        page.get_by_text("trainable_params").first.wait_for()
    with shown(browser, server.uri, f"/experiments/{experiment}/runs") as found:
        page = follow_the_note(found, "Score against trainable parameters")
        page.locator(".scatterlayer .point").nth(5).wait_for()
        titles = page.locator(".xtitle, .ytitle").all_text_contents()
        assert titles[:2] == ["trainable_params", "score"]


@pytest.mark.parametrize("kind", ["finished", "remote"])
def test_the_parent_run_shows_the_table_and_the_plot(
    browser: Browser, kind: str, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(kind)
    with serving_ui(found) if isinstance(found, Path) else nullcontext(found.uri) as uri:
        experiment = the_experiment(uri)
        (parent,) = MlflowClient(uri).search_runs([experiment], "tags.role = 'sweep'")
        path = f"/experiments/{experiment}/runs/{parent.info.run_id}/artifacts"
        with shown(browser, uri, path) as page:
            page.get_by_text("table.md", exact=True).first.click()
            page.get_by_role("columnheader", name="Hyperparameters").wait_for()
            page.get_by_text("tradeoff.html", exact=True).first.click()
            page.frame_locator("iframe").locator(".scatterlayer .point").first.wait_for()


@contextmanager
def serving_ui(workspace: Path) -> Iterator[str]:
    """Run `frontune ui` in a process of its own; its address, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sweeps.cli", "ui", "--workspace", str(workspace), "--port", str(port)]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    # A session of its own: MLflow's server and its workers are processes, too.
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            latest = time.monotonic() + START_S
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None
                assert time.monotonic() < latest
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
