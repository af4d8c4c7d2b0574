"""The same sweep file and seed give the same numbers to the last digit; what was kept scores the same."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from methods.expression import format_method, parse_method
from methods.loading import load_base, load_tokenizer
from methods.registry import known_methods
from sweeps.data import TaskData, prepare_data, read_examples
from sweeps.settings import TaskSettings
from sweeps.training.recipe import Recipe
from sweeps.training.selection import rescore
from sweeps.trial import Finished, Progress, Rung, TrialSpec
from tests.alone import train_trial
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import outcome

EVERY_METHOD = {
    "adapter_h": "adapter_h(r=3, dropout=0.1)",
    "adapter_l": "adapter_l(r=3)",
    "fine_tune": "fine_tune()",
    "ft_top2": "ft_top2(n_layers=1)",
    "lora": "lora(r_q=2, r_down=1, dropout=0.1)",
    "prefix_embed": "prefix_embed(l_p=2, l_i=1)",
    "prefix_layer": "prefix_layer(l_p=2)",
}
SUMS = ("lora(r_q=2) + prefix_embed(l_p=2)", "ft_top2() + prefix_layer(l_p=1)")


@pytest.fixture(scope="module")
def data(base: str) -> TaskData:
    return prepare_data(
        read_examples(TaskSettings(name="demo", train_examples=12, eval_examples=30)), load_tokenizer(base)
    )


def trained(
    base: Any, data: TaskData, method: str, folder: Path, **recipe: Any
) -> tuple[TrialSpec, Finished]:
    written = format_method(parse_method(method))
    settings = {"lr": 0.02, "steps": 4, "batch_size": 4, "seed": 5} | recipe
    spec = TrialSpec("s", 0, written, Recipe(**settings), str(folder / "kept.safetensors"), 0, "hash")
    *_, last = train_trial(base, data, spec)
    assert isinstance(last, Finished), last
    return spec, last


def test_every_registered_method_is_covered() -> None:
    assert {name for name in known_methods() if not name.startswith("test_")} >= set(EVERY_METHOD)
    built_in = {name for name, method in known_methods().items() if method.__module__.startswith("methods.")}
    assert built_in == set(EVERY_METHOD)


@pytest.mark.parametrize("method", [*EVERY_METHOD.values(), *SUMS])
def test_what_a_trial_keeps_gives_its_score_again(
    base: str, data: TaskData, tmp_path: Path, method: str
) -> None:
    spec, last = trained(load_base(base), data, method, tmp_path)
    again = rescore(load_base(base), data, Path(spec.adapter_file))
    assert (again.score, again.metrics) == (last.result.score, last.result.metrics)
    untrained = trained(load_base(base), data, method, tmp_path, lr=1e-9)[1]
    assert untrained.result.metrics["loss"] != last.result.metrics["loss"]


@pytest.mark.parametrize("method", ["lora(r_q=2, dropout=0.2)", "fine_tune()"])
def test_a_trial_depends_on_its_seed_and_not_on_what_ran_before(
    base: str, data: TaskData, tmp_path: Path, method: str
) -> None:
    frozen = load_base(base)
    first = trained(frozen, data, method, tmp_path)[1].result
    weights = (tmp_path / "kept.safetensors").read_bytes()
    other = trained(frozen, data, method, tmp_path, seed=6)[1].result
    again = trained(frozen, data, method, tmp_path)[1].result
    assert (again.curve, again.metrics) == (first.curve, first.metrics)
    assert (tmp_path / "kept.safetensors").read_bytes() == weights
    assert other.curve != first.curve


def test_the_same_sweep_in_two_workspaces_gives_the_same_numbers_and_files(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile
) -> None:
    points = [EVERY_METHOD["lora"], EVERY_METHOD["fine_tune"], SUMS[0]]
    file = sweep_file(sampler="nsga2", points=points, trials=8, seeds=[0])
    found = []
    for _ in range(2):
        workspace = make_workspace()
        assert frontune("run", file, "--workspace", workspace).exit_code == 0
        found.append(outcome(workspace))
    assert found[0] == found[1]
    assert len(found[0]) == 8
    assert all(weights for *_, weights in found[0])
    other = make_workspace()
    frontune("run", file, "--workspace", other, "--set", "sampler_seed=1")
    assert outcome(other)[:3] == found[0][:3]
    assert outcome(other)[3:] != found[0][3:]


@pytest.mark.parametrize("method", [*EVERY_METHOD.values(), *SUMS])
def test_a_trial_goes_on_from_its_rung_to_the_same_numbers_to_the_last_digit(
    base: str, data: TaskData, tmp_path: Path, method: str
) -> None:
    frozen = load_base(base)
    whole, wanted = trained(frozen, data, method, tmp_path / "whole", warmup_steps=2)
    spec = replace(
        whole,
        rungs=(1, 3),
        score_rungs=True,
        checkpoint_file=str(tmp_path / "state"),
        adapter_file=str(tmp_path / "resumed"),
    )
    life = train_trial(frozen, data, spec)
    assert isinstance(life, Generator)
    first = next(event for event in life if isinstance(event, Rung))
    assert first.result is not None
    assert (first.step, first.result.steps, len(first.result.curve)) == (1, 1, 1)
    next(life)
    # What an interrupted process leaves behind.
    life.close()
    again = list(train_trial(frozen, data, spec))
    assert [event.step for event in again if isinstance(event, Progress)] == [2, 3, 4]
    assert isinstance(again[-1], Finished)
    timeless = {"train_seconds", "eval_seconds", "wall_seconds", "tokens_per_second", "peak_memory_bytes"}
    numbers = [{k: v for k, v in vars(e.result).items() if k not in timeless} for e in (again[-1], wanted)]
    assert numbers[0] == numbers[1]
    assert (tmp_path / "resumed").read_bytes() == Path(whole.adapter_file).read_bytes()


@pytest.mark.parametrize("left", ["nothing", "another trial's", "half"])
def test_a_state_that_is_not_the_trials_own_is_not_used(
    base: str, data: TaskData, tmp_path: Path, left: str
) -> None:
    frozen, state = load_base(base), tmp_path / "state"
    spec, _ = trained(frozen, data, "lora(r_q=2)", tmp_path)
    spec = replace(spec, rungs=(2,), checkpoint_file=str(state))
    if left != "nothing":
        other = replace(spec, config_hash="other") if left == "another trial's" else spec
        list(train_trial(frozen, data, other))
    if left == "half":
        state.write_bytes(state.read_bytes()[:-9])
    steps = [event.step for event in train_trial(frozen, data, spec) if isinstance(event, Progress)]
    assert steps == [1, 2, 3, 4]
