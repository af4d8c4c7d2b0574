"""Generation: every method's greedy text equals an uncached loop's, beams and neighbours change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.batches import Row, collate
from sweeps.training.decoding import Decoding
from sweeps.training.generate import generate, without_repeats
from sweeps.training.pack import Pack, label_states
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, SIX_METHODS, random_base, random_rows

PAD, EOS = 0, 2
MORE_METHODS = (*SIX_METHODS, "lora(r_up=2) + prefix_layer(l_p=2)", "prefix_embed(l_p=0, l_i=3)")


def trained(base: FrozenBase, method: str) -> Slot:
    """A slot whose edits do something: some steps at a high learning rate."""
    slot = Slot(base, parse_method(method), Recipe(lr=0.1, steps=3, batch_size=4), random_rows(12))
    pack = Pack(base, [slot], PAD)
    while not slot.finished:
        assert not pack.step()
    return slot


def prompts(n: int, seed: int = 3) -> list[Row]:
    return [replace(row, completion=()) for row in random_rows(n, seed)]


def plain_loop(base: FrozenBase, slot: Slot, row: Row, n_tokens: int) -> tuple[int, ...]:
    """Greedy decoding without a cache: the whole row anew for every token."""
    found: list[int] = []
    with torch.no_grad():
        while len(found) < n_tokens:
            batch = collate([replace(row, completion=(*found, PAD))], slot.method.virtual_tokens, PAD)
            states = label_states(base, [batch], [slot.place(0, batch)])
            token = int(base.logits(states)[-1].argmax())
            if token == EOS:
                break
            found.append(token)
    return tuple(found)


@pytest.mark.parametrize("family", CONFIGS)
def test_each_methods_greedy_text_equals_an_uncached_loops_in_one_mixed_batch(family: str) -> None:
    base, rows = random_base(family), prompts(5)
    slots = [trained(base, method) for method in MORE_METHODS]
    found = generate(base, [(slot, rows) for slot in slots], Decoding(max_new_tokens=7), PAD, EOS)
    for slot, texts in zip(slots, found, strict=True):
        assert texts == [plain_loop(base, slot, row, 7) for row in rows]
    assert len({tuple(texts) for texts in found}) > len(slots) // 2


@pytest.mark.parametrize("family", CONFIGS)
def test_beams_find_the_same_text_alone_and_beside_other_methods(family: str) -> None:
    base, rows = random_base(family), prompts(4)
    slots = [trained(base, method) for method in MORE_METHODS]
    decoding = Decoding(beams=3, length_penalty=0.8, no_repeat_ngram=2, max_new_tokens=6)
    together = generate(base, [(slot, rows) for slot in slots], decoding, PAD, EOS)
    for slot, texts in zip(slots, together, strict=True):
        assert texts == generate(base, [(slot, rows)], decoding, PAD, EOS)[0]
        for row, text in zip(rows, texts, strict=True):
            assert generate(base, [(slot, [row])], decoding, PAD, EOS) == [[text]]


def test_several_batches_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    base, rows = random_base("llama"), prompts(9)
    slots = [trained(base, method) for method in ("lora(r_q=2)", "prefix_layer(l_p=2, l_i=1)")]
    asked = [(slot, rows) for slot in slots]
    whole = generate(base, asked, Decoding(max_new_tokens=4), PAD, EOS)
    monkeypatch.setattr("sweeps.training.generate.GENERATED_POSITIONS", {"cpu": 40, "cuda": 40})
    assert generate(base, asked, Decoding(max_new_tokens=4), PAD, EOS) == whole


def test_a_text_ends_before_its_end_token_and_at_the_limit() -> None:
    base, (row,) = random_base("gpt2"), prompts(1)
    slot = trained(base, "lora(r_q=1)")
    text = generate(base, [(slot, [row])], Decoding(max_new_tokens=9), PAD, EOS)[0][0]
    assert len(text) == 9
    third = text[2]
    cut = generate(base, [(slot, [row])], Decoding(max_new_tokens=9), PAD, third)[0][0]
    assert cut == text[: text.index(third)]


@pytest.mark.parametrize("method", ["lora(r_q=1)", "prefix_embed(l_p=1)", "prefix_layer(l_p=2, l_i=1)"])
def test_an_empty_prompt_is_refused_whatever_virtual_tokens_there_are(method: str) -> None:
    base, (row,) = random_base("gpt2"), prompts(1)
    slot = Slot(base, parse_method(method), Recipe(steps=1), [row])
    asked = [(slot, [row]), (slot, [row, replace(row, prompt=())])]
    with pytest.raises(FrontuneError, match="row 1 of the batch has an empty prompt: nothing to predict"):
        generate(base, asked, Decoding(max_new_tokens=1), PAD, EOS)


def test_only_generated_tokens_count_as_repeated() -> None:
    scores = torch.zeros(3, 10)
    generated = torch.tensor([[4, 5, 4], [4, 5, 6], [7, 7, 7]])
    assert without_repeats(generated, scores, 2)[0].isinf().nonzero().flatten().tolist() == [5]
    assert not without_repeats(generated, scores, 2)[1].isinf().any()
    assert without_repeats(generated, scores, 2)[2].isinf().nonzero().flatten().tolist() == [7]
    assert without_repeats(generated, scores, 1)[1].isinf().nonzero().flatten().tolist() == [4, 5, 6]
    assert not without_repeats(generated, scores, 5).isinf().any()
    assert not without_repeats(generated[:, :0], scores, 3).isinf().any()


def test_the_base_is_left_as_it_was_and_its_own_sampling_is_off() -> None:
    base = random_base("gpt2")
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    slot = trained(base, "prefix_embed(l_p=2)")
    generate(base, [(slot, prompts(2))], Decoding(beams=2, max_new_tokens=3), PAD, EOS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.model.state_dict().items())
    assert not any(module._forward_hooks for module in base.model.modules())
