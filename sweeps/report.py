"""`frontune report`: what a sweep, or those of one file, found, as one HTML file for a colleague."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from dashboards.files import check_writable, write_atomically
from dashboards.report.answer import Values
from dashboards.report.page import Asked, make_report
from dashboards.report.render import render
from methods.errors import FrontuneError
from storage.ledger import Ledger
from storage.records import TrialRecord
from storage.workspace import Workspace
from sweeps.compare import row_values
from sweeps.provenance import package_version
from sweeps.rerun import rerun_command
from sweeps.shown import Found, find, source_of


def report_command(name: str, file: Path | None, workspace_path: str) -> None:
    """Write the report, by default beside the sweep's other results, and say where it is."""
    workspace = Workspace.open(workspace_path, create=False)
    if file is not None and file.suffix.lower() not in (".html", ".htm"):
        raise FrontuneError(f"cannot write a report to '{file}': got suffix {file.suffix!r}, wanted .html")
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        found = find(ledger, name)
        if not any(found.results.values()):
            raise FrontuneError(f"sweep {name!r} has no trial yet, so there is nothing to report")
        target = file or _default_file(workspace, name)
        check_writable(target, "the report")
        page = _page(ledger, found, workspace)
    write_atomically(target, page.encode(), "the report")
    click.echo(f"wrote {target}")


def _page(ledger: Ledger, found: Found, workspace: Workspace) -> str:
    def values_of(trials: Iterable[TrialRecord]) -> Values:
        return row_values(trials, ledger, workspace)

    asked = Asked(
        source=source_of(ledger, found, paper=False),
        parts=[source_of(ledger, each, paper=False) for each in _single(found)],
        is_low_data=found.is_low_data,
        values_of=values_of,
        rerun=lambda sweep: rerun_command(sweep.name, sweep.spec),
    )
    return render(make_report(asked, datetime.now(UTC)), package_version("frontune"))


def _single(found: Found) -> Iterator[Found]:
    for sweep in found.sweeps:
        yield Found(sweep.name, [sweep], {sweep.name: found.results[sweep.name]})


def _default_file(workspace: Workspace, name: str) -> Path:
    folder = workspace.sweep_reports(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FrontuneError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    return folder / "report.html"
