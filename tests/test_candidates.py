"""Candidates that share their prompt's pass are as likely as each is in a row of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.batches import Row, collate
from sweeps.training.candidates import collate_candidates, passed_positions
from sweeps.training.evaluate import _likelihoods
from sweeps.training.pack import Pack, label_states
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, SIX_METHODS, random_base, random_rows

ROWS = (
    Row((5, 6, 7, 8), (9,), ((9,), (10, 11), (10, 12, 13)), 0),
    Row((20, 21), (9, 9, 9, 9), ((9, 9, 9, 9), (30,)), 0),
    Row((40, 41, 42, 43, 44, 45, 46), (50, 51), ((50, 51), (52, 53), (54, 55)), 2),
)
WINDOWED: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": 4},
    # Its first layer sees all, the others the window.
    "qwen2": {"sliding_window": 4, "use_sliding_window": True, "max_window_layers": 1},
}


def trained_slot(base: FrozenBase, method: str) -> Slot:
    slot = Slot(
        base, parse_method(method), Recipe(lr=1e-2, steps=3, batch_size=4), random_rows(12, longest=3)
    )
    pack = Pack(base, [slot], 0)
    for _ in range(3):
        pack.step()
    assert slot.finished
    return slot


def one_by_one(base: FrozenBase, slot: Slot, row: Row) -> list[float]:
    """Each candidate as the completion of a row of its own."""
    found = []
    for candidate in row.candidates:
        batch = collate([Row(row.prompt, candidate)], slot.method.virtual_tokens, 0)
        with torch.no_grad():
            states_ND = label_states(base, [batch], [slot.place(0, batch)])
            logprobs_NV = base.logits(states_ND).log_softmax(-1)
        found.append(sum(logprobs_NV[n, token].item() for n, token in enumerate(candidate)))
    return found


def assert_same(base: FrozenBase, method: str) -> None:
    slot = trained_slot(base, method)
    together = _likelihoods(base, base.exact_logits(), [(slot, row) for row in ROWS], pad_id=0)
    for row, found in zip(ROWS, together, strict=True):
        assert found.tolist() == pytest.approx(one_by_one(base, slot, row), abs=1e-10)


@pytest.mark.parametrize("method", SIX_METHODS)
@pytest.mark.parametrize("family", CONFIGS)
def test_every_method_on_every_family(family: str, method: str) -> None:
    assert_same(random_base(family), method)


@pytest.mark.parametrize("family", WINDOWED)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_sliding_window_is_that_of_a_candidate_alone(
    family: str, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONFIGS, family, CONFIGS[family] | WINDOWED[family])
    base = random_base(family)
    base.model.set_attn_implementation(attention)
    assert_same(base, "lora(r_q=2, r_v=2) + prefix_embed(l_p=2)")


def test_a_prompt_is_laid_out_once_and_no_candidates_last_token_is() -> None:
    found = collate_candidates(ROWS[:2], (0, 0), pad_id=0, length=8)
    assert found.batch.tokens_BT.tolist() == [[5, 6, 7, 8, 10, 10, 12, 0], [20, 21, 9, 9, 9, 0, 0, 0]]
    assert [passed_positions(row, 0) for row in ROWS[:2]] == [7, 5]
    assert found.batch.column_N.tolist() == [3, 4, 5, 6, 1, 2, 3, 4]
    assert found.token_N.tolist() == [9, 10, 11, 10, 12, 13, 9, 9, 9, 9, 30]
    assert found.label_N.tolist() == [0, 0, 1, 0, 2, 3, 4, 5, 6, 7, 4]
    assert found.candidate_N.tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4]
    assert found.batch.branches is not None
    assert found.batch.branches.position_BT.tolist()[0] == [0, 1, 2, 3, 4, 4, 5, 0]


def test_a_row_without_a_prompt_is_refused() -> None:
    with pytest.raises(FrontuneError, match="empty prompt"):
        collate_candidates([Row((), (5,), ((5,), (6,)), 0)], (0, 0), pad_id=0, length=4)
