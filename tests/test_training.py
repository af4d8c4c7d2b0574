"""The learning rate's course, what the optimiser does to each tensor, repeatability, and scoring."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.evaluate import evaluate_likelihood
from sweeps.training.pack import Pack
from sweeps.training.recipe import InvalidRecipe, Recipe
from sweeps.training.schedule import learning_rate_factors
from sweeps.training.slot import Slot
from tests.bases import SIX_METHODS, random_base, random_rows

SUM = "lora(r_q=2, r_v=2) + prefix_embed(l_p=2)"


def one_slot(base: FrozenBase, method: str, **recipe: Any) -> Slot:
    return Slot(
        base, parse_method(method), Recipe(**{"steps": 3, "batch_size": 4, **recipe}), random_rows(12)
    )


def train(base: FrozenBase, slot: Slot) -> list[float]:
    pack, losses = Pack(base, [slot], pad_id=0), []
    while not slot.finished:
        assert not pack.step()
        losses.append(slot.loss)
    return losses


def copied(slot: Slot) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in slot.parameters.items()}


@pytest.mark.parametrize(
    ("recipe", "wanted"),
    [
        (Recipe(), [1.0, 0.75, 0.5, 0.25]),
        (Recipe(schedule="constant"), [1.0] * 4),
        (Recipe(schedule="cosine"), [(1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]),
        (Recipe(schedule="constant", warmup_steps=2), [0.5, 1.0, 1.0, 1.0]),
        (Recipe(warmup_steps=2), [0.5, 1.0, 2 / 3, 1 / 3]),
        (Recipe(warmup_steps=8), [1 / 8, 2 / 8, 3 / 8, 4 / 8]),
        (Recipe(schedule="constant", warmup_tokens=40), [0.25, 0.75, 1.0, 1.0]),
        (Recipe(warmup_tokens=30), [1 / 3, 1.0, 2 / 3, 1 / 3]),
        (Recipe(warmup_tokens=1000), [0.01, 0.03, 0.06, 0.1]),
    ],
)
def test_the_learning_rate_warms_up_in_steps_or_tokens_and_falls(recipe: Recipe, wanted: list[float]) -> None:
    assert learning_rate_factors(recipe, [10, 20, 30, 40]) == pytest.approx(wanted)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_step_of_a_run_has_a_learning_rate_above_zero(schedule: Any) -> None:
    for warmup in (0, 1, 7, 50, 51, 200):
        factors = learning_rate_factors(Recipe(schedule=schedule, warmup_steps=warmup), [1] * 50)
        assert len(factors) == 50
        assert all(0 < factor <= 1 for factor in factors)
        assert factors[:warmup] == sorted(factors[:warmup])


def test_warm_up_counts_the_tokens_of_prompt_and_completion_alone() -> None:
    base = random_base("llama")
    for method in ("lora(r_q=1)", "prefix_embed(l_p=9, l_i=3)"):
        slot = one_slot(base, method, warmup_tokens=1000, lr=1.0)
        real = sum(slot.rows[i].tokens for i in slot.plan[0])
        Pack(base, [slot], 0).step()
        assert slot.optimiser.param_groups[0]["lr"] == pytest.approx(real / 1000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0.0}, "lr must be more than 0"),
        ({"lr": float("nan")}, "lr must be more than 0"),
        ({"part_lr": {"lora": -1.0}}, "lora must be more than 0"),
        ({"epochs": 0.0}, "epochs must be more than 0"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"weight_decay": float("nan")}, "weight_decay must be at least 0"),
        ({"label_smoothing": 1.0}, "label_smoothing must be below 1"),
        ({"warmup_steps": 1, "warmup_tokens": 1}, "not both"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRecipe, match=message):
        Recipe(**values)


def test_each_part_of_a_sum_moves_at_its_own_learning_rate() -> None:
    """Adam's first step is lr in size whatever the gradient, so the rates can be read off it."""
    base = random_base("llama")
    slot = one_slot(base, SUM, lr=1e-3, part_lr={"prefix_embed": 0.05}, grad_clip=0.0)
    start = copied(slot)
    Pack(base, [slot], 0).step()
    moved = {name: (p - start[name]).abs().max().item() for name, p in slot.parameters.items()}
    assert moved["embed/prefix_embed.rows"] == pytest.approx(0.05, rel=1e-2)
    for name, size in moved.items():
        if name.endswith("lora.B"):
            assert size == pytest.approx(1e-3, rel=1e-2)


