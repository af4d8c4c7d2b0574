"""The frozen layers below the lowest edit run once for each row, and nothing else is different."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from methods.entering import Entering, entered
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.loading import load_base, load_tokenizer
from sweeps.data import TaskData, prepare_data, read_examples
from sweeps.settings import TaskSettings
from sweeps.training.lower import LowerLayers, LowerStates, lowest_layer
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from sweeps.trial import Finished, Rung, TrialSpec
from tests.alone import train_trial
from tests.bases import CONFIGS, random_base, random_rows

ROWS = random_rows(23, seed=4)


def slot_on(base: FrozenBase, method: str = "ft_top2(n_layers=1)", steps: int = 12) -> Slot:
    return Slot(base, parse_method(method), Recipe(lr=1e-2, steps=steps, batch_size=5), ROWS)


def losses(base: FrozenBase, slots: list[Slot]) -> list[list[float]]:
    pack, found = Pack(base, slots, pad_id=0), []
    for _ in range(slots[0].total_steps):
        assert not pack.step()
        found.append([slot.loss for slot in slots])
    for slot in slots:
        slot.close()
    return found


@pytest.mark.parametrize("family", CONFIGS)
def test_training_above_kept_streams_is_training(family: str) -> None:
    base = random_base(family)
    wanted = losses(base, [slot_on(base)])
    slot = slot_on(base)
    slot.lower = LowerLayers(base, pad_id=0).of(slot)
    assert slot.lower is not None
    assert slot.lower.layer == 2
    passes: Counter[int] = Counter()
    handles = [
        layer.register_forward_hook(lambda *_, number=number: passes.update([number]))
        for number, layer in enumerate(base.model.get_submodule(base.family.layers))
    ]
    found = losses(base, [slot])
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(torch.tensor(found), torch.tensor(wanted), rtol=1e-11, atol=0)
    assert passes == {0: 2, 1: 2, 2: 12}, "23 rows are two blocks; the layer that trains runs once a step"


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_slots_with_the_same_lowest_layer_enter_it_together(family: str) -> None:
    base = random_base(family)

    def top_only(method: str) -> Slot:
        slot = slot_on(base, method)
        slot.edits = {site: edit for site, edit in slot.edits.items() if site.layer == 2}
        return slot

    methods = ("lora(r_q=2, r_v=2)", "adapter_h(r=2)")
    wanted = losses(base, [top_only(method) for method in methods])
    slots = [top_only(method) for method in methods]
    lower = LowerLayers(base, pad_id=0)
    for slot in slots:
        slot.lower = lower.of(slot)
    assert slots[0].lower is slots[1].lower is not None
    torch.testing.assert_close(torch.tensor(losses(base, slots)), torch.tensor(wanted), rtol=1e-11, atol=0)


def test_beside_a_slot_that_changes_lower_layers_everything_runs() -> None:
    base = random_base("llama")
    wanted = losses(base, [slot_on(base, "adapter_l(r=2)"), slot_on(base, "lora(r_q=2)")])
    slots = [slot_on(base, "adapter_l(r=2)"), slot_on(base, "lora(r_q=2)")]
    slots[0].lower = LowerStates(base, 2, ROWS, 0)
    torch.testing.assert_close(torch.tensor(losses(base, slots)), torch.tensor(wanted), rtol=1e-11, atol=0)


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        ("ft_top2(n_layers=1)", 2),
        ("ft_top2(n_layers=2)", 1),
        ("fine_tune()", 0),
        ("lora(r_q=1)", 0),
        ("prefix_layer(l_p=2)", 0),
        ("prefix_embed(l_p=2)", 0),
    ],
)
def test_the_lowest_layer_of_a_method(method: str, layer: int) -> None:
    slot = slot_on(random_base("gpt2"), method)
    assert lowest_layer(slot) == layer
    slot.close()


def test_streams_are_not_kept_for_less_than_two_epochs_or_beyond_the_budget() -> None:
    base = random_base("gpt2")
    short = slot_on(base, steps=9)
    assert LowerLayers(base, 0).of(short) is None
    short.close()
    whole = slot_on(base)
    needed = sum(row.tokens for row in ROWS) * 24 * 8
    assert LowerLayers(base, 0, budget_bytes=needed - 1).of(whole) is None
    lower = LowerLayers(base, 0, budget_bytes=needed)
    assert lower.of(whole) is not None
    assert lower.of(whole) is lower.of(whole)
    whole.close()


def test_whether_streams_are_kept_depends_on_no_trial_before() -> None:
    base = random_base("gpt2")
    lower = LowerLayers(base, 0, budget_bytes=sum(row.tokens for row in ROWS) * 24 * 8)
    for n_layers in (1, 2, 1):
        slot = slot_on(base, f"ft_top2(n_layers={n_layers})")
        slot.lower = lower.of(slot)
        assert slot.lower is not None
        assert slot.lower.layer == 3 - n_layers
        slot.close()
    assert len(lower.kept) == 1, "beyond the budget the layer that was used longest ago is forgotten"


def test_a_rows_stream_does_not_depend_on_what_was_asked_for_before() -> None:
    base = random_base("llama", torch.float32)
    one, other = (LowerStates(base, 1, ROWS, 0) for _ in range(2))
    one.entering([5, 3], 13)
    other.entering([0, 22], 13)
    assert torch.equal(one.entering([1, 7], 13), other.entering([1, 7], 13))


def test_the_layers_are_put_back_whatever_happens() -> None:
    base = random_base("gpt2")
    layers = base.model.get_submodule(base.family.layers)
    before = list(layers)

    def fail_on_the_way() -> None:
        with entered(layers, Entering(2, torch.zeros(1, 1, 24))):
            assert layers[0] is not before[0]
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fail_on_the_way()
    assert list(layers) == before


def test_an_interrupted_trial_goes_on_above_kept_streams_to_the_same_numbers(
    base: str, tmp_path: Path
) -> None:
    frozen = load_base(base)
    settings = TaskSettings(name="demo", train_examples=20, eval_examples=12)
    data: TaskData = prepare_data(read_examples(settings), load_tokenizer(base))
    spec = TrialSpec(
        sweep="s",
        number=0,
        method="ft_top2(n_layers=1)",
        recipe=Recipe(lr=1e-2, steps=10, batch_size=4),
        adapter_file=str(tmp_path / "whole"),
        point=0,
        config_hash="hash",
        rungs=(3, 7),
        checkpoint_file=str(tmp_path / "state"),
    )
    *_, wanted = train_trial(frozen, data, replace(spec, checkpoint_file=str(tmp_path / "other")))
    life = train_trial(frozen, data, replace(spec, adapter_file=str(tmp_path / "resumed")))
    for event in life:
        if isinstance(event, Rung) and event.step == 3:
            break
    life.close()  # type: ignore[attr-defined]
    *_, found = train_trial(frozen, data, replace(spec, adapter_file=str(tmp_path / "resumed")))
    assert isinstance(wanted, Finished)
    assert isinstance(found, Finished)
    assert found.result.curve == wanted.result.curve
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
