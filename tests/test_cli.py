"""The command: what each of its parts prints of a finished sweep, and that it starts without slow imports."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from rich.console import Console

from dashboards.imported import trial_names
from dashboards.pareto import pareto_front
from dashboards.table15 import table_rows
from methods.errors import FrontuneError
from methods.registry import known_methods
from storage.records import TrialRecord
from sweeps.catalogue import preset_files
from sweeps.cli import main
from sweeps.display import Display
from sweeps.line_breaks import broken
from sweeps.own_packages import check_own_packages
from sweeps.tasks import known_tasks
from sweeps.trial import Progress
from sweeps.ui import ui_command
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import trials_of
from tests.test_pareto import make_trial

# The columns of a trial in files and frames: FIRST stand before its hyperparameters, LAST after them.
FIRST = "sweep study trial state is_pareto method config_hash seed base task"
LAST = (
    "score metric trainable_params stored_params trainable_pct lr batch_size steps train_seconds "
    "eval_seconds wall_seconds tokens_per_second peak_memory_bytes device mlflow_run_id created_at git_commit"
    " score_mean score_std n_seeds front_probability imported_from train_tokens reused_from reason"
)
COMMANDS = (
    "run plan resume refine list status pareto table plot compare report dashboard subspace export import "
    "test score ui doctor methods tasks presets count version schema"
)


def rows_of(file: Path) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(file.read_text()))
    rows = list(reader)
    return list(reader.fieldnames or []), rows


def ok(frontune: Frontune, *arguments: object) -> str:
    result = frontune(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def test_list_names_every_sweep_with_its_states(finished: Path, frontune: Frontune) -> None:
    text = ok(frontune, "list", "--workspace", finished)
    assert text.startswith("small: demo on ")
    assert "12 complete, 2 failed, begun " in text


def test_sentences_break_between_words_on_a_terminal_and_nowhere_in_a_file() -> None:
    text = "  trial 3 LoRA r = 2: diverged at step 12 of 100\nshort"
    terminal = Console(width=30, force_terminal=True, file=io.StringIO())
    assert broken(text, terminal) == "  trial 3 LoRA r = 2: diverged\n      at step 12 of 100\nshort"
    assert broken(text, Console(width=30, file=io.StringIO())) == text


def test_status_tells_states_failures_refusals_and_the_front(finished: Path, frontune: Frontune) -> None:
    text = ok(frontune, "status", "small", "--workspace", finished)
    assert "14 of 14 trials" in text
    assert "  12 complete\n  2 failed\n" in text
    assert "  trial 0 Adapter^H r = 2: diverged at step" in text
    assert "  refused: lora r_q = 99: r_q = 99 is more than the matrix can hold" in text
    rows = table_rows(trials_of(finished))
    front = [row for row in rows if row.is_pareto]
    assert f"Pareto front: {len(front)} of {len(rows)} configurations" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  ") and "±" in line] == [
        trial_names(row.trials) for row in front
    ]


@pytest.mark.parametrize("command", ["status", "table", "pareto", "plot"])
def test_an_unknown_sweep_is_refused_with_the_nearest(
    finished: Path, frontune: Frontune, command: str, tmp_path: Path
) -> None:
    options = {"pareto": ["--csv", tmp_path / "x.csv"], "plot": ["--out", tmp_path / "x.html"]}
    result = frontune(command, "smal", *options.get(command, []), "--workspace", finished)
    assert result.exit_code == 2
    assert result.stderr == "frontune: unknown sweep 'smal'; did you mean 'small'? known: small\n"
    assert not list(tmp_path.iterdir())


def test_the_csv_has_the_columns_of_a_trial_in_their_order_and_one_row_a_trial(
    finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    every, front = tmp_path / "all.csv", tmp_path / "front.csv"
    assert (
        ok(frontune, "pareto", "small", "--csv", every, "--all", "--workspace", finished)
        == f"wrote {every}\n"
    )
    ok(frontune, "pareto", "small", "--csv", front, "--workspace", finished)
    columns, rows = rows_of(every)
    first, last = FIRST.split(), LAST.split()
    assert columns[: len(first)] == first
    assert columns[-len(last) :] == last
    between = columns[len(first) : -len(last)]
    assert {"r_q", "n_layers", "lora.r_q", "lora.lr", "prefix_embed.l_p", "prefix_embed.lr"} <= set(between)
    assert between == sorted(between)
    trials = trials_of(finished)
    assert [int(row["trial"]) for row in rows] == list(range(14))
    for row, trial in zip(rows, trials, strict=True):
        assert row["score"] == ("" if trial.score is None else repr(trial.score))
        assert int(row["trainable_params"]) == trial.trainable_params
        assert (row["study"], row["seed"]) == (trial.study, str(trial.seed))
    front_columns, front_rows = rows_of(front)
    assert front_columns == columns
    assert [row["is_pareto"] for row in front_rows] == ["true"] * len(pareto_front(trials))


def test_the_table_comes_in_three_forms(finished: Path, frontune: Frontune) -> None:
    rich, markdown, text = (
        ok(frontune, "table", "small", "--format", form, "--workspace", finished)
        for form in ("rich", "markdown", "csv")
    )
    for form in (rich, markdown, text):
        assert "LoRA+PE" in form
        assert "FT^Top2" in form
    assert markdown.count("|\n") > 6
    assert len(list(csv.reader(io.StringIO(text)))) > 6


def test_the_plot_is_an_html_file_and_other_endings_are_refused(
    finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    ok(frontune, "plot", "small", "--out", tmp_path / "plot.html", "--workspace", finished)
    assert "plotly" in (tmp_path / "plot.html").read_text()
    result = frontune("plot", "small", "--out", tmp_path / "plot.docx", "--workspace", finished)
    assert result.exit_code == 2
    assert ".docx" in result.stderr


def test_a_finished_sweep_has_left_its_front_table_and_plot(
    finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    reports = finished / "reports" / "small"
    assert {file.name for file in reports.iterdir()} == {
        "pareto.csv",
        "trials.csv",
        "table.md",
        "tradeoff.html",
    }
    ok(frontune, "pareto", "small", "--csv", tmp_path / "x.csv", "--workspace", finished)
    assert (tmp_path / "x.csv").read_bytes() == (reports / "pareto.csv").read_bytes()
    assert ok(frontune, "pareto", "small", "--workspace", finished, "--csv") == (
        (reports / "pareto.csv").read_text(encoding="utf-8")
    )
    file = tmp_path / "y.csv"
    both = frontune("pareto", "small", "--json", "--csv", file, "--workspace", finished)
    assert [row["is_pareto"] for row in json.loads(both.stdout)] == [True] * len(rows_of(file)[1])
    assert both.stderr == f"wrote {file}\n"
    for options, why in ((["--parquet"], "--parquet needs a file"), (["--json", "--csv"], "cannot both be")):
        refused = frontune("pareto", "small", *options, "--workspace", finished)
        assert (refused.exit_code, refused.stdout, why in refused.stderr) == (2, "", True)


def test_methods_tasks_presets_and_versions_are_listed(frontune: Frontune) -> None:
    methods, tasks = ok(frontune, "methods"), ok(frontune, "tasks")
    assert all(f"{name}  (" in methods for name in known_methods())
    assert "r_q: int = 0" in methods
    assert all(f"{name}  ({task.metric}): " in tasks for name, task in known_tasks().items())
    presets = ok(frontune, "presets")
    # 14 trials of 125 steps of 8 rows of 49 tokens.
    assert "demo: demo on tiny, 18 trials, about 328 k training tokens\n" in presets
    assert "mnli-smollm2: mnli on smollm2-135m, 14 trials, about 686 k training tokens\n" in presets
    assert "table14: webnlg on gpt2-medium, gpt2-large, 33 trials, about " in presets
    assert ok(frontune, "presets", "show", "demo") == preset_files()["demo"].read_text()
    assert frontune("presets", "show", "dmeo").exit_code == 2
    names = [line.split()[0] for line in ok(frontune, "version").splitlines()]
    assert names[0] == "frontune"
    assert {"torch", "transformers", "optuna", "mlflow", "python"} <= set(names)


def test_every_command_is_there_and_has_a_sentence(frontune: Frontune) -> None:
    assert set(main.commands) == set(COMMANDS.split())
    text = ok(frontune, "--help")
    for name in COMMANDS.split():
        assert f"  {name} " in text
        assert main.commands[name].help
        assert ok(frontune, name, "--help").startswith("Usage: ")


def test_the_command_alone_shows_its_help_and_ends_with_2(frontune: Frontune) -> None:
    result = frontune()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_ui_starts_mlflow_on_the_loopback_address_with_this_workspaces_stores(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], env: dict[str, str]) -> Any:
        started.append((command, env))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(SystemExit) as ended:
        ui_command(str(finished), 5001, "small")
    assert ended.value.code == 0
    experiment = MlflowClient(f"sqlite:///{finished / 'mlflow.db'}").get_experiment_by_name("small")
    where = f"http://127.0.0.1:5001/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=front"
    assert capsys.readouterr().out.splitlines()[1] == f"small is at {where}"
    with pytest.raises(FrontuneError, match="unknown sweep 'smal'; did you mean 'small'"):
        ui_command(str(finished), 5001, "smal")
    assert capsys.readouterr().out == ""
    ((command, environment),) = started
    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options == {
        "--default-artifact-root": str(finished / "mlartifacts"),
        "--host": "127.0.0.1",
        "--port": "5001",
    }
    assert environment["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{finished / 'mlflow.db'}"


def test_ui_without_a_store_says_what_to_do(frontune: Frontune, tmp_path: Path) -> None:
    result = frontune("ui", "--workspace", tmp_path)
    assert result.exit_code == 2
    assert "has no MLflow store yet; run a sweep first" in result.stderr


def test_help_needs_none_of_the_slow_packages() -> None:
    program = (
        "import sys, json\n"
        "from sweeps.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: ")
    roots = {name.partition(".")[0] for name in json.loads(done.stderr)}
    slow = {
        "torch",
        "transformers",
        "mlflow",
        "optuna",
        "pydantic",
        "sqlalchemy",
        "plotly",
        "numpy",
        "rich",
        "yaml",
    }
    assert not roots & slow


def test_a_package_of_the_same_name_from_elsewhere_is_named(tmp_path: Path) -> None:
    check_own_packages()
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "__init__.py").touch()
    home = str(Path(__file__).resolve().parents[1])
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {home!r}]"
    program = f"{path}\nfrom sweeps.cli import main\nmain(['tasks'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert (
        f"the package 'dashboards' is imported from '{tmp_path / 'dashboards' / '__init__.py'}'"
        in done.stderr
    )


def test_without_a_terminal_a_trial_is_a_line_and_nothing_else_is_printed() -> None:
    text = io.StringIO()
    running = make_trial(state="running", score=None)
    with Display(Console(file=text), "s", 3) as display:
        for trial in (make_trial(), make_trial(number=1, reused_from="s/0")):
            display.started(running)
            display.stepped(Progress(trial.number, 1, 2, 0.5, 100.0))
            display.ended(trial)
        display.ended(failed())
    lines = text.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        "[1/3] trial 0 LoRA r_q = r_v = 2, lr 2e-4, seed 0: accuracy 90.0 with 0.2 M param"
    )
    assert lines[1].endswith("(reused from s/0)")
    assert lines[2] == "[3/3] trial 2 LoRA r_q = r_v = 2: failed: ValueError: a bug"
    assert "\x1b" not in text.getvalue()


def test_on_a_terminal_there_is_a_bar_for_the_sweep_and_one_for_the_trial() -> None:
    text = io.StringIO()
    with Display(Console(file=text, force_terminal=True, width=150), "s", 3) as display:
        display.went_on(1)
        display.started(make_trial(number=1))
        display.stepped(Progress(1, 1, 2, 0.5, 1234.0))
        assert display._bars is not None
        display._bars.refresh()
        display.ended(make_trial(number=1))
    for part in ("sweep s", "1/3", "trial 1 LoRA", "loss 0.500  1,234 tokens/s", "[2/3] trial 1 LoRA"):
        assert part in text.getvalue()


def failed() -> TrialRecord:
    return make_trial(number=2, state="failed", score=None, reason="ValueError: a bug\nTraceback ...\n")


def test_a_workspace_whose_name_looks_like_a_number_is_a_folder(
    sweep_file: SweepFile, frontune: Frontune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2024").write_text("a file")
    result = frontune("run", sweep_file(), "--workspace", "2024")
    assert "2024 is a file; wanted a folder" in result.stderr
