"""The plan: what a sweep will do is known, and refused where it cannot be, before weights are loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from methods.errors import FrontuneError
from sweeps.plan import Plan, make_plan
from sweeps.point import Point
from sweeps.spec import check_spec
from sweeps.training.recipe import Recipe
from sweeps.trial import Context

CONTEXT = Context("base", "demo", "accuracy", "data", "prompt", "float32", 100, None)
LORA = "lora(r_q=8, r_k=0, r_v=8, r_o=0, r_up=0, r_down=0, alpha=0.0, dropout=0.0)"
HASH = CONTEXT.config_hash(LORA, Recipe())


def plan_of(base: str, **changes: Any) -> Plan:
    content: dict[str, Any] = {
        "name": "s",
        "base": base,
        "task": {"name": "demo", "train_examples": 4, "eval_examples": 4},
        "methods": {"lora": {"r_q": {"low": 1, "high": 99}}},
        "trials": 3,
    }
    return make_plan(check_spec({k: v for k, v in (content | changes).items() if v is not None}, "F"))


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.loading.load_base", None)
    monkeypatch.setattr("methods.frozen.FrozenBase.hidden", None)


def test_a_plan_knows_shape_data_and_fingerprints(base: str) -> None:
    plan = plan_of(base)
    assert (plan.shape.n_layers, plan.shape.d_model, plan.shape.max_positions) == (2, 16, 64)
    assert (len(plan.data.train), len(plan.data.validation)) == (4, 4)
    assert plan.context.base_fingerprint
    assert plan.context.data_fingerprint == plan.data.data_fingerprint
    assert plan.methods == ["lora"]


@pytest.mark.parametrize(
    ("here", "where", "device"),
    [
        ("cuda:0", {"devices": "auto"}, "cuda"),
        ("cuda:0", {"devices": "cpu"}, "cpu"),
        ("cuda:0", {"executor": "processes", "devices": ["cpu", "cpu"]}, "cpu"),
        ("cuda:0", {"executor": "ray", "resources": {"cpu": 1}}, "cpu"),
        ("cpu", {"executor": "ray", "resources": {"gpu": 0.5}}, "cuda"),
    ],
)
def test_memory_is_that_of_the_device_that_the_sweep_asks_for(
    base: str, monkeypatch: pytest.MonkeyPatch, here: str, where: dict[str, Any], device: str
) -> None:
    monkeypatch.setenv("FRONTUNE_DEVICE", here)
    assert plan_of(base, **where).memory.device == device


def test_explicit_points_that_the_base_cannot_hold_are_refused_and_the_rest_is_kept(base: str) -> None:
    points = ["lora(r_q=17)", "lora(r_q=16)", "prefix_layer(l_p=63)", "ft_top2(n_layers=3)", "fine_tune"]
    plan = plan_of(base, methods=None, points=points, max_trainable_params=9000)
    assert [p.method for p in plan.points] == ["lora"]
    reasons = {(r.method, r.label): r.reason for r in plan.refusals}
    assert len(reasons) == 4
    assert "q is 16 x 16, so at most 16" in reasons["lora", "r_q = 17"]
    assert "leaves no room for a prompt and its label" in reasons["prefix_layer", "l_p = 63, l_i = 0"]
    assert "trainable parameters are more than max_trainable_params = 9,000" in reasons["fine_tune", ""]


def test_a_method_is_counted_before_it_is_trained_and_may_meet_the_budget_exactly(base: str) -> None:
    plan = plan_of(base, max_trainable_params=2 * 4 * 32)
    assert plan.refusal(Point("lora", {"r_q": 4})) is None
    refusal = plan.refusal(Point("lora", {"r_q": 5}))
    assert refusal is not None
    assert refusal.reason == "320 trainable parameters are more than max_trainable_params = 256"
    assert (refusal.sweep, refusal.method, refusal.label) == ("s", "lora", "r_q = 5")


def test_a_point_that_no_base_could_hold_is_refused_with_its_values_for_a_label(base: str) -> None:
    refusal = plan_of(base).refusal(Point("lora", {"r_q": 0, "lr": 0.1}))
    assert refusal is not None
    assert refusal.label == "r_q = 0, lr = 0.1"
    assert "every rank is 0" in refusal.reason


def test_a_space_is_taken_if_any_of_it_can_be_trained(base: str) -> None:
    plan = plan_of(base, methods={"lora": {"r_q": [0, 99], "r_v": [0, 99, 2]}})
    assert plan.refusal(Point("lora", {"r_q": 0, "r_v": 2})) is None
    with pytest.raises(FrontuneError, match=r"^methods\.lora: nothing in its search space can be trained: "):
        plan_of(base, methods={"lora": {"r_q": [17, 99], "r_v": [2, 3]}})


def test_a_completion_needs_room_beside_the_virtual_tokens(base: str) -> None:
    plan = plan_of(base)
    longest = plan.data.longest_completion
    room = plan.shape.max_positions - longest - 1
    assert plan.refusal(Point("prefix_embed", {"l_p": room - 3, "l_i": 3})) is None
    assert plan.refusal(Point("prefix_embed", {"l_p": room - 2, "l_i": 3})) is not None


def test_all_points_refused_names_the_first_reason(base: str) -> None:
    with pytest.raises(
        FrontuneError, match="nothing to train: every point is refused, the first because lora: r_q"
    ):
        plan_of(base, methods=None, points=["lora(r_q=17)", "fine_tune"], max_trainable_params=1)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 1e-3},
        {"part_lr": {"lora": 1e-3}},
        {"schedule": "cosine"},
        {"warmup_tokens": 5},
        {"warmup_steps": 5},
        {"epochs": 2.0},
        {"steps": 5},
        {"batch_size": 4},
        {"weight_decay": 0.1},
        {"grad_clip": 0.0},
        {"label_smoothing": 0.1},
    ],
)
def test_the_config_hash_changes_with_every_part_of_the_recipe(change: dict[str, Any]) -> None:
    assert CONTEXT.config_hash(LORA, replace(Recipe(), **change)) != HASH


def test_no_part_of_the_recipe_is_forgotten_in_the_test_above() -> None:
    assert set(Recipe().without("seed", "micro_batch")) == {
        "lr", "part_lr", "schedule", "warmup_tokens", "warmup_steps", "epochs", "steps", "batch_size",
        "weight_decay", "grad_clip", "label_smoothing",
    }  # fmt: skip


@pytest.mark.parametrize("change", [{"seed": 5}, {"micro_batch": 2}])
def test_the_config_hash_is_the_same_for_replicates_and_micro_batches(change: dict[str, Any]) -> None:
    assert CONTEXT.config_hash(LORA, replace(Recipe(), **change)) == HASH


@pytest.mark.parametrize(
    "change",
    [
        {"base_fingerprint": "other"},
        {"task": "mnli"},
        {"metric": "chrf"},
        {"data_fingerprint": "other"},
        {"prompt_fingerprint": "other"},
        {"dtype": "bfloat16"},
        {"train_examples": 99},
        {"eval_examples": 10},
        {"engine": CONTEXT.engine + 1},
    ],
)
def test_the_config_hash_changes_with_all_that_a_sweeps_trials_share(change: dict[str, Any]) -> None:
    assert replace(CONTEXT, **change).config_hash(LORA, Recipe()) != HASH


def test_the_config_hash_changes_with_the_code_of_a_plugin() -> None:
    assert CONTEXT.config_hash(LORA, Recipe(), plugin="abc") != HASH


def test_the_config_hash_changes_with_every_hyperparameter() -> None:
    texts = [
        LORA.replace("r_q=8", "r_q=4"),
        LORA.replace("alpha=0.0", "alpha=8.0"),
        LORA.replace("dropout=0.0", "dropout=0.1"),
    ]
    hashes = {CONTEXT.config_hash(text, Recipe()) for text in (LORA, *texts)}
    assert len(hashes) == 4


def test_the_data_fingerprint_follows_the_rows_that_are_used(base: str) -> None:
    def fingerprint(**task: Any) -> str:
        return plan_of(
            base, task={"name": "demo", "train_examples": 4, "eval_examples": 4} | task
        ).data.data_fingerprint

    assert fingerprint() == fingerprint()
    assert (
        len(
            {
                fingerprint(),
                fingerprint(train_examples=5),
                fingerprint(eval_examples=5),
                fingerprint(sample_seed=1),
            }
        )
        == 4
    )