def test_a_part_that_trains_the_base_has_its_own_learning_rate_too() -> None:
    base = random_base("gpt2")
    slot = one_slot(base, "lora(r_q=1) + ft_top2", lr=1e-3, part_lr={"ft_top2": 0.02}, grad_clip=0.0)
    start = copied(slot)
    Pack(base, [slot], 0).step()
    name = "base/transformer.h.2.mlp.c_proj.weight"
    assert (slot.parameters[name] - start[name]).abs().max().item() == pytest.approx(0.02, rel=1e-2)
    assert slot.parameters["0.q/lora.B"].abs().max().item() == pytest.approx(1e-3, rel=1e-2)
    slot.close()


def test_a_learning_rate_for_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(FrontuneError, match="unknown part of lora with a learning rate 'lorra'"):
        one_slot(random_base("gpt2"), "lora(r_q=1)", part_lr={"lorra": 0.1})


def test_a_method_alone_may_be_named_as_a_part() -> None:
    slot = one_slot(random_base("llama"), "adapter_h(r=2)", lr=1e-3, part_lr={"adapter_h": 0.5})
    assert {group["peak_lr"] for group in slot.optimiser.param_groups} == {0.5}


def test_weight_decay_shrinks_matrices_and_leaves_vectors_alone() -> None:
    base = random_base("llama")
    for method in ("adapter_l(r=2)", "adapter_h(r=2)"):
        plain, decayed = (
            one_slot(base, method, lr=0.01, steps=1, weight_decay=decay) for decay in (0.0, 0.5)
        )
        start = copied(plain)
        for slot in (plain, decayed):
            Pack(base, [slot], 0).step()
        for name, parameter in decayed.parameters.items():
            shrunk = 0.01 * 0.5 * start[name] if parameter.dim() > 1 else torch.zeros(())
            assert torch.allclose(parameter, plain.parameters[name] - shrunk, atol=1e-12), name


def test_gradient_clipping_bounds_the_norm_over_all_of_a_slots_tensors() -> None:
    base = random_base("llama")
    norms = {}
    for clip in (0.0, 1e-3, 1e6):
        slot = one_slot(base, SUM, grad_clip=clip)

        def look(slot: Slot = slot, clip: float = clip) -> None:
            gradients = [p.grad for p in slot.parameters.values() if p.grad is not None]
            norms[clip] = nn.utils.get_total_norm(gradients).item()

        slot.optimiser.register_step_pre_hook(lambda *a, look=look: look())
        Pack(base, [slot], 0).step()
    assert norms[0.0] > 1e-3
    assert norms[1e6] == norms[0.0]
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("method", [*SIX_METHODS, "ft_top2"])
def test_the_same_seed_gives_bitwise_the_same_run_and_another_seed_another(method: str) -> None:
    base = random_base("gpt2", torch.float32)
    runs = []
    for seed in (3, 3, 4):
        slot = one_slot(base, method, lr=1e-2, seed=seed)
        losses = train(base, slot)
        runs.append((losses, copied(slot)))
        slot.close()
    (losses, tensors), (again, same), (other, _) = runs
    assert losses == again
    assert losses != other
    assert all(torch.equal(tensors[name], same[name]) for name in tensors)


def test_what_was_trained_can_be_put_back_and_other_shapes_are_refused() -> None:
    base = random_base("llama")
    slot, fresh = (one_slot(base, SUM, lr=1e-2, seed=seed) for seed in (0, 1))
    train(base, slot)
    rows = random_rows(20, seed=9)
    trained = evaluate_likelihood(base, slot, rows, 0)
    assert evaluate_likelihood(base, fresh, rows, 0).metrics != trained.metrics
    fresh.load_tensors(slot.tensors())
    assert evaluate_likelihood(base, fresh, rows, 0) == trained
    with pytest.raises(FrontuneError, match="kept weights do not fit lora"):
        one_slot(base, "lora(r_q=2)").load_tensors(slot.tensors())


def test_training_lowers_the_loss_and_learns_the_answers() -> None:
    base = random_base("llama", torch.float32)
    rows = random_rows(16)
    recipe = Recipe(lr=2e-2, steps=60, batch_size=8, schedule="constant")
    slot = Slot(base, parse_method("lora(r_q=4, r_v=4, r_up=4, r_down=4)"), recipe, rows)
    before = evaluate_likelihood(base, slot, rows, 0)
    train(base, slot)
    after = evaluate_likelihood(base, slot, rows, 0)
    # A frozen random vocabulary layer can say little more than who is likelier.
    assert after.metrics["loss"] < before.metrics["loss"] - 0.2
    assert before.metrics["accuracy"] < 0.7
    assert after.metrics["accuracy"] > 0.9
