"""`frontune plan`: what a sweep is going to take is said beforehand, and is what it then takes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dashboards.printing import print_seconds
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import load_base
from sweeps.calibration import Pace, calibrate
from sweeps.data import TaskData
from sweeps.expected import expected_points
from sweeps.plan_command import notes, paces_of
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import evaluate_text
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.conftest import Frontune, SweepFile
from tests.schemas import schema_of
from tests.sweep_outcomes import trials_of
from tests.test_plan import plan_of

MakeWorkspace = Callable[[], Path]
FAST = Pace(0.0, 0.0, 1e-3, 0.5)


@pytest.fixture
def uncalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No base is loaded; every method has one pace."""
    monkeypatch.setattr("methods.loading.load_base", None)
    monkeypatch.setattr(
        "sweeps.plan_command.paces_of", lambda plan, expected: {each.method: FAST for each in expected}
    )


def planned(frontune: Frontune, *arguments: object) -> dict[str, Any]:
    result = frontune("plan", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    return dict(found)


def content_of(folder: Path) -> dict[str, str]:
    """A database's rows, not its bytes: whichever connection is closed last moves its log into the file."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file): _digest(file) for file in files if not file.name.endswith(("-wal", "-shm"))}


def _digest(file: Path) -> str:
    if file.suffix != ".db":
        return hashlib.sha256(file.read_bytes()).hexdigest()
    with closing(sqlite3.connect(file)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def test_nothing_is_trained_and_nothing_written(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.training.train.PackRunner", None)
    file, workspace = sweep_file(), tmp_path / "runs"
    result = frontune("plan", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    assert not workspace.exists()
    for line in ("LoRA ", "LoRA+PE ", "FT^Top2 ", "all "):
        assert f"  {line}" in result.stdout
    assert list(tmp_path.iterdir()) == [file]


def test_a_finished_sweep_is_done_and_costs_nothing_more(
    finished: Path, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("methods.loading.load_base", None)
    points = ["lora(r_q=99)", "adapter_h(r=2, lr=1e30)"]
    before = content_of(finished)
    file = sweep_file(trials=14, points=points, max_trainable_params=7000)
    found = planned(frontune, file, "--workspace", finished)
    assert {m["method"]: (m["trials"], m["done"]) for m in found["methods"]} == {
        method: (n, n) for method, n in Counter(t.method for t in trials_of(finished)).items()
    }
    assert all((m["train_tokens"], m["seconds"]) == (0, 0) for m in found["methods"])
    assert "more than the matrix can hold" in found["refusals"][0]["reason"]
    assert found["notes"][0] == "nothing is left to search: 14 trials are done, 14 wanted"
    fewer = frontune("plan", file, "--workspace", finished, "--trials", 5).stdout
    assert fewer.endswith("nothing is left to search: 14 trials are done, 5 wanted\n")
    assert "LoRA " not in fewer
    assert content_of(finished) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": 11},
        {"trials": 12, "points": ["adapter_l(r=2, lr=1e-2)", "lora(r_q=1, lr=1e-2)"]},
        {"methods": None, "points": ["lora(r_q=1)", "lora(r_q=2)", "adapter_l(r=1)"], "trials": 5},
        {
            "sampler": "grid",
            "methods": {"lora": {"r_q": [1, 2, 99], "lr": 1e-2}, "adapter_l": {"r": [1, 2, 3], "lr": 1e-2}},
            "trials": None,
            "seeds": [0],
        },
        {
            "methods": {"lora": {"r_q": {"low": 1, "high": 8}}, "ft_top2": {"n_layers": [1, 2]}},
            "trials": 7,
            "seeds": [0],
        },
    ],
)
def test_trials_parameters_and_tokens_are_those_that_a_run_has(
    changes: dict[str, Any],
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    request: pytest.FixtureRequest,
) -> None:
    workspace, file = make_workspace(), sweep_file(**changes)
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    request.getfixturevalue("uncalibrated")
    found = {m["method"]: m for m in planned(frontune, file, "--workspace", workspace / "none")["methods"]}
    trials = trials_of(workspace)
    assert {method: m["trials"] for method, m in found.items()} == Counter(t.method for t in trials)
    for method, m in found.items():
        mine = [t for t in trials if t.method == method]
        assert m["params_low"] <= min(t.trainable_params for t in mine)
        assert m["params_high"] >= max(t.trainable_params for t in mine)
        tokens = sum(t.train_tokens or 0 for t in mine)
        assert m["train_tokens"] == pytest.approx(tokens, rel=0.15)
        assert m["seconds"] == pytest.approx(m["train_tokens"] * 1e-3 + 0.5 * m["trials"], rel=1e-3)


def test_what_another_sweep_has_trained_is_reused_and_said_so(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile, request: pytest.FixtureRequest
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=2, lr=1e-2)", "adapter_l(r=2, lr=1e-2)"]
    first = sweep_file(methods=None, points=points[:1], seeds=[0], trials=None)
    frontune("run", first, "--workspace", workspace)
    request.getfixturevalue("uncalibrated")
    second = sweep_file("other", methods=None, points=points, trials=None)
    lora, adapter = planned(frontune, second, "--workspace", workspace)["methods"]
    assert (lora["trials"], lora["reused"], lora["done"]) == (2, 1, 0)
    assert (adapter["trials"], adapter["reused"], adapter["done"]) == (2, 0, 0)
    table = frontune("plan", second, "--workspace", workspace).stdout
    assert "2 (1 reused)" in table
    with schema_of(workspace, "0004"):
        before = content_of(workspace)
        refused = frontune("plan", second, "--workspace", workspace)
        assert content_of(workspace) == before
    assert refused.exit_code == 2
    assert "was written by an older Frontune" in refused.stderr


def test_a_finite_space_is_dealt_no_more_points_than_it_has(base: str) -> None:
    methods = {"lora": {"r_q": [1, 2]}, "adapter_l": {"r": {"low": 1, "high": 16}}}
    found = expected_points(plan_of(base, methods=methods, trials=10, points=["lora(r_q=4)"]))
    assert {each.method: (len(each.known), each.drawn) for each in found} == {
        "lora": (1, 2),
        "adapter_l": (0, 7),
    }


def test_budgets_that_end_a_sweep_before_are_noted(
    uncalibrated: None, frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    budgets = {"wall_clock": 1, "train_tokens": 100, "pruning": {"reduction": 3}}
    found = planned(frontune, sweep_file(**budgets), "--workspace", tmp_path / "runs")
    text = "\n".join(found["notes"])
    for part in ("wall_clock of 1.0 s ends", "train_tokens of 0 k ends", "nothing is taken to be pruned"):
        assert part in text


def test_the_demo_is_planned_method_by_method(uncalibrated: None, frontune: Frontune, tmp_path: Path) -> None:
    found = planned(frontune, "demo", "--workspace", tmp_path / "runs")
    assert sum(m["trials"] for m in found["methods"]) == 18
    assert len(found["methods"]) == 9
    assert all(m["memory_high"] >= m["memory_low"] > 0 for m in found["methods"])


def test_a_mistake_in_the_sweep_file_is_the_one_that_run_would_say(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    file = sweep_file(base=str(tmp_path / "nowhere"))
    said = [frontune(command, file, "--workspace", tmp_path / "runs") for command in ("plan", "run")]
    assert [result.exit_code for result in said] == [2, 2]
    assert said[0].stderr == said[1].stderr


@pytest.mark.parametrize("method", ["adapter_h(r=2)", "ft_top2", "prefix_layer(l_p=2)"])
def test_calibration_times_what_a_trial_does_and_leaves_the_base_as_it_was_found(
    base: str, method: str
) -> None:
    loaded, plan = load_base(base), plan_of(base)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    pace = calibrate(loaded, plan.data, parse_method(method), Recipe(batch_size=4))
    assert min(pace.opening_seconds, pace.update_seconds, pace.token_seconds, pace.scoring_seconds) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in loaded.model.state_dict().items())
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.mark.parametrize("beams", [1, 3])
def test_scoring_texts_is_timed_as_what_passes_through_the_base(
    frozen: FrozenBase, data: TaskData, monkeypatch: pytest.MonkeyPatch, beams: int
) -> None:
    """Positions are the clock; every text is as long as it may get."""
    passed: list[int] = []
    monkeypatch.setattr("sweeps.calibration.time", SimpleNamespace(perf_counter=lambda: float(sum(passed))))
    method, recipe = parse_method("prefix_embed(l_p=2, l_i=1)"), Recipe(batch_size=4)
    decoding = Decoding(beams=beams, max_new_tokens=32)
    slot = Slot(frozen, method, recipe, data.train)
    embedding = frozen.model.get_submodule(frozen.family.embedding)
    handle = embedding.register_forward_pre_hook(lambda _, args: passed.append(args[0].numel()))
    pace = calibrate(frozen, replace(data, decoding=decoding), method, recipe)
    passed.clear()
    evaluate_text(frozen, slot, data.validation, data.pad_id, -1, decoding)
    handle.remove()
    assert pace.scoring_seconds == pytest.approx(sum(passed), rel=0.05)


def test_a_method_that_memory_does_not_suffice_for_has_no_time(
    frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> Pace:
        raise MemoryError

    monkeypatch.setattr("sweeps.plan_command.calibrate", full)
    found = planned(frontune, sweep_file(), "--workspace", tmp_path / "runs")
    assert {m["seconds"] for m in found["methods"]} == {None}
    assert "unknown" in frontune("plan", sweep_file(), "--workspace", tmp_path / "runs").stdout


def test_a_gpu_that_is_not_here_is_not_timed(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.loading.load_base", None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    plan = plan_of(base, executor="ray")
    assert paces_of(plan, expected_points(plan)) == {}
    assert "the cluster's time is not known: this machine has no GPU" in notes(plan, [])


def test_a_pace_adds_up_what_a_trial_consists_of() -> None:
    assert Pace(1, 2, 3, 4).seconds(steps=10, tokens=100, scorings=3) == 1 + 20 + 300 + 12


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (59.6, "60 s"),
        (125, "2.1 min"),
        (7200, "2.0 h"),
        (400_000, "4.6 days"),
        (None, "unknown"),
    ],
)
def test_times_print_for_people(seconds: float | None, text: str) -> None:
    assert print_seconds(seconds) == text


def test_the_notes_say_what_the_numbers_leave_out(base: str) -> None:
    assert any("typical points" in note for note in notes(plan_of(base), []))
    known = plan_of(base, methods=None, points=["fine_tune"], trials=None)
    assert not any("typical points" in note for note in notes(known, []))
