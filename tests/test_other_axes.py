"""The front on other axes, its files, and results from Python."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from dashboards.front_probability import front_probabilities
from dashboards.imported import trial_names
from dashboards.other_axes import scored_by
from dashboards.pareto import front_of
from dashboards.replicates import replicates
from dashboards.trial_files import trial_frame, trials_json, trials_parquet
from methods.errors import FrontuneError
from storage.records import Measurement, TrialRecord
from sweeps import load_sweep, run
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, trials_of
from tests.test_pareto import make_trial

MakeWorkspace = Callable[[], Path]


def timed(number: int, seconds: float | None, score: float, **others: Any) -> TrialRecord:
    values = {"config_hash": f"c{number}", "train_seconds": seconds, "score": score} | others
    return make_trial(number=number, **values)


def test_a_front_against_time_has_other_points_than_one_against_parameters() -> None:
    trials = [
        timed(0, 9.0, 0.9, trainable_params=10),
        timed(1, 5.0, 0.8, trainable_params=20),
        timed(2, 6.0, 0.7, trainable_params=5),
        timed(3, None, 1.0, trainable_params=50),
    ]
    groups = replicates(trials)
    assert [g.first.number for g in front_of(groups)] == [2, 0, 3]
    assert [g.first.number for g in front_of(groups, "train_seconds")] == [1, 0]


def test_the_cost_of_replicates_is_their_mean_and_so_is_the_chance_of_the_front_by_it() -> None:
    steady = [timed(i, 4.0, 0.5, seed=i, config_hash="a") for i in range(2)]
    mixed = [timed(5 + i, 1.0 + 8 * i, 0.5, seed=i, config_hash="b") for i in range(2)]
    groups = replicates([*steady, *mixed])
    assert [g.cost("train_seconds") for g in groups] == [4.0, 5.0]
    assert [g.first.config_hash for g in front_of(groups, "train_seconds")] == ["a"]
    assert front_probabilities(groups, "train_seconds") == {"a": 1.0, "b": 0.0}


def test_memory_that_was_not_measured_is_said_and_refused_where_it_is_of_all(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    two = sweep_file(trials=2, seeds=[0], slots_per_device=2)
    assert frontune("run", two, "--workspace", workspace).exit_code == 0
    assert [t.peak_memory_bytes for t in trials_of(workspace)] == [None, None]
    asked = ("pareto", "small", "--cost", "peak_memory_bytes", "--workspace", workspace)
    refused = frontune(*asked)
    assert refused.exit_code == 2
    assert (
        "--cost peak_memory_bytes: it is known of none of the 2 configurations: trials that" in refused.stderr
    )
    assert frontune("run", sweep_file(trials=3, seeds=[0]), "--workspace", workspace).exit_code == 0
    on_cpu = frontune(*asked)
    assert on_cpu.exit_code == 2
    assert "trained on a CPU, where the peak is that of the process" in on_cpu.stderr
    with closing(ledger_of(workspace)) as ledger, ledger.engine.begin() as connection:
        connection.execute(text("UPDATE frontune_trials SET device = 'cuda:0'"))
    shown = frontune(*asked)
    assert shown.exit_code == 0
    assert "2 of 3 configurations are left out: trials that train side by side" in shown.stderr


def test_of_a_metric_such_as_ter_the_lower_is_better() -> None:
    scores = (0.5, 0.6, 0.4)
    trials = [timed(i, 1.0, x, metric="ter", trainable_params=10 + i) for i, x in enumerate(scores)]
    assert [g.first.number for g in front_of(replicates(trials))] == [0, 2]


def test_another_metric_is_what_was_measured_on_validation() -> None:
    measured = {0: [Measurement("loss", "train", 1, 9.0), Measurement("loss", "validation", 2, 0.25)], 1: []}
    found = scored_by("loss", [timed(0, 1.0, 0.5), timed(1, 1.0, 0.6)], measured)
    assert [(t.metric, t.score) for t in found] == [("loss", 0.25), ("loss", None)]
    with pytest.raises(FrontuneError, match="unknown metric 'los'; did you mean 'loss'"):
        scored_by("los", found, measured)


def test_json_and_parquet_have_the_columns_of_the_csv_and_values_of_their_types() -> None:
    trials = [
        make_trial(
            hyperparameters={"r": 2, "kind": 1, "bias": True},
            score=float("nan"),
            state="failed",
            reason="NaN",
        ),
        make_trial(
            number=1,
            label="x",
            hyperparameters={"r": 3, "kind": "=1+1"},
            score=0.5,
            train_tokens=7,
            reused_from="other/2",
        ),
    ]
    first, second = json.loads(trials_json([trials], front_only=False, cost="train_tokens"))
    assert (first["score"], first["bias"], first["kind"], second["kind"]) == (None, True, 1, "=1+1")
    assert (second["train_tokens"], second["is_pareto"], first["is_pareto"]) == (7, True, False)
    frame = pd.read_parquet(io.BytesIO(trials_parquet([trials], front_only=False)))
    assert list(frame.columns) == list(first)
    told = [frame[name].dropna().tolist() for name in ("reason", "reused_from", "train_tokens")]
    assert told == [["NaN"], ["other/2"], [7]]
    assert frame["kind"].tolist() == ["1", "=1+1"]
    assert (frame["r"].dtype, frame["r"].tolist()) == ("Int64", [2, 3])
    assert frame["created_at"].dt.tz is not None
    assert frame["score_std"].isna().all()
    assert (frame["score_std"].dtype, frame["stored_params"].dtype) == ("Float64", "Int64")
    assert len(trial_frame([trials], front_only=True)) == 1


def test_the_command_writes_and_prints_the_front_that_is_asked_for(
    finished: Path, frontune: Frontune, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("a.csv", "a.json", "a.parquet")]
    options = [each for file in files for each in (f"--{file.suffix[1:]}", file)]
    done = frontune("pareto", "small", *options, "--cost", "train_seconds", "--workspace", finished)
    assert done.exit_code == 0, done.output
    assert done.stdout == "".join(f"wrote {file}\n" for file in files)
    wanted = [t.number for g in front_of(replicates(trials_of(finished)), "train_seconds") for t in g.trials]
    assert [row["trial"] for row in json.loads(files[1].read_text())] == wanted
    assert pd.read_csv(files[0])["trial"].tolist() == pd.read_parquet(files[2])["trial"].tolist() == wanted
    axes = ("--metric", "loss", "--cost", "train_tokens")
    printed = frontune("pareto", "small", *axes, "--workspace", finished)
    assert printed.exit_code == 0, printed.output
    assert "Parameters tokens loss" in " ".join(printed.stdout.split())
    for others in ((), axes):
        every = frontune("pareto", "small", "--all", *others, "--workspace", finished).stdout
        names = {trial_names(t.number for t in g.trials) for g in replicates(trials_of(finished))}
        assert names <= {line.split()[0] for line in every.splitlines() if line.strip()}
    unknown = frontune("pareto", "small", "--metric", "bleu", "--workspace", finished)
    assert (unknown.exit_code, "unknown metric 'bleu'" in unknown.stderr) == (2, True)


def test_a_sweep_is_run_and_loaded_from_python(sweep_file: SweepFile, tmp_path: Path) -> None:
    file = sweep_file(methods=None, points=["lora(r_q=1, lr=1e-2)", "lora(r_q=2, lr=1e-2)"], trials=2)
    workspace = tmp_path / "runs 🙂"
    results = run(file, workspace=workspace, seeds=[3])
    frame = results.frame()
    assert (results.name, list(frame["trial"]), list(frame["seed"])) == ("small", [0, 1], [3, 3])
    assert {t.number for t in results.front} == set(frame[frame["is_pareto"]]["trial"])
    assert load_sweep("small", workspace) == results
    with pytest.raises(FrontuneError, match="unknown sweep 'smal'"):
        load_sweep("smal", workspace)
    with pytest.raises(FrontuneError, match="unknown key 'trails'"):
        run(file, trails=3)
    with pytest.raises(FrontuneError, match=r"seeds: got \{3\}, wanted what a sweep file can hold"):
        run(file, seeds={3})


def test_the_package_and_the_training_layer_load_without_what_python_users_need() -> None:
    code = "import sys, sweeps.training.pack; print({'optuna', 'pandas', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
