"""Scoring by likelihood: fast and general path, batches of any size, groups, and no trace in training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training import evaluate
from sweeps.training.batches import Row
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import evaluate_likelihood, evaluate_likelihoods
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Diverged, Slot
from tests.bases import SIX_METHODS, random_base, random_rows


def one_slot(base: FrozenBase, method: str) -> Slot:
    return Slot(base, parse_method(method), Recipe(lr=1e-2, steps=3, batch_size=4), random_rows(12))


def with_longer_candidates(rows: list[Row]) -> list[Row]:
    """The same rows with a candidate of two tokens that is never likelier, to force the general path."""
    return [replace(row, candidates=(*row.candidates, (row.candidates[0][0], 60))) for row in rows]


@pytest.mark.parametrize("method", SIX_METHODS)
def test_candidates_of_one_token_score_the_same_on_the_fast_and_the_general_path(method: str) -> None:
    base = random_base("gpt2")
    slot = one_slot(base, method)
    pack = Pack(base, [slot], 0)
    while not slot.finished:
        pack.step()
    rows = random_rows(15, seed=5)
    fast = evaluate_likelihood(base, slot, rows, 0)
    general = evaluate_likelihood(base, slot, with_longer_candidates(rows), 0)
    assert general.metrics == pytest.approx(fast.metrics, abs=1e-12)
    assert (general.score, general.tokens) == (fast.score, fast.tokens)


def test_a_longer_candidates_likelihood_is_the_sum_over_its_tokens() -> None:
    base = random_base("llama")
    slot = one_slot(base, "lora(r_q=1)")
    prompt, candidates = (5, 6, 7), ((8, 9), (10,), (11, 12, 13))
    found = evaluate._likelihoods(
        base, base.exact_logits(), [(slot, Row(prompt, (8, 9), candidates, 0))], pad_id=0
    )[0]
    for value, candidate in zip(found.tolist(), candidates, strict=True):
        tokens_BT = torch.tensor([[*prompt, *candidate]])
        with torch.no_grad():
            logprobs_TV = base.model(input_ids=tokens_BT).logits[0].log_softmax(-1)
        wanted = sum(logprobs_TV[2 + n, token].item() for n, token in enumerate(candidate))
        assert value == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    "method", ["lora(r_q=1)", "prefix_embed(l_p=3, l_i=2)", "prefix_layer(l_p=2, l_i=1)"]
)
def test_batches_of_any_size_score_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = random_base("llama")
    slot = one_slot(base, method)
    rows = random_rows(25, seed=2)
    at_once = evaluate_likelihood(base, slot, rows, 0)
    monkeypatch.setitem(evaluate.EVAL_POSITIONS, "cpu", 40)
    assert evaluate_likelihood(base, slot, rows, 0).metrics == pytest.approx(at_once.metrics, abs=1e-12)


def test_an_evaluation_batch_holds_at_most_its_tokens_also_with_long_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(evaluate.EVAL_POSITIONS, "cpu", 200)
    base = random_base("llama")
    slot = one_slot(base, "prefix_embed(l_p=3, l_i=1)")
    for rows, further in ((random_rows(40), 0), (with_longer_candidates(random_rows(40)), 1)):
        batches = evaluate._by_length([(slot, row) for row in rows], base)
        for numbers in batches:
            longest = max(len(rows[n].prompt) + further + 4 for n in numbers)
            assert len(numbers) * longest <= 200
        assert sorted(n for batch in batches for n in batch) == [*range(40)]


SIDE_BY_SIDE = ("lora(r_q=2)", "prefix_embed(l_p=3, l_i=1)", "adapter_l(r=2)", "prefix_layer(l_p=2, l_i=0)")


@pytest.mark.parametrize("candidates", ["of one token", "of several tokens"])
def test_slots_that_are_scored_together_score_as_alone(candidates: str) -> None:
    base = random_base("gpt2")
    asked = []
    for number, method in enumerate(SIDE_BY_SIDE):
        rows = random_rows(11 + number, seed=number)
        asked.append(
            (one_slot(base, method), rows if candidates == "of one token" else with_longer_candidates(rows))
        )
    together = evaluate_likelihoods(base, asked, 0)
    for (slot, rows), found in zip(asked, together, strict=True):
        alone = evaluate_likelihood(base, slot, rows, 0)
        assert isinstance(found, evaluate.Evaluation)
        assert found.metrics == pytest.approx(alone.metrics, abs=1e-12)
        assert (found.outcomes, found.tokens) == (alone.outcomes, alone.tokens)


def test_texts_of_slots_that_are_scored_together_are_those_of_each_alone() -> None:
    base, decoding = random_base("llama"), Decoding(max_new_tokens=5)
    asked = [(one_slot(base, method), random_rows(5, seed=n)) for n, method in enumerate(SIDE_BY_SIDE)]
    together = evaluate.evaluate_texts(base, asked, 0, 1, decoding)
    for (slot, rows), found in zip(asked, together, strict=True):
        alone = evaluate.evaluate_text(base, slot, rows, 0, 1, decoding)
        assert isinstance(found, evaluate.Evaluation)
        assert found.generated == alone.generated
        assert found.metrics == pytest.approx(alone.metrics, abs=1e-12)


def test_one_slot_that_diverged_spoils_no_others_score() -> None:
    base = random_base("llama")
    sound, spoiled = one_slot(base, "lora(r_q=2)"), one_slot(base, "lora(r_q=2)")
    with torch.no_grad():
        next(iter(spoiled.parameters.values())).fill_(torch.nan)
    rows = random_rows(6)
    found = evaluate_likelihoods(base, [(spoiled, rows), (sound, rows)], 0)
    assert isinstance(found[0], Diverged)
    assert found[1] == evaluate_likelihood(base, sound, rows, 0)


def test_accuracy_is_reported_by_group_and_adds_up() -> None:
    base = random_base("llama")
    slot = one_slot(base, "lora(r_q=1)")
    rows = [replace(row, group=("fiction", "travel")[n % 3 > 0]) for n, row in enumerate(random_rows(30))]
    found = evaluate_likelihood(base, slot, rows, 0)
    assert set(found.metrics) == {"accuracy", "loss", "accuracy/fiction", "accuracy/travel"}
    by_hand = 10 * found.metrics["accuracy/fiction"] + 20 * found.metrics["accuracy/travel"]
    assert found.score == found.metrics["accuracy"] == pytest.approx(by_hand / 30)
    alone = evaluate_likelihood(base, slot, [row for row in rows if row.group == "fiction"], 0)
    assert alone.score == found.metrics["accuracy/fiction"]
    assert set(evaluate_likelihood(base, slot, random_rows(5), 0).metrics) == {"accuracy", "loss"}


def test_nothing_to_score_is_an_error() -> None:
    base = random_base("llama")
    with pytest.raises(FrontuneError, match="nothing to score"):
        evaluate_likelihood(base, one_slot(base, "lora(r_q=1)"), [], 0)


def test_scoring_uses_no_dropout_and_leaves_training_as_it_was() -> None:
    base = random_base("llama", torch.float32)
    rows = random_rows(10)
    undisturbed, scored = (one_slot(base, "lora(r_q=2, dropout=0.5)") for _ in range(2))
    packs = [Pack(base, [slot], 0) for slot in (undisturbed, scored)]
    for _ in range(3):
        assert evaluate_likelihood(base, scored, rows, 0) == evaluate_likelihood(base, scored, rows, 0)
        for pack in packs:
            pack.step()
        assert undisturbed.loss == scored.loss
    for name, parameter in undisturbed.parameters.items():
        assert torch.equal(parameter, scored.parameters[name])


def test_likelihoods_that_are_not_numbers_are_a_divergence_and_no_score() -> None:
    base = random_base("gpt2")
    slot = one_slot(base, "lora(r_q=1)")
    with torch.no_grad():
        next(iter(slot.parameters.values())).fill_(float("nan"))
    with pytest.raises(Diverged, match="the likelihoods of 5 of 5 scored rows are not numbers"):
        evaluate_likelihood(base, slot, random_rows(5), 0)


def test_scores_over_a_bf16_base_are_not_rounded_to_8_bits() -> None:
    base = random_base("llama", torch.bfloat16)
    hidden_ND = torch.randn(4, base.shape.d_model, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact, head = base.exact_logits()(hidden_ND), base.model.lm_head.weight
    assert exact.dtype == torch.float32
    assert torch.equal(exact, hidden_ND.float() @ head.float().T)
    assert not torch.equal(exact, base.logits(hidden_ND).float())
