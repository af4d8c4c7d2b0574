"""The Pareto front and its CSV."""

from __future__ import annotations

import csv
import hashlib
import random
import stat
import statistics
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dashboards.pareto import pareto_front
from dashboards.pareto_csv import trial_values, write_csv
from dashboards.replicates import replicates
from methods.errors import FrontuneError
from storage.records import TrialRecord


def make_trial(**overrides: Any) -> TrialRecord:
    """Return a complete LoRA trial with some fields replaced; the config hash follows what it hashes."""
    values: dict[str, Any] = {
        "sweep": "tiny",
        "study": "tiny/lora",
        "number": 0,
        "state": "complete",
        "method": "lora",
        "title": "LoRA",
        "label": "r_q = r_v = 2",
        "hyperparameters": {"r_q": 2, "r_v": 2, "alpha": 16},
        "seed": 0,
        "base": "gpt2-medium",
        "task": "mnli",
        "metric": "accuracy",
        "trainable_params": 196_608,
        "stored_params": 196_608,
        "base_params": 354_823_168,
        "point": 0,
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "score": 0.9,
        "lr": 2e-4,
        "batch_size": 20,
        "steps": 400,
    } | overrides
    same = repr([values[key] for key in ("method", "label", "lr", "trainable_params")])
    values.setdefault("config_hash", hashlib.sha256(same.encode()).hexdigest()[:12])
    return TrialRecord(**values)


def trials_of(*pairs: tuple[int, float | None]) -> list[TrialRecord]:
    """Return trials of different configurations, numbered, each with (trainable parameters, score)."""
    return [
        make_trial(number=i, config_hash=f"c{i}", trainable_params=p, score=s)
        for i, (p, s) in enumerate(pairs)
    ]


def beats(a: TrialRecord, b: TrialRecord) -> bool:
    """The definition of DESIGN section 1, word for word, with the rule for exact ties."""
    assert a.score is not None
    assert b.score is not None
    if (a.score, a.trainable_params) == (b.score, b.trainable_params):
        return a.number < b.number
    return a.score >= b.score and a.trainable_params <= b.trainable_params


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_pareto_front_keeps_what_no_other_trial_beats() -> None:
    trials = trials_of((40, 0.9), (10, 0.5), (20, 0.4), (30, 0.8), (50, 0.9))
    assert [t.number for t in pareto_front(trials)] == [1, 3, 0]


def test_pareto_front_keeps_one_of_exact_ties_the_earliest() -> None:
    trials = trials_of((10, 0.5), (10, 0.5), (10, 0.5))
    assert [t.number for t in pareto_front(trials[::-1])] == [0]


def test_pareto_front_leaves_out_trials_without_a_finite_score_or_not_complete() -> None:
    unfit = trials_of((1, None), (1, float("nan")), (1, float("inf")), (1, float("-inf")))
    states = ("running", "interrupted", "failed", "pruned")
    unfit += [make_trial(number=9, state=state, trainable_params=1, score=1.0) for state in states]
    fit = make_trial(number=20, score=0.1)
    assert pareto_front([*unfit, fit]) == [fit]
    assert pareto_front(unfit) == []
    assert pareto_front([]) == []


def test_pareto_front_takes_a_reused_trial_like_any_other() -> None:
    reused = make_trial(number=1, score=0.95, label="r_v = 4", reused_from="other/3")
    assert pareto_front([make_trial(), reused]) == [reused]


@pytest.mark.parametrize("seed", range(40))
def test_pareto_front_equals_the_quadratic_definition_with_many_ties(seed: int) -> None:
    draw = random.Random(seed)
    pairs = [(draw.randrange(1, 9), draw.randrange(9) / 8) for _ in range(draw.randrange(60))]
    trials = trials_of(*pairs)
    wanted = [t for t in trials if not any(beats(other, t) for other in trials)]
    draw.shuffle(trials)
    assert pareto_front(trials) == sorted(wanted, key=lambda t: t.trainable_params)


def test_the_front_is_that_of_the_means_and_holds_every_replicate() -> None:
    lucky = [make_trial(number=i, seed=i, trainable_params=20, score=s) for i, s in enumerate((0.99, 0.01))]
    steady = [make_trial(number=5 + i, seed=i, trainable_params=10, score=0.7) for i in range(3)]
    assert pareto_front([*lucky, *steady[::-1]]) == steady


