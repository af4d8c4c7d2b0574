"""The contract of every registered method, on every family: counts, gradients, starts, texts, labels."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from methods.base import InvalidConfig
from methods.editing import Placed
from methods.errors import FrontuneError
from methods.expression import format_method, parse_method
from methods.frozen import FrozenBase
from methods.injected import count_elements
from methods.registry import known_methods
from methods.start import BaseStart
from sweeps.training.batches import collate
from sweeps.training.pack import Pack, label_states
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, random_base, random_rows

EXAMPLES = {
    "adapter_h": "adapter_h(r=3)",
    "adapter_l": "adapter_l(r=2)",
    "fine_tune": "fine_tune",
    "ft_top2": "ft_top2",
    "lora": "lora(r_q=2, r_k=1, r_v=3, r_o=1, r_up=2, r_down=1, alpha=4)",
    "prefix_embed": "prefix_embed(l_p=3, l_i=2)",
    "prefix_layer": "prefix_layer(l_p=2, l_i=1)",
}
SUMS = (
    "lora(r_q=2, r_v=2) + prefix_embed(l_p=2, l_i=1)",
    "lora(r_q=2) + prefix_layer(l_p=2)",
    "adapter_l(r=2) + lora(r_v=1)",
    "lora(r_q=1) + ft_top2",
)
ALL = (*EXAMPLES.values(), *SUMS)
RECIPE = Recipe(lr=1e-2, schedule="constant", steps=2, batch_size=6)


@cache
def meta_twin(family: str) -> FrozenBase:
    with torch.device("meta"):
        return FrozenBase(AutoModelForCausalLM.from_config(random_base(family).model.config), family)


def gradients_of_one_step(base: FrozenBase, slot: Slot) -> list[Tensor]:
    """What the optimiser meets: the gradients of every parameter there is, the base's included."""
    found: list[Tensor] = []
    step = slot.apply_gradients

    def look_and_step() -> None:
        own = {id(p): p for p in (*base.model.parameters(), *slot.parameters.values())}
        found.extend(p.grad.clone() for p in own.values() if p.grad is not None)
        step()

    slot.apply_gradients = look_and_step  # type: ignore[method-assign]
    assert not Pack(base, [slot], pad_id=0).step()
    return found


def logits_with(base: FrozenBase, slot: Slot | None, virtual_tokens: tuple[int, int] = (0, 0)) -> Tensor:
    batch = collate(random_rows(6), virtual_tokens, pad_id=0)
    placed = slot.place(0, batch) if slot else Placed({}, 0, 6)
    with torch.no_grad():
        return base.logits(label_states(base, [batch], [placed]))


def test_every_registered_method_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(known_methods())
    for name, text in EXAMPLES.items():
        assert parse_method(text).name == name


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize("family", CONFIGS)
def test_the_closed_form_counts_what_receives_gradients_and_a_step_moves_it(family: str, text: str) -> None:
    base, method = random_base(family), parse_method(text)
    slot = Slot(base, method, RECIPE, random_rows(12))
    start = {name: p.detach().clone() for name, p in slot.parameters.items()}
    gradients = gradients_of_one_step(base, slot)
    counted = method.count(base.shape)
    assert counted == slot.trainable_params == sum(gradient.numel() for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)
    still = {name for name, p in slot.parameters.items() if torch.equal(p, start[name])}
    # B starts at zero, so A's first gradient is zero.
    assert still == {name for name in start if name.endswith(("/A", "/lora.A"))}
    gradients_of_one_step(base, slot)
    assert not any(torch.equal(p, start[name]) for name, p in slot.parameters.items())
    slot.close()
    assert counted == count_elements(method, base) == count_elements(method, meta_twin(family))
    assert count_elements(method, base, BaseStart(base, torch.Generator())) == counted
    assert not any(p.requires_grad for p in base.model.parameters())


@pytest.mark.parametrize("family", CONFIGS)
def test_the_shape_without_weights_is_the_shape_with_them(family: str) -> None:
    assert meta_twin(family).shape == random_base(family).shape


@pytest.mark.parametrize("family", CONFIGS)
def test_lora_starts_exactly_as_the_base_and_adapters_start_near_it(family: str) -> None:
    base = random_base(family)
    plain, rows = logits_with(base, None), random_rows(8)
    lora = Slot(base, parse_method(EXAMPLES["lora"]), RECIPE, rows)
    assert torch.equal(logits_with(base, lora), plain)
    for name in ("adapter_h", "adapter_l"):
        adapter = Slot(base, parse_method(EXAMPLES[name]), RECIPE, rows)
        difference = (logits_with(base, adapter) - plain).norm() / plain.norm()
        # A random base carries a stream of 0.02, against which an update by LayerNorm is not that small.
        assert 0 < difference < (0.01 if name == "adapter_h" else 0.05), name


@pytest.mark.parametrize("text", ["fine_tune", "ft_top2", "lora(r_q=1) + ft_top2"])
def test_methods_that_train_the_base_start_exactly_as_it(text: str) -> None:
    base = random_base("gpt2")
    plain = logits_with(base, None)
    slot = Slot(base, parse_method(text), RECIPE, random_rows(8))
    assert torch.equal(logits_with(base, slot), plain)
    slot.close()


