"""`frontune import`: results trained elsewhere stand beside a sweep's trials, all of a file or none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click

from dashboards.printing import one_line
from dashboards.text_alternative import several
from methods.base import Shape
from methods.errors import FrontuneError, unknown_name
from storage.imported import add_imported
from storage.lease import leased
from storage.ledger import Ledger
from storage.records import SweepRecord, TrialRecord
from storage.untrained import untrained_scores
from storage.workspace import Workspace
from sweeps.imported_rows import Import, is_complete, result_of
from sweeps.results import results_if_possible
from sweeps.results_csv import ResultRow, read_results

Key = tuple[str, int]
"""`config_hash` and seed: what stands for one result."""


@dataclass(frozen=True)
class News:
    """What a file changes: what is new, how much is known already, and the numbers of results that go."""

    new: list[TrialRecord]
    n_known: int
    gone: list[int]


def import_command(file: Path, into: str | None, replacing: bool, workspace_path: str) -> None:
    """Bring the results of a file into a sweep, and write the sweep's own files anew."""
    workspace = Workspace.open(workspace_path, create=False)
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        try:
            rows = read_results(file)
            sweep = _sweep(ledger, rows, into)
            complete = [row for row in rows if is_complete(row)]
            if not complete:
                raise FrontuneError("none of its rows is of a trial that came to its end")
            asked = _asked(sweep, file.name, ledger)
            found = [(row, result_of(row, asked)) for row in complete]
            with leased(ledger, sweep.name) as lease:
                news = _news(found, ledger.results(sweep.name), file.name if replacing else None)
                if news.new or news.gone:
                    guarded = replace(ledger, guard=lease.guard)
                    add_imported(guarded, sweep.name, news.new, news.gone)
                    files = _write_results(ledger, sweep, workspace)
        except FrontuneError as error:
            raise FrontuneError(f"'{file}': {error}") from error
    for line in _told(news, len(rows) - len(complete), file.name, sweep.name):
        click.echo(one_line(line))
    if news.new or news.gone:
        for written in files:
            click.echo(f"wrote {written}")


def _sweep(ledger: Ledger, rows: Sequence[ResultRow], into: str | None) -> SweepRecord:
    """The sweep that is asked for, else the one that the file names."""
    every = {sweep.name: sweep for sweep in ledger.sweeps()}
    named = sorted({row.cells["sweep"] for row in rows if "sweep" in row.cells})
    if into is None and len(named) != 1:
        shown = one_line(", ".join(named))
        what = f"is of {len(named)} sweeps ({shown})" if named else "names no sweep"
        raise FrontuneError(f"it {what}; --into NAME says which takes it; known: {', '.join(sorted(every))}")
    name = into or named[0]
    if name not in every:
        raise FrontuneError(
            f"{unknown_name('sweep', name, every)}; results stand beside a sweep that was run"
        )
    return every[name]


def _asked(sweep: SweepRecord, file: str, ledger: Ledger) -> Import:
    """The base is looked at only where nothing else tells what is asked."""
    own = ledger.trials(sweep.name)

    @cache
    def shape() -> Shape:
        from methods.loading import meta_base
        from sweeps.running import quiet_libraries

        quiet_libraries()
        return meta_base(sweep.base, bool(sweep.spec.get("trust_remote_code"))).shape

    return Import(sweep, file, shape, lambda: own[0].base_params if own else shape().total_params)


def _news(
    found: Sequence[tuple[ResultRow, TrialRecord]], known: Sequence[TrialRecord], replaced: str | None
) -> News:
    """Compare a file with what the sweep holds, where all that came from a file named `replaced` may go.

    Raises FrontuneError where two rows, or a row and what was imported before, are of one configuration and
    seed and differ in their score.
    """
    may_go = {_key(t): t for t in known if t.imported_from is not None and t.imported_from == replaced}
    staying = [t for t in known if t.imported_from is None or _key(t) not in may_go]
    stay = {_key(t): t for t in staying}
    # Where the file was written from this sweep, or from another that trained the same.
    same_trial = {(*_key(t), t.score) for t in staying}
    rows: dict[Key, tuple[ResultRow, TrialRecord]] = {}
    n_own = 0
    for row, result in found:
        if (row.cells.get("config_hash"), result.seed, result.score) in same_trial:
            n_own += 1
            continue
        first, other = rows.setdefault(_key(result), (row, result))
        if other.score != result.score:
            raise row.error(
                f"its score is {result.score:g} and that of row {first.number} {other.score:g}, though both "
                "are of one configuration and seed; a column seed, or label, tells them apart"
            )
        before = stay.get(_key(result))
        if before is not None and before.score != result.score:
            raise row.error(
                f"its score is {result.score:g}, but {before.imported_from} said {before.score:g} of this "
                "configuration and seed; --replace takes what a file of that name brings in its place"
            )
    same = {key for key, trial in may_go.items() if key in rows and rows[key][1].score == trial.score}
    new = [result for key, (_, result) in rows.items() if key not in stay and key not in same]
    gone = [trial.number for key, trial in may_go.items() if key not in same]
    return News(new, n_own + len(rows) - len(new), gone)


def _key(result: TrialRecord) -> Key:
    return result.config_hash, result.seed


def _write_results(ledger: Ledger, sweep: SweepRecord, workspace: Workspace) -> list[Path]:
    def untrained() -> float | None:
        return untrained_scores(ledger, sweep.name).get(sweep.metric)

    results, reports = ledger.results(sweep.name), workspace.sweep_reports(sweep.name)
    return results_if_possible(
        reports, sweep.name, results, untrained, lambda text: click.echo(text, err=True)
    )


def _told(news: News, n_unfinished: int, file: str, sweep: str) -> list[str]:
    n_new, n_gone = len(news.new), len(news.gone)
    if not n_new and not n_gone:
        every = "the only result" if news.n_known == 1 else f"all {news.n_known:,} results"
        first = f"nothing new: sweep {sweep} has {every} of {file} already"
    else:
        known = (
            f", {news.n_known} {'was' if news.n_known == 1 else 'were'} there already" if news.n_known else ""
        )
        gone = f", {n_gone} of what it brought before {'is' if n_gone == 1 else 'are'} gone" if n_gone else ""
        first = f"imported {several(n_new, 'result')} from {file} into sweep {sweep}{known}{gone}"
    whose = "its" if n_unfinished == 1 else "their"
    left_out = f"left out: {several(n_unfinished, 'trial')} of it that did not come to {whose} end"
    return [first, left_out] if n_unfinished else [first]