def test_a_configuration_that_was_pruned_with_one_of_its_seeds_is_not_on_the_front() -> None:
    """Its other seeds are those that were better at the rungs."""
    steady = make_trial(number=0, config_hash="steady", score=0.8)
    lucky = [make_trial(number=i, seed=i, config_hash="lucky", score=0.9) for i in (1, 2)]
    stopped = make_trial(number=3, seed=3, config_hash="lucky", state="pruned", score=0.3)
    assert pareto_front([steady, *lucky]) == lucky
    assert pareto_front([steady, *lucky, stopped]) == [steady]
    assert [group.first for group in replicates([steady, *lucky, stopped])] == [steady]
    trained_whole = make_trial(number=4, seed=3, config_hash="lucky", score=0.9)
    assert pareto_front([steady, *lucky, stopped, trained_whole]) == [*lucky, trained_whole]


def test_means_that_differ_by_rounding_alone_are_ties() -> None:
    plain = make_trial(number=0, trainable_params=10, score=0.2)
    sums = [make_trial(number=i, seed=i, trainable_params=20, score=i / 10) for i in (1, 2, 3)]
    assert sum(t.score or 0 for t in sums) / 3 != 0.2
    assert pareto_front([plain, *sums]) == [plain]


def test_a_front_of_a_hundred_thousand_trials_takes_no_quadratic_time() -> None:
    trials = [make_trial(config_hash="h")] * 100_000
    assert len(pareto_front(trials)) == 1


def columns_of(trials: list[TrialRecord]) -> list[str]:
    columns, _ = trial_values([trials], front_only=False)
    return columns


def test_csv_columns_are_in_their_documented_order_with_hyperparameters_sorted_between() -> None:
    trials = [make_trial(hyperparameters={"r_v": 1, "lr": 1e-3}), make_trial(hyperparameters={"l_p": 4})]
    assert ",".join(columns_of(trials)) == (
        "sweep,study,trial,state,is_pareto,method,config_hash,seed,base,task,l_p,r_v,score,metric,"
        "trainable_params,stored_params,trainable_pct,lr,batch_size,steps,train_seconds,eval_seconds,"
        "wall_seconds,tokens_per_second,peak_memory_bytes,device,mlflow_run_id,created_at,git_commit,"
        "score_mean,score_std,n_seeds,front_probability,imported_from,train_tokens,reused_from,reason"
    )


def test_a_hyperparameter_named_like_a_fixed_column_makes_no_second_column() -> None:
    columns = columns_of([make_trial(hyperparameters={"lr": 2e-4, "score": 1, "trial": 2, "is_pareto": 3})])
    assert len(columns) == len(set(columns)) == 35


