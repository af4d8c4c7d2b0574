"""Markup, formulas and line breaks planted in every text that files and errors bring are nothing but text."""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from dashboards.imported import MARK, marked
from dashboards.live.app import make_app
from dashboards.live.filters import Filters, front_figure
from dashboards.live.reading import Reader
from dashboards.live.running import plot_running, running_trials
from dashboards.live.trials_view import _table
from dashboards.markdown import markdown_text
from dashboards.printing import one_line
from storage.imported import add_imported
from storage.ledger import Ledger
from storage.read_only import open_read_only
from storage.records import (
    Measurement,
    RungScore,
    SweepRecord,
    TrialOutcome,
    TrialProgress,
    TrialRecord,
    TrialState,
)
from storage.workspace import Workspace
from sweeps.display import Display
from sweeps.introduction import note_of
from sweeps.trial import Progress
from tests.conftest import Frontune
from tests.report_pages import NOW, read_page
from tests.test_pareto import make_trial
from tests.test_report import texts_of

MARKUP = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) ![x](https://x.org/x)"
)
PLANTED = (
    f"{MARKUP} | `a` *b* _c_ ~~d~~ $e$ &lt;f&gt; https://x.org www.x.org \\",
    f'=HYPERLINK("https://x.org") {MARKUP}',
    f"@SUM(1)\n\n| x | y |\r\n# {MARKUP}\n---",
    f"+1\\\\|{MARKUP}\x1b[31m\x1b]0;x\x07",
    f"-1 [4pt] \\input{{x}} %{MARKUP}",
    f"\t=1+1 & # ^ {MARKUP}",
    f"\r=1+1 {MARKUP} [/red][red]",
    f"*{MARKUP}",
    f"[4pt]{MARKUP}",
)
EVERYWHERE = "\n".join(PLANTED)
LIVE = re.compile(r"<(?!/?(?:b|i|sub|sup|br|extra)>)")
"""What Plotly takes for markup, but for what figures write themselves."""
LAYOUTS = ("14", "15", "16", "18")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose file `planted` made two sweeps of different numbers of examples."""
    folder = tmp_path_factory.mktemp("planted")
    with closing(Ledger.open(Workspace.open(folder, create=True).database_url)) as ledger:
        for size in (12, 24):
            name = f"planted-{size}"
            task = {"name": EVERYWHERE, "prompt": EVERYWHERE, "train_examples": size}
            spec = {"name": name, "part_of": "planted", "task": task, "methods": {EVERYWHERE: EVERYWHERE}}
            ledger.add_sweep(SweepRecord(name, EVERYWHERE, EVERYWHERE, EVERYWHERE, spec, NOW))
            for at, text in enumerate(PLANTED * 2):
                _plant(ledger, name, at, text, "failed" if at == len(PLANTED) else "complete")
            _plant(ledger, name, 2 * len(PLANTED), EVERYWHERE, "running")
            add_imported(ledger, name, [_imported(name, at, text) for at, text in enumerate(PLANTED)])
    return folder


def _imported(sweep: str, at: int, text: str) -> TrialRecord:
    brought: dict[str, Any] = {
        "title": marked(text),
        "label": text,
        "imported_from": text,
        "config_hash": f"elsewhere {at}",
    }
    return replace(_planted(sweep, 50 + at, text, "complete"), reason=None, **brought)


def _plant(ledger: Ledger, sweep: str, number: int, text: str, state: TrialState) -> None:
    measured = tuple(Measurement(m, "validation", 400, 0.5) for m in ("bleu", "bleu/all", "loss"))
    ledger.save_outcome(TrialOutcome(_planted(sweep, number, text, state), measured))


def _planted(sweep: str, number: int, text: str, state: TrialState) -> TrialRecord:
    return make_trial(
        sweep=sweep,
        study=f"{sweep}/{text}",
        number=number,
        state=state,
        method=text,
        title=text,
        label=f"{text}{number // len(PLANTED)}",
        hyperparameters={text: text, "r": number + 1},
        trainable_params=10 * number + 10,
        score=0.01 * number if state == "complete" else None,
        base=EVERYWHERE,
        task=EVERYWHERE,
        metric=EVERYWHERE,
        device=text,
        git_commit=text,
        reason=text,
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_markdown_tables_hold_planted_text_as_text(planted: Path, frontune: Frontune, layout: str) -> None:
    printed = frontune(
        *("table", "planted", "--format", "markdown", "--layout", layout, "--workspace", planted)
    )
    assert printed.exit_code == 0, printed.output
    _assert_dead(printed.stdout)
    cells = {text for row in _markdown_rows(printed.stdout) for text in row}
    assert {one_line(text) for text in PLANTED} <= cells
    if layout == "15":
        assert {one_line(marked(text)) for text in PLANTED} <= cells
        notes = [line for line in printed.stdout.splitlines() if line.startswith(f"{MARK} trained elsewhere")]
        assert len(notes) == 2
    tables = printed.stdout.count("| --- |")
    lines = [line for line in printed.stdout.splitlines() if line.startswith("|")]
    assert len(_markdown_rows(printed.stdout)) == len(lines) - tables


def test_the_note_in_mlflow_holds_planted_text_as_text() -> None:
    spec = SimpleNamespace(task=SimpleNamespace(name=EVERYWHERE), base=EVERYWHERE)
    plan: Any = SimpleNamespace(spec=spec, methods=list(PLANTED))
    note = note_of(plan)
    _assert_dead(note)
    text = _text(MarkdownIt("commonmark").parse(note))
    assert text.startswith(
        f"Sweep of {', '.join(map(one_line, PLANTED))} on {one_line(EVERYWHERE)} with base"
    )
    assert len(note.splitlines()) == 1


@pytest.mark.parametrize("text", [*PLANTED, EVERYWHERE, "r_q = r_v = 2", "R&D", "a < b", "&amp;"])
def test_text_in_markdown_reads_as_it_was_written(text: str) -> None:
    assert _text(MarkdownIt("commonmark").parse(f"x {markdown_text(text)} x")) == f"x {one_line(text)} x"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_latex_tables_run_no_planted_command(planted: Path, frontune: Frontune, layout: str) -> None:
    printed = frontune("table", "planted", "--format", "latex", "--layout", layout, "--workspace", planted)
    assert printed.exit_code == 0, printed.output
    own = r"tabular|toprule|midrule|bottomrule|begin|end|text(?:bf|superscript|backslash|bar|less|greater)"
    own += "|textascii(?:tilde|circum)|pm|checkmark|dagger|multicolumn|footnotesize"
    commands = set(re.findall(r"\\([a-zA-Z]+)", printed.stdout))
    assert all(re.fullmatch(own, command) for command in commands), commands
    rows = [line for line in printed.stdout.splitlines() if line.endswith(r"\\")]
    assert len(rows) > len(PLANTED)
    assert not [line for line in printed.stdout.splitlines() if line.startswith(("[", "*"))]
    assert not re.search(r"(?<![\\\n])[%#]", printed.stdout)
    assert "\\textbackslash{}input\\{x\\}" in printed.stdout


@pytest.mark.parametrize(
    "arguments", [("table", "--format", "csv", "--layout", n) for n in LAYOUTS] + ["pareto"]
)
def test_no_cell_of_a_csv_is_a_formula(
    planted: Path, frontune: Frontune, tmp_path: Path, arguments: Any
) -> None:
    if arguments == "pareto":
        files = [tmp_path / "front.csv", tmp_path / "all.csv"]
        for file, every in zip(files, ((), ("--all",)), strict=True):
            asked = frontune("pareto", "planted", "--csv", file, *every, "--workspace", planted)
            assert asked.exit_code == 0, asked.output
        texts = [file.read_bytes().decode() for file in files]
    else:
        texts = [frontune(arguments[0], "planted", *arguments[1:], "--workspace", planted).stdout]
    for text in texts:
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert len(rows) > 1
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n")), cell
            assert not cell.startswith("-") or re.fullmatch(r"-|-\d[\d.e+-]*", cell), cell
        assert any(cell.startswith("'=HYPERLINK") for row in rows for cell in row)
    whole = [row for row in csv.reader(io.StringIO(texts[-1], newline="")) if row]
    assert len({len(row) for row in whole}) <= (2 if arguments != "pareto" else 1)


def test_a_report_runs_and_links_nothing_planted(planted: Path, frontune: Frontune, tmp_path: Path) -> None:
    file = tmp_path / "planted.html"
    written = frontune("report", "planted", "--out", file, "--workspace", planted)
    assert written.exit_code == 0, written.output
    page = read_page(file)
    assert [each.get("type") for each in page.tags("script")].count(None) == 2
    assert not page.tags("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(str(each["href"]).startswith("#") for each in page.tags("a"))
    assert " ".join(one_line(MARKUP).split()) in page.text
    figures = re.findall(r'<script type="application/json">(.*?)</script>', file.read_text(encoding="utf-8"))
    assert len(figures) > 3
    for each in figures:
        assert not [text for text in _drawn(json.loads(each)) if LIVE.search(text)]


def test_the_live_page_shows_planted_text_as_text(planted: Path) -> None:
    with closing(open_read_only(Workspace.open(planted, create=False).database_url)) as ledger:
        trials = ledger.results("planted-12")
        layout = (
            make_app(Reader(ledger), str(planted)).test_client().get("/_dash-layout").get_data(as_text=True)
        )
    progress = TrialProgress(2 * len(PLANTED), 2, 4, NOW, 1, NOW - timedelta(seconds=9), ((1, 2.0), (2, 1.0)))
    running = running_trials(trials, [progress], [RungScore(progress.number, 0, 2, 0.5)], NOW)
    assert len(running) == 1
    for figure in (front_figure(trials, EVERYWHERE, Filters()), plot_running(running, EVERYWHERE)):
        found = _drawn(json.loads(figure.to_json()))
        assert any("alert(1)" in text for text in found)
        assert not [text for text in found if LIVE.search(text)]
    # Its components show text as text but for these.
    shown = json.dumps([each.to_plotly_json() for each in _table(trials, set())], default=_plain) + layout
    assert "alert(1)" in shown
    assert not re.search(r'"type": ?"(Markdown|DangerouslySetInnerHTML|Iframe|Script)"', shown)
    assert "dangerously_allow_html" not in shown
    assert '"href"' not in shown


def test_a_terminal_is_told_nothing_planted(planted: Path, frontune: Frontune) -> None:
    for arguments in (("list",), ("status", "planted"), ("table", "planted"), ("pareto", "planted")):
        said = frontune(*arguments, "--workspace", planted)
        assert said.exit_code == 0, said.output
        assert "\x1b" not in said.stdout
        assert "\x07" not in said.stdout


def test_bars_of_running_trials_take_no_text_for_rich_markup() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=400, color_system="truecolor")
    with Display(console, "planted", 3) as display:
        for number, text in enumerate(("[/red]x", "[red]y", PLANTED[6])):
            trial = make_trial(number=number, title=text, label=text, state="failed", reason=text)
            display.started(trial)
            display.stepped(Progress(number, 1, 4, 0.5, 100.0))
            display.ended(trial)
    assert "trial 0 [/red]x [/red]x" in output.getvalue()
    assert "\x1b[31m" not in output.getvalue()


def _drawn(figure: dict[str, Any]) -> list[str]:
    """The texts of a figure, but for its name, which is not drawn."""
    layout = {key: value for key, value in figure["layout"].items() if key != "meta"}
    return texts_of({**figure, "layout": layout})


def _plain(component: Any) -> Any:
    return component.to_plotly_json()


def _assert_dead(markdown: str) -> None:
    """No reader of Markdown, GitHub's among them, finds a link, a picture or HTML in it."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    kinds = {inner.type for token in tokens for inner in (token, *(token.children or ()))}
    assert not kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "em_open",
        "s_open",
        "heading_open",
    }
    assert not re.search(r"(?i)https?:|www\.|javascript:|<", markdown)


def _markdown_rows(markdown: str) -> list[list[str]]:
    tokens, rows = MarkdownIt("commonmark").enable("table").parse(markdown), list[list[str]]()
    for before, token in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            rows[-1].append(_text([token]))
    return rows


def _text(tokens: list[Any]) -> str:
    inner = [child for token in tokens for child in token.children or ()]
    return "".join(child.content for child in inner)
