"""`frontune report`: one file with all that a sweep found, and nothing live in it that users wrote."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from dashboards.dark import SURFACE, contrast, dark_color, dark_colors
from dashboards.figures import figure_names
from dashboards.report.effort import print_space, searched_methods
from dashboards.report.failures import failures, refused
from dashboards.report.page import _evenly
from dashboards.report.provenance import setups
from dashboards.report.recipe import recipe
from dashboards.report.tables import table
from storage.ledger import Ledger
from storage.records import Provenance, Refusal, SweepRecord, TrialRecord, TrialState
from storage.workspace import Workspace
from sweeps.rerun import rerun_command, sweep_file_text
from sweeps.spec import load_specs
from tests.conftest import Frontune, SweepFile
from tests.report_pages import MARKUP, NOW, hostile_workspace, read_page
from tests.test_pareto import make_trial

RUN = Provenance(NOW, {"torch": "2.13.0"}, "c0ffee", False, "b1", "d1", "p1", "cpu")


@pytest.fixture(scope="module")
def report(finished: Path, frontune: Frontune, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "small.html"
    result = frontune("report", "small", "--out", file, "--workspace", finished)
    assert (result.exit_code, result.stdout) == (0, f"wrote {file}\n"), result.output
    return file


def test_a_report_answers_its_question_at_the_top(report: Path) -> None:
    text = read_page(report).text
    assert "How few trainable parameters does demo need on" in text
    answer = text.index("The best score,")
    assert answer < text.index("Which configuration is best at which budget") < text.index("Figures", answer)
    assert "mean of 2 seeds" in text
    assert "95% interval" in text


def test_a_report_holds_search_effort_failures_provenance_and_the_command(report: Path) -> None:
    text = read_page(report).text
    # The search space of the sum, in the sweep file's words.
    assert "lora: {r q : 1, 2 or 4; lr: 0.01 or 0.03}" in text
    assert re.search(r"diverged 2 Adapter \^?H diverged at step", text)
    assert "Fingerprint of the data" in text
    assert "frontune-engine" in text
    assert "(set -C; cat > small.yaml) <<'END_OF_SWEEP_FILE' && name: small" in text
    assert "frontune run small.yaml" in text


def test_every_figure_with_data_is_in_it_once_with_its_numbers(report: Path) -> None:
    page = read_page(report)
    ids = {str(attributes.get("id")) for _, attributes in page.elements}
    drawn = [name for name in figure_names() if f"p1-{name}" in ids]
    # Eight configurations of each method would be needed to tell what matters.
    assert drawn == [name for name in figure_names() if name not in ("low_data", "importance")]
    plots = [each for each in page.tags("div") if each.get("role") == "img"]
    assert len(plots) == len(drawn) == len(page.tags("figcaption"))
    assert all(str(each["aria-describedby"]) in ids for each in plots)
    assert len(page.tags("details")) == len(drawn) - 1, "the front's table is open"
    source = report.read_text(encoding="utf-8")
    assert source.count("plotly.js v") == 1


def test_headings_are_in_order_and_identities_are_unique(report: Path) -> None:
    page = read_page(report)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert levels.count(1) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(each["href"]).removeprefix("#") for each in page.tags("a")]
    assert set(links) <= set(ids)
    assert page.tags("html") == [{"lang": "en"}]


def test_the_command_in_it_runs_the_same_sweep(finished: Path, report: Path, tmp_path: Path) -> None:
    with closing(Ledger.open(Workspace.open(finished, create=False).database_url)) as ledger:
        sweep = ledger.sweep("small")
    assert sweep is not None
    command = rerun_command("small", sweep.spec)
    written = command.partition("\n")[2].rpartition("END_OF_SWEEP_FILE")[0]
    (tmp_path / "small.yaml").write_text(written, encoding="utf-8")
    again = load_specs(tmp_path / "small.yaml")[0].model_dump(mode="json")
    assert again | {"workspace": ""} == {**sweep.spec, "workspace": ""}
    assert "null" not in written


def test_null_that_is_no_default_stays_in_the_sweep_file(sweep_file: SweepFile) -> None:
    spec = load_specs(sweep_file(), ("max_failures=null",))[0].model_dump(mode="json")
    assert yaml.safe_load(sweep_file_text(spec))["max_failures"] is None


def test_a_sweep_files_text_cannot_end_the_command_early() -> None:
    command = rerun_command("x", {"name": "x", "points": ["END_OF_SWEEP_FILE\nrm -rf /"]})
    assert command.startswith("(set -C; cat > x.yaml) <<'END_OF_SWEEP_FILE_' &&\n")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_command_writes_over_no_file_of_the_readers(shell: str, tmp_path: Path) -> None:
    frontune = tmp_path / "bin" / "frontune"
    frontune.parent.mkdir()
    frontune.write_text('#!/bin/sh\necho "$@" >> ran\n')
    frontune.chmod(0o755)

    def paste(sweep: str) -> int:
        command = rerun_command(sweep, {"name": sweep, "notes": "it's $HOME `x` \\n"})
        path = f"{frontune.parent}:{os.environ['PATH']}"
        return subprocess.run(
            [shell],
            input=command,
            text=True,
            cwd=tmp_path,
            env={"PATH": path},
            capture_output=True,
            check=False,
        ).returncode

    assert paste("new") == 0
    assert yaml.safe_load((tmp_path / "new.yaml").read_text())["notes"] == "it's $HOME `x` \\n"
    (tmp_path / "mine.yaml").write_text("of the reader\n")
    assert paste("mine") != 0
    assert (tmp_path / "mine.yaml").read_text() == "of the reader\n"
    assert (tmp_path / "ran").read_text() == "run new.yaml\n"


def test_nothing_that_users_wrote_is_live(
    make_workspace: Callable[[], Path], frontune: Frontune, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.html"
    workspace = hostile_workspace(make_workspace())
    result = frontune("report", "hostile", "--out", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    page = read_page(file)
    own = [each.get("type") for each in page.tags("script")]
    assert own.count(None) == 2, "plotly.js and the page's own"
    assert set(own) == {None, "application/json"}
    assert not page.tags("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert {str(each["href"])[0] for each in page.tags("a")} == {"#"}
    # In the spelling of the page, so it was not left out either.
    assert page.text.count("window.pwned = 1") > 50
    assert "{{ 7 * 7 }}" in page.text
    assert ">49<" not in page.text


def test_what_figures_hold_of_users_texts_is_escaped_for_plotly_too(
    make_workspace: Callable[[], Path], frontune: Frontune, tmp_path: Path
) -> None:
    file = tmp_path / "hostile.html"
    frontune("report", "hostile", "--out", file, "--workspace", hostile_workspace(make_workspace()))
    found = re.findall(r'<script type="application/json">(.*?)</script>', file.read_text(encoding="utf-8"))
    assert len(found) > 3
    for figure in map(json.loads, found):
        for text in texts_of(figure):
            assert "<img" not in text
            assert "<script" not in text
            assert "<a " not in text


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        # A name that traces share, and which is not drawn.
        inner = [each for key, each in value.items() if key != "legendgroup"]
    else:
        inner = value if isinstance(value, list) else []
    return [text for each in inner for text in texts_of(each)]


def test_sizes_of_a_low_data_study_are_one_report(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    workspace = make_workspace()
    task = {"name": "demo", "train_examples": [12, 24], "eval_examples": 12}
    file = sweep_file("sized", task=task, trials=3, seeds=[0])
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    asked = ["plot", "sized", "--figure", "tradeoff", "--out", str(tmp_path / "a.html")]
    refused = frontune(*asked, "--workspace", workspace)
    again = shlex.join(["frontune", "plot", "sized-12", *asked[2:], "--workspace", str(workspace)])
    assert refused.stderr == (
        f"frontune: sized is 2 sweeps: sized-12, sized-24; wanted one of them, such as `{again}`\n"
    )
    result = frontune("report", "sized", "--workspace", workspace)
    written = workspace / "reports" / "sized" / "report.html"
    assert result.stdout == f"wrote {written}\n", result.output
    page = read_page(written)
    ids = {str(attributes.get("id")) for _, attributes in page.elements}
    assert {"sizes", "p1-tradeoff", "p2-tradeoff"} <= ids
    assert "The score of 3 methods by the number of training examples" in page.text
    assert page.text.index("Answers") < page.text.index("The best score,") < page.text.index("The score of 3")
    assert page.text.index("By training examples") < page.text.index("sized-12") < page.text.index("sized-24")
    assert "frontune run sized-24.yaml" in page.text
    assert written.read_text(encoding="utf-8").count("plotly.js v") == 1


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("report.pdf", "got suffix '.pdf', wanted .html"),
        ("absent/report.html", "does not exist"),
        (".", "got suffix '', wanted .html"),
    ],
)
def test_a_file_that_cannot_be_is_refused(
    out: str, said: str, finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    result = frontune("report", "small", "--out", tmp_path / out, "--workspace", finished)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing(
    finished: Path, frontune: Frontune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = frontune("report", "small", "--out", tmp_path / "r.html", "--workspace", finished)
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_sweep_is_refused(finished: Path, frontune: Frontune) -> None:
    result = frontune("report", "smal", "--workspace", finished)
    assert (result.exit_code, "did you mean 'small'" in result.stderr) == (2, True)


def report_of(trials: Sequence[TrialRecord], folder: Path, frontune: Frontune) -> Result:
    spec = {"name": "s", "methods": {"lora": {"r_q": [1, 2]}}, "trials": 2}
    with closing(Ledger.open(Workspace.open(folder, create=True).database_url)) as ledger:
        ledger.add_sweep(SweepRecord("s", "tiny", "demo", "accuracy", spec, NOW))
        for trial in trials:
            ledger.save_trial(replace(trial, sweep="s", task="demo", base="tiny"))
    return frontune("report", "s", "--out", folder / "s.html", "--workspace", folder)


def test_a_sweep_without_any_trial_has_no_report(frontune: Frontune, tmp_path: Path) -> None:
    result = report_of([], tmp_path, frontune)
    said = "frontune: sweep 's' has no trial yet, so there is nothing to report\n"
    assert (result.exit_code, result.stderr) == (2, said)
    assert not (tmp_path / "s.html").exists()


@pytest.mark.parametrize("state", ["failed", "pruned"])
def test_a_sweep_without_a_score_is_reported_with_its_failures_and_no_empty_figure(
    state: TrialState, frontune: Frontune, tmp_path: Path
) -> None:
    reason = "diverged at step 3: loss nan" if state == "failed" else None
    trials = [make_trial(number=n, seed=n, state=state, score=None, reason=reason) for n in range(2)]
    result = report_of(trials, tmp_path, frontune)
    assert result.exit_code == 0, result.output
    page = read_page(tmp_path / "s.html")
    assert f"2 trials (2 {state})" in page.text
    assert "No trial has a score." in page.text
    assert ("diverged at step 3" in page.text) == (state == "failed")
    figures = {str(each["id"]) for _, each in page.elements if "-words" in str(each.get("id"))}
    assert figures == {"p1-effort-words"}
    front = frontune("pareto", "s", "--workspace", tmp_path)
    assert "0 of 0 configurations" in front.stdout
    assert "accuracy" in front.stdout
    assert "Score" not in front.stdout
    compared = frontune("compare", "s", "lora", "adapter_h", "--workspace", tmp_path)
    assert (compared.exit_code, "lora has no scored configuration" in compared.stderr) == (2, True)


def test_one_trial_is_reported_with_its_score(frontune: Frontune, tmp_path: Path) -> None:
    result = report_of([make_trial(score=0.5)], tmp_path, frontune)
    assert result.exit_code == 0, result.output
    assert "The best score, 50.0 demo accuracy" in read_page(tmp_path / "s.html").text


def test_failures_of_one_reason_stand_together_whatever_their_numbers() -> None:
    reasons = {
        0: "diverged at step 3: loss nan, gradient norm 1.5e+30",
        1: "diverged at step 17: loss 2.5, gradient norm inf",
        2: "ValueError: a plugin's own\nTraceback (most recent call last)",
    }
    trials = [make_trial(number=n, state="failed", score=None, reason=why) for n, why in reasons.items()]
    trials += [make_trial(number=3, state="infeasible", score=None, reason="out of memory with one row")]
    found = [(each.kind, each.count, each.message, each.numbers) for each in failures(trials)]
    assert found == [
        ("diverged", 2, reasons[0], (0, 1)),
        ("ValueError", 1, "ValueError: a plugin's own", (2,)),
        ("out of memory", 1, "out of memory with one row", (3,)),
    ]
    refusals = [Refusal("s", "lora", f"r_q = {n}", f"{n},000 are more than 10") for n in range(3)]
    assert [(each.count, each.message) for each in refused(refusals)] == [(3, "0,000 are more than 10")]


def test_runs_with_one_set_up_are_told_once() -> None:
    later = replace(RUN, created_at=NOW + timedelta(hours=1))
    other = replace(later, device="cuda:0", git_dirty=True)
    found = setups([RUN, other, later])
    assert [(each.n_runs, each.last.created_at) for each in found] == [
        (2, later.created_at),
        (1, later.created_at),
    ]
    assert dict(found[0].facts)["Run"] == "2026-03-01 12:00 UTC to 2026-03-01 13:00 UTC, 2 runs"
    assert dict(found[1].facts)["Git commit"] == "c0ffee with uncommitted changes"


def test_a_search_space_is_written_on_one_line() -> None:
    block = {"r_q": [1, 2, 4], "r_v": "r_q", "lr": {"low": 1e-3, "high": 0.1, "log": True}}
    assert print_space(block) == "r_q: 1, 2 or 4; r_v: r_q; lr: 1e-3 to 0.1 (log)"
    assert print_space({"lora": {"r_q": [1]}, "prefix_embed": {}}) == (
        "lora: {r_q: 1}; prefix_embed: {its defaults}"
    )


def test_the_recipe_is_what_trials_had() -> None:
    asked = {
        "lr": 2e-4,
        "epochs": 1.0,
        "steps": 9,
        "batch_size": 8,
        "schedule": "linear",
        "micro_batch": None,
    }
    sweep = SweepRecord("s", "tiny", "demo", "accuracy", {"recipe": asked}, NOW)
    kinds: list[dict[str, Any]] = [
        {"lr": 1e-2, "batch_size": 4, "steps": 9, "hyperparameters": {"schedule": "cosine"}},
        {
            "lr": None,
            "batch_size": 8,
            "steps": 9,
            "hyperparameters": {"lora.lr": 3e-3, "prefix_embed.lr": 1e-1},
        },
        {"lr": 2e-2, "batch_size": 8, "steps": 3, "state": "pruned"},
    ]
    trials = [make_trial(number=number, **kind) for number, kind in enumerate(kinds)]
    assert recipe(sweep, trials) == [
        ("lr", "3e-3 to 1e-1 in the trials"),
        ("steps", "9"),
        ("batch_size", "4 or 8 in the trials"),
        ("schedule", "cosine or linear in the trials"),
    ]
    assert recipe(sweep, [])[0] == ("lr", "2e-4")


def test_what_a_method_took_stands_beside_what_was_searched_of_it() -> None:
    spec = {"methods": {"lora": {"r_q": [1, 2]}, "adapter_h": {}}, "points": ["lora(r_q=8, lr=1e+30)"]}
    trials = [
        make_trial(number=0, train_seconds=2.0, eval_seconds=1.0, train_tokens=50),
        make_trial(number=1, train_seconds=9.0, train_tokens=90, reused_from="other/3"),
        make_trial(number=2, state="failed", score=None),
    ]
    sweep = SweepRecord("s", "tiny", "demo", "accuracy", spec, NOW)
    adapter, lora = searched_methods(sweep, trials)
    assert (adapter.method, adapter.space, adapter.n_trials) == ("adapter_h", "its defaults", 0)
    assert lora.space == "r_q: 1 or 2 and points: lora(r_q=8, lr=1e+30)"
    assert (lora.trials, lora.seconds, lora.tokens) == ({"complete": 1, "reused": 1, "failed": 1}, 3.0, 50)


def test_tables_are_capped_and_say_so() -> None:
    found = table("Many", ("Name", "Value"), [(str(n), f"{n:,}") for n in range(1000)])
    assert (len(found.rows), found.n_rows, found.numeric) == (50, 1000, [False, True])


@pytest.mark.parametrize("colour", ["#2B2B2B", "#6E6E6E", "#000000", "#882255", "#0072B2", "rgb(68, 1, 84)"])
def test_colours_of_figures_are_legible_on_a_dark_page(colour: str) -> None:
    from dashboards.dark import _parse

    assert contrast(_parse(dark_color(colour))[0], _parse(SURFACE)[0]) >= 4.5


def test_a_dark_page_keeps_white_behind_and_grids_faint() -> None:
    assert dark_color("white") == SURFACE
    assert dark_colors(['{"color": "black", "name": "whitening", "fill": "rgba(110, 110, 110, 0.18)"}']) == {
        "black": dark_color("#000000"),
        "rgba(110, 110, 110, 0.18)": dark_color("rgba(110, 110, 110, 0.18)"),
    }
    assert dark_color("rgba(110, 110, 110, 0.18)").endswith(", 0.18)")


def test_markup_of_the_attack_is_what_it_should_be() -> None:
    assert all(part in MARKUP for part in ("<script>", "onerror", "javascript:", "</script>", '"', "'"))


def test_a_long_front_is_told_at_its_ends_and_evenly_between() -> None:
    assert _evenly(range(100), 4) == [0, 33, 66, 99]
    assert _evenly(range(3), 4) == [0, 1, 2]
