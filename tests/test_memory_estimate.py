"""Memory before training: what is estimated on shapes is what a real trial's tensors take."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.batches import Row
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import evaluate_likelihood
from sweeps.training.live_memory import LiveMemory
from sweeps.training.memory_estimate import MemoryEstimate, estimate_memory, widest_batch
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, SIX_METHODS, VOCABULARY, random_base, random_rows

RECIPE = Recipe(steps=2, batch_size=8)
METHODS = (*SIX_METHODS, "ft_top2(n_layers=1)", "fine_tune", "lora(r_q=1) + ft_top2(n_layers=1)")


def meta_of(family: str, dtype: torch.dtype = torch.float32) -> FrozenBase:
    config = AutoConfig.for_model(
        family, vocab_size=VOCABULARY, pad_token_id=0, bos_token_id=1, eos_token_id=2, **CONFIGS[family]
    )
    with torch.device("meta"):
        return FrozenBase(AutoModelForCausalLM.from_config(config, dtype=dtype), family)


def estimate(
    family: str, method: str, recipe: Recipe = RECIPE, rows: list[Row] | None = None
) -> MemoryEstimate:
    rows = rows or random_rows(8)
    return estimate_memory(meta_of(family), parse_method(method), recipe, rows, rows, "cpu")


def really(family: str, method: str, recipe: Recipe = RECIPE) -> tuple[int, int]:
    """The most bytes of tensors that live while a real slot trains, and while it is scored."""
    base, rows = random_base(family, torch.float32), random_rows(8)
    live = LiveMemory(before=(*base.model.parameters(), *base.model.buffers()))
    with live:
        slot = Slot(base, parse_method(method), recipe, rows)
        pack = Pack(base, [slot], 0)
        while not slot.finished:
            assert not pack.step()
        training, live.peak = live.peak, live.bytes
        evaluate_likelihood(base, slot, rows, 0)
        slot.close()
    return training, live.peak


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "opt"])
def test_the_estimate_is_what_the_tensors_of_a_real_trial_take(family: str, method: str) -> None:
    found = estimate(family, method)
    training, scoring = really(family, method)
    assert found.trained + found.training == pytest.approx(training, rel=0.02)
    assert found.trained + found.scoring == pytest.approx(scoring, rel=0.05)
    model = random_base(family, torch.float32).model
    assert found.base == sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))


@pytest.mark.parametrize("method", ["lora(r_q=2)", "fine_tune"])
def test_a_micro_batch_saves_activations_and_its_gradients_are_kept_meanwhile(method: str) -> None:
    recipe = replace(RECIPE, micro_batch=4)
    found, whole = estimate("llama", method, recipe), estimate("llama", method)
    assert found.training < whole.training
    assert found.trained + found.training == pytest.approx(really("llama", method, recipe)[0], rel=0.02)


@pytest.mark.parametrize("method", ["lora(r_q=2)", "ft_top2(n_layers=1)"])
def test_a_bfloat16_base_takes_half_and_its_masters_are_float32(method: str) -> None:
    rows = random_rows(8)
    half = estimate_memory(meta_of("gpt2", torch.bfloat16), parse_method(method), RECIPE, rows, rows, "cpu")
    full = estimate("gpt2", method)
    params = parse_method(method).count(meta_of("gpt2").shape)
    assert half.base == full.base / 2
    # A copy from before and AdamW's two states; bf16 masters are tensors of their own.
    own = 2 * params + 4 * params if method.startswith("ft") else 4 * params
    assert half.trained == own + 8 * params
    assert half.training < full.training


def test_generated_text_adds_the_cache_of_its_longest_batch() -> None:
    rows = [Row((5,) * 20, (6, 7), (), -1)] * 4
    base, method = meta_of("llama"), parse_method("lora(r_q=2)")
    plain = estimate_memory(base, method, RECIPE, rows, rows, "cpu")
    text = estimate_memory(base, method, RECIPE, rows, rows, "cpu", Decoding(max_new_tokens=30, beams=2))
    # Keys and values, 3 layers, 4 rows of 2 beams, 50 positions, 2 heads of 6.
    assert text.scoring >= plain.scoring + 2 * 3 * 8 * 50 * 12 * 4 - 1
    assert text.training == plain.training


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("method", ["adapter_h(r=2)", "fine_tune"])
def test_an_estimate_leaves_the_base_as_it_was_found(method: str, device: str) -> None:
    base, rows = meta_of("gpt2"), random_rows(8)
    first = estimate_memory(base, parse_method(method), RECIPE, rows, rows, device)
    again = estimate_memory(base, parse_method(method), RECIPE, rows, rows, device)
    assert first == again
    assert not any(p.requires_grad or p.grad is not None for p in base.model.parameters())


def test_memory_grows_with_rows_length_and_what_is_trained() -> None:
    small = estimate("gpt2", "adapter_h(r=1)")
    assert estimate("gpt2", "adapter_h(r=8)").trained > small.trained
    assert estimate("gpt2", "adapter_h(r=1)", rows=random_rows(8, longest=40)).training > small.training
    assert estimate("gpt2", "adapter_h(r=1)", replace(RECIPE, batch_size=4)).training < small.training
    # Below its layers FT^Top2 needs no activations.
    one, three = (estimate("gpt2", f"ft_top2(n_layers={n})").training for n in (1, 3))
    assert three > 2 * one


def test_the_widest_batch_is_the_one_that_a_real_plan_has() -> None:
    rows = random_rows(40, longest=30)
    for recipe in (Recipe(epochs=2, batch_size=8), Recipe(steps=2, batch_size=8, seed=3)):
        plan = Slot(random_base("gpt2"), parse_method("lora(r_q=1)"), recipe, rows).plan
        widest = max(len(batch) * max(rows[number].tokens for number in batch) for batch in plan)
        found = widest_batch(rows, recipe)
        assert len(found) * max(row.tokens for row in found) == widest