def test_csv_keeps_numbers_whole_and_writes_booleans_times_and_absence(tmp_path: Path) -> None:
    east = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    trial = make_trial(
        trainable_params=123_456_789_012,
        score=1 / 3,
        hyperparameters={"bias": True, "shift": -0.5, "steps_off": -3},
        created_at=east,
        device=None,
    )
    write_csv(tmp_path / "all.csv", [[trial]], front_only=False)
    (row,) = read(tmp_path / "all.csv")
    assert row["trainable_params"] == "123456789012"
    assert float(row["score"]) == 1 / 3
    assert float(row["trainable_pct"]) == trial.trainable_pct
    assert (row["bias"], row["shift"], row["steps_off"]) == ("true", "-0.5", "-3")
    assert (row["is_pareto"], row["device"]) == ("true", "")
    assert row["created_at"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n"])
def test_csv_text_that_a_spreadsheet_would_run_gets_an_apostrophe(tmp_path: Path, start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    trial = make_trial(sweep=text, hyperparameters={text: text})
    write_csv(tmp_path / "all.csv", [[trial]], front_only=False)
    (cells,) = read(tmp_path / "all.csv")
    assert cells["sweep"] == cells[f"'{text}"] == f"'{text}"


def test_csv_has_no_lone_carriage_return_which_would_end_the_row(tmp_path: Path) -> None:
    write_csv(tmp_path / "all.csv", [[make_trial(sweep="\rone\r\ntwo\rthree")]], front_only=False)
    (cells,) = read(tmp_path / "all.csv")
    assert cells["sweep"] == "'\none\ntwo\nthree"


def test_csv_quotes_what_needs_it_and_ends_lines_with_lf(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    write_csv(path, [[make_trial(base='a,"b"\nü')]], front_only=False)
    assert read(path)[0]["base"] == 'a,"b"\nü'
    assert b"\r" not in path.read_bytes()


def test_csv_has_a_header_also_without_trials(tmp_path: Path) -> None:
    write_csv(tmp_path / "none.csv", [[]], front_only=True)
    assert (tmp_path / "none.csv").read_text() == ",".join(columns_of([])) + "\n"


def test_csv_holds_the_front_by_parameters_or_all_trials_by_number(tmp_path: Path) -> None:
    trials = trials_of((40, 0.9), (10, 0.5), (20, 0.4), (30, None))[::-1]
    write_csv(tmp_path / "all.csv", [trials], front_only=False)
    write_csv(tmp_path / "front.csv", [trials], front_only=True)
    every, front = read(tmp_path / "all.csv"), read(tmp_path / "front.csv")
    assert [(r["trial"], r["is_pareto"]) for r in every] == [
        ("0", "true"),
        ("1", "true"),
        ("2", "false"),
        ("3", "false"),
    ]
    assert [r["trial"] for r in front] == ["1", "0"]
    assert list(every[0]) == list(front[0])


def test_csv_ends_with_the_mean_of_the_seeds_their_deviation_and_the_chance_of_the_front(
    tmp_path: Path,
) -> None:
    scores, std = (0.5, 0.75), repr(statistics.stdev((0.5, 0.75)))
    noisy = [make_trial(number=i, seed=i, trainable_params=20, score=s) for i, s in enumerate(scores)]
    lost = make_trial(number=2, seed=2, trainable_params=20, state="failed", score=None)
    single = make_trial(number=3, trainable_params=10, score=0.6)
    write_csv(tmp_path / "all.csv", [[*noisy, lost, single]], front_only=False)
    write_csv(tmp_path / "front.csv", [[*noisy, lost, single]], front_only=True)
    rows = read(tmp_path / "all.csv")
    last = ("is_pareto", "score_mean", "score_std", "n_seeds", "front_probability")
    # Of the four resamples of two seeds, one has a mean of 0.5, which 0.6 with fewer parameters beats.
    assert [tuple(row[name] for name in last) for row in rows] == [
        *[("true", "0.625", std, "2", "0.75")] * 2,
        ("false", "0.625", std, "2", "0.75"),
        ("true", "0.6", "", "1", "1.0"),
    ]
    assert [row["trial"] for row in read(tmp_path / "front.csv")] == ["3", "0", "1"]


def test_csv_gives_no_chance_of_the_front_where_no_seed_was_repeated(tmp_path: Path) -> None:
    write_csv(tmp_path / "all.csv", [trials_of((10, 0.5), (20, 0.4))], front_only=False)
    found = [
        (row["score_mean"], row["n_seeds"], row["front_probability"]) for row in read(tmp_path / "all.csv")
    ]
    assert found == [("0.5", "1", ""), ("0.4", "1", "")]


def test_csv_replaces_a_file_whole_and_leaves_no_draft_behind(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("old")
    write_csv(path, [[make_trial()]], front_only=False)
    assert [p.name for p in tmp_path.iterdir()] == ["all.csv"]
    assert len(read(path)) == 1
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize(("name", "reason"), [("", "it is a folder"), ("no/x.csv", "does not exist")])
def test_csv_to_a_folder_or_into_none_is_refused_in_one_sentence(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(FrontuneError, match=reason) as error:
        write_csv(tmp_path / name, [], front_only=True)
    assert "\n" not in str(error.value)


def test_the_front_and_its_csv_load_without_plotly_or_rich() -> None:
    code = (
        "import sys, dashboards.pareto_csv; print({'plotly', 'rich', 'torch', 'kaleido'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
