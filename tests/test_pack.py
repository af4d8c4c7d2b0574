"""Different methods in one batch on one base: losses and gradients as apart, and the base untouched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.pack import PASS_POSITIONS, Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, SIX_METHODS, random_base, random_rows

RECIPE = Recipe(lr=1e-2, steps=3, batch_size=4, grad_clip=1.0, weight_decay=0.01, label_smoothing=0.05)


def make_slots(base: FrozenBase, methods: Sequence[str], recipe: Recipe = RECIPE) -> list[Slot]:
    """A slot for each method, each with its own rows, seed, batch size and length."""
    return [
        Slot(
            base,
            parse_method(method),
            replace(recipe, seed=number, batch_size=recipe.batch_size + number % 3),
            random_rows(12, seed=number, longest=8 + 2 * number),
        )
        for number, method in enumerate(methods)
    ]


def gradients_of_one_pass(base: FrozenBase, slots: Sequence[Slot]) -> list[dict[str, Tensor]]:
    """Each slot's gradients as the optimiser would meet them."""
    found: dict[int, dict[str, Tensor]] = {}
    for number, slot in enumerate(slots):

        def keep(slot: Slot = slot, number: int = number) -> None:
            found[number] = {
                name: p.grad.clone() for name, p in slot.parameters.items() if p.grad is not None
            }
            slot.optimiser.zero_grad()
            slot.step += 1

        slot.apply_gradients = keep  # type: ignore[method-assign]
    Pack(base, slots, pad_id=0).step()
    return [found[number] for number in range(len(slots))]


@pytest.mark.parametrize("family", CONFIGS)
def test_six_methods_in_one_batch_have_the_losses_and_gradients_of_six_runs(family: str) -> None:
    base = random_base(family)
    together = make_slots(base, SIX_METHODS)
    packed = gradients_of_one_pass(base, together)
    for slot, gradients, method in zip(make_slots(base, SIX_METHODS), packed, SIX_METHODS, strict=True):
        number = SIX_METHODS.index(method)
        (alone,) = gradients_of_one_pass(base, [slot])
        assert abs(slot.loss - together[number].loss) < 1e-13
        assert gradients.keys() == alone.keys() == slot.parameters.keys()
        for name, gradient in alone.items():
            assert (gradients[name] - gradient).norm() <= 1e-12 * max(1.0, gradient.norm().item()), name


def test_slots_that_do_not_fit_into_one_pass_are_trained_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    base = random_base("llama")
    in_one, shared_out = make_slots(base, SIX_METHODS), make_slots(base, SIX_METHODS)
    Pack(base, in_one, pad_id=0).step()
    monkeypatch.setitem(PASS_POSITIONS, ("cpu", base.dtype), 120)
    lengths: list[int] = []
    hidden = base.hidden

    def seen(tokens_BT: Tensor, attention_BT: Tensor, *others: None) -> Tensor:
        assert tokens_BT.numel() <= 120
        lengths.append(tokens_BT.shape[1])
        return hidden(tokens_BT, attention_BT, *others)

    monkeypatch.setattr(base, "hidden", seen)
    Pack(base, shared_out, pad_id=0).step()
    assert len(lengths) > 1
    assert lengths == sorted(lengths, reverse=True)
    for one, other in zip(in_one, shared_out, strict=True):
        assert abs(one.loss - other.loss) < 1e-13
        for name, parameter in one.parameters.items():
            assert torch.allclose(parameter, other.parameters[name], rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize("family", CONFIGS)
def test_no_method_changes_the_base(family: str) -> None:
    base = random_base(family, torch.float32)
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    Pack(base, make_slots(base, SIX_METHODS), 0).step()
    for method in ("fine_tune", "ft_top2", "lora(r_q=2) + ft_top2"):
        (slot,) = make_slots(base, [method])
        pack = Pack(base, [slot], 0)
        while not slot.finished:
            pack.step()
        moved = [n for n, t in base.model.state_dict().items() if not torch.equal(t, before[n])]
        assert moved
        slot.close()
        for name, tensor in base.model.state_dict().items():
            assert torch.equal(tensor, before[name]), name
        assert not any(p.requires_grad for p in base.model.parameters())


def test_a_slot_that_is_no_number_leaves_its_neighbours_untouched() -> None:
    base = random_base("llama")
    methods = SIX_METHODS[:3]
    healthy, beside_nan = make_slots(base, methods), make_slots(base, methods)
    with torch.no_grad():
        next(iter(beside_nan[1].parameters.values())).fill_(float("nan"))
    pack = Pack(base, beside_nan, 0)
    diverged = pack.step()
    Pack(base, healthy, 0).step()
    assert list(diverged) == [beside_nan[1]]
    assert "diverged at step 1" in str(diverged[beside_nan[1]])
    for number in (0, 2):
        for name, parameter in healthy[number].parameters.items():
            assert torch.allclose(beside_nan[number].parameters[name], parameter, rtol=1e-12, atol=1e-14)
    pack.step()
    assert beside_nan[1].step == 0
    assert beside_nan[0].step == 2


def test_micro_batches_change_nothing_beyond_rounding_dropout_included() -> None:
    base = random_base("gpt2")
    whole = make_slots(base, SIX_METHODS)
    parts = make_slots(base, SIX_METHODS, replace(RECIPE, micro_batch=2))
    for _ in range(3):
        Pack(base, whole, 0).step()
        Pack(base, parts, 0).step()
    for one, other in zip(whole, parts, strict=True):
        for name, parameter in one.parameters.items():
            assert torch.allclose(other.parameters[name], parameter, rtol=1e-9, atol=1e-12), name


def test_fine_tuning_a_bf16_base_moves_float32_masters() -> None:
    base = random_base("gpt2", torch.bfloat16)
    (slot,) = make_slots(base, ["fine_tune"], replace(RECIPE, lr=5e-6, steps=5))
    start = {name: p.detach().clone() for name, p in slot.parameters.items()}
    pack = Pack(base, [slot], 0)
    while not slot.finished:
        pack.step()
    assert all(p.dtype == torch.float32 for p in slot.parameters.values())
    moved = sum(int((p != start[n]).sum()) for n, p in slot.parameters.items())
    assert moved > 0.9 * slot.trainable_params * 0.5
    slot.close()


def test_the_top_two_layers_need_no_gradients_below() -> None:
    base = random_base("gpt2")
    (slot,) = make_slots(base, ["ft_top2"])
    seen: list[bool] = []
    handles = [
        layer.register_forward_hook(lambda m, a, output: seen.append(output.requires_grad))
        for layer in base.model.transformer.h
    ]
    Pack(base, [slot], 0).step()
    for handle in handles:
        handle.remove()
    slot.close()
    assert seen == [False, True, True]


def test_an_exclusive_method_refuses_neighbours() -> None:
    base = random_base("gpt2")
    slots = make_slots(base, ["lora(r_q=1)", "ft_top2"])
    with pytest.raises(FrontuneError, match="must hold the base alone"):
        Pack(base, slots, 0)
    slots[1].close()