def test_each_rank_asked_for_is_there_by_name_and_shape_and_no_other() -> None:
    base = random_base("llama")
    slot = Slot(base, parse_method("lora(r_q=2, r_k=3, r_o=1, r_down=4)"), RECIPE, random_rows(8))
    wanted = {}
    for layer in range(3):
        for matrix, r, n_in, n_out in (
            ("q", 2, 24, 24),
            ("k", 3, 24, 12),
            ("o", 1, 24, 24),
            ("down", 4, 40, 24),
        ):
            wanted[f"{layer}.{matrix}/A"] = (r, n_in)
            wanted[f"{layer}.{matrix}/B"] = (n_out, r)
    assert {name: tuple(p.shape) for name, p in slot.parameters.items()} == wanted
    assert {name: tuple(t.shape) for name, t in slot.tensors().items()} == wanted


def test_a_sums_tensors_are_found_under_their_parts_names() -> None:
    base = random_base("gpt2")
    slot = Slot(base, parse_method("adapter_l(r=2) + prefix_layer(l_p=2)"), RECIPE, random_rows(8))
    assert "embed/prefix_layer.rows" in slot.parameters
    assert {"1.block/prefix_layer.rows", "1.block/adapter_l.down"} <= set(slot.parameters)


@pytest.mark.parametrize("text", ALL)
def test_a_method_written_as_text_is_read_back_equal(text: str) -> None:
    method = parse_method(text)
    assert parse_method(format_method(method)) == method
    assert format_method(parse_method(format_method(method))) == format_method(method)
    assert hash(parse_method(text)) == hash(method)


@pytest.mark.parametrize(
    ("text", "title", "label"),
    [
        ("lora(r_q=2, r_v=2)", "LoRA", "r_q = r_v = 2"),
        ("lora(r_q=1, r_k=1, r_v=1, r_o=1)", "LoRA", "r_q = r_k = r_v = r_o = 1"),
        ("lora(r_v=2)", "LoRA", "r_v = 2"),
        ("lora(r_q=8, r_v=2, r_o=8)", "LoRA", "r_v = 2, r_q = r_o = 8"),
        ("lora(r_q=8, alpha=16)", "LoRA", "r_q = 8, alpha = 16"),
        ("prefix_embed(l_p=32, l_i=8)", "PrefixEmbed", "l_p = 32, l_i = 8"),
        ("prefix_layer(l_p=8)", "PrefixLayer", "l_p = 8, l_i = 0"),
        ("adapter_h(r=16)", "Adapter^H", "r = 16"),
        ("adapter_l(r=16)", "Adapter^L", "r = 16"),
        ("ft_top2", "FT^Top2", ""),
        ("fine_tune", "Fine-Tune", ""),
        ("lora(r_q=8, r_v=8) + prefix_embed(l_p=8, l_i=4)", "LoRA+PE", "r_q = r_v = 8, l_p = 8, l_i = 4"),
        ("lora(r_q=8, r_v=8) + prefix_layer(l_p=8, l_i=4)", "LoRA+PL", "r_q = r_v = 8, l_p = 8, l_i = 4"),
    ],
)
def test_titles_and_labels_print_as_in_the_paper(text: str, title: str, label: str) -> None:
    method = parse_method(text)
    assert (method.title, method.label()) == (title, label)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lorra(r_q=1)", "unknown method 'lorra'; did you mean 'lora'\\? known: adapter_h"),
        ("lora(r_qq=1)", "unknown hyperparameter of lora 'r_qq'; did you mean 'r_q'"),
        ("lora(name=1)", "unknown hyperparameter of lora 'name'"),
        ("lora(r_q=1, r_q=2)", "cannot be read"),
        ("lora(r_q={[]: 1})", "cannot be read"),
        ("lora(8)", "cannot be read"),
        ("lora(r_q=open('x'))", "cannot be read"),
        ("lora(r_q=1) - ft_top2", "cannot be read"),
        ("", "cannot be read"),
        ("lora", "every rank is 0"),
        ("lora(r_q=True)", "r_q must be a whole number, got True"),
        ("lora(r_q=1.5)", "r_q must be a whole number, got 1.5"),
        ("lora(r_q=-1)", "r_q must be at least 0, got -1"),
        ("lora(r_q=1, alpha=1e999)", "alpha must be at least 0, got inf"),
        ("adapter_h", "r is missing"),
        ("adapter_l(r=0)", "r must be at least 1"),
        ("adapter_h(r=1, dropout=1)", "dropout must be from 0 to 0.99"),
        ("prefix_embed(l_p=0)", "l_p and l_i are both 0"),
        ("lora(r_q=1) + lora(r_v=1)", "'lora' stands in the sum twice"),
        ("prefix_embed(l_p=1) + prefix_layer(l_p=1)", "only one part of a sum may own virtual tokens"),
        ("ft_top2 + fine_tune", "only one part of a sum may train the base's own weights"),
    ],
)
def test_a_method_that_cannot_be_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(FrontuneError, match=message) as caught:
        parse_method(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lora(r_k=13)", "r_k = 13 is more than the matrix can hold; k is 24 x 12, so at most 12"),
        ("adapter_h(r=25)", "r = 25 is wider than the base's d_model = 24"),
        ("ft_top2(n_layers=4)", "n_layers = 4, but the base has 3"),
        ("prefix_layer(l_p=60, l_i=3)", "l_p \\+ l_i = 63 leaves no room .* has 64 positions"),
        ("lora(r_q=1) + prefix_embed(l_p=63)", "leaves no room"),
    ],
)
def test_a_base_refuses_what_it_cannot_hold(text: str, message: str) -> None:
    base = random_base("llama")
    with pytest.raises(InvalidConfig, match=message):
        Slot(base, parse_method(text), RECIPE, random_rows(8))
