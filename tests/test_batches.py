"""The layout of a batch, the order of an epoch, and how little of it is padding."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
import torch

from methods.errors import FrontuneError
from sweeps.training.batches import Row, collate, cut_to, plan_batches, steps_in, tokens_in


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mnli_lengths(n: int) -> list[int]:
    """Token counts spread like MNLI's premise, hypothesis and label: median 34, a long tail, cut at 256."""
    draw = random.Random(0)
    return [min(256, 6 + round(draw.lognormvariate(3.33, 0.52))) for _ in range(n)]


def padded_over_real(lengths: list[int], batches: list[tuple[int, ...]]) -> float:
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return padded / sum(lengths[i] for batch in batches for i in batch)


def test_rows_are_laid_out_as_prefix_prompt_infix_completion_and_padding() -> None:
    rows = [Row((11, 12, 13), (21,)), Row((14,), (22, 23))]
    batch = collate(rows, (2, 1), pad_id=0)
    assert batch.tokens_BT.tolist() == [[0, 0, 11, 12, 13, 0, 21], [0, 0, 14, 0, 22, 23, 0]]
    assert batch.attention_BT.tolist() == [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0]]
    assert batch.virtual_BV is not None
    assert batch.virtual_BV.tolist() == [[0, 1, 5], [0, 1, 3]]
    assert batch.row_N.tolist() == [0, 1, 1]
    assert batch.column_N.tolist() == [5, 3, 4]
    assert batch.targets_N.tolist() == [21, 22, 23]


def test_without_virtual_tokens_the_last_prompt_token_predicts_the_completion() -> None:
    batch = collate([Row((11, 12), (21,)), Row((14, 15, 16), (22, 23))], (0, 0), pad_id=9)
    assert batch.tokens_BT.tolist() == [[11, 12, 21, 9, 9], [14, 15, 16, 22, 23]]
    assert batch.virtual_BV is None
    assert batch.column_N.tolist() == [1, 2, 3]


def test_a_token_that_equals_the_padding_is_still_attended_to() -> None:
    batch = collate([Row((9, 9), (9,)), Row((1, 2, 3), (4,))], (0, 0), pad_id=9)
    assert batch.attention_BT.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch.targets_N.tolist() == [9, 4]


def test_a_neighbours_length_pads_the_batch_and_is_no_length_of_its_own() -> None:
    batch = collate([Row((11, 12), (21,))], (1, 0), pad_id=0, length=9)
    assert batch.tokens_BT.shape == (1, 9)
    assert batch.attention_BT.sum() == 4
    assert collate([Row((11, 12), (21,))], (1, 0), pad_id=0, length=2).tokens_BT.shape == (1, 4)


def test_an_empty_prompt_is_refused_unless_virtual_tokens_stand_before_the_completion() -> None:
    with pytest.raises(FrontuneError, match="row 1 of the batch has an empty prompt"):
        collate([Row((1,), (2,)), Row((), (3,))], (0, 0), pad_id=0)
    assert collate([Row((), (3,))], (1, 0), pad_id=0).column_N.tolist() == [0]


def test_a_plan_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    lengths = mnli_lengths(100)
    assert plan_batches(lengths, 8, 30, generator(1)) == plan_batches(lengths, 8, 30, generator(1))
    assert plan_batches(lengths, 8, 30, generator(1)) != plan_batches(lengths, 8, 30, generator(2))


@pytest.mark.parametrize(("n", "batch_size"), [(100, 8), (96, 8), (7, 8), (1, 1), (300, 4)])
def test_every_epoch_covers_each_row_once_in_an_order_of_its_own(n: int, batch_size: int) -> None:
    epoch = steps_in(n, batch_size, 1, None)
    plan = plan_batches(mnli_lengths(n), batch_size, 3 * epoch, generator())
    epochs = [plan[i * epoch : (i + 1) * epoch] for i in range(3)]
    for batches in epochs:
        assert Counter(i for batch in batches for i in batch) == Counter(range(n))
        assert max(map(len, batches)) <= batch_size
    if n > 8:
        assert epochs[0] != epochs[1] != epochs[2]


def test_tokens_are_known_before_and_exact_after_whole_epochs() -> None:
    lengths = mnli_lengths(30)
    plan = plan_batches(lengths, 8, 8, generator())
    real = sum(lengths[row] for batch in plan for row in batch)
    assert tokens_in(30, sum(lengths) / 30, 8, 8) == pytest.approx(real)
    assert tokens_in(30, 10.0, 8, 2) == pytest.approx(150), "half an epoch, whose batches are of 8 rows or 6"
    assert tokens_in(3, 10.0, 8, 5) == pytest.approx(150), "five epochs"


def test_steps_beyond_an_epoch_go_on_into_the_next_and_a_longer_run_starts_as_a_shorter_one() -> None:
    lengths = mnli_lengths(20)
    plan = plan_batches(lengths, 8, 8, generator())
    assert len(plan) == 8
    assert set(Counter(i for batch in plan[:6] for i in batch).values()) == {2}
    assert plan_batches(lengths, 8, 4, generator()) == plan[:4]


def test_bucketing_keeps_padding_small_on_lengths_like_mnlis() -> None:
    lengths = mnli_lengths(4000)
    plan = plan_batches(lengths, 8, 500, generator())
    order = torch.randperm(len(lengths), generator=generator()).tolist()
    unsorted = [tuple(order[i : i + 8]) for i in range(0, len(order), 8)]
    assert padded_over_real(lengths, plan) < 1.15
    assert padded_over_real(lengths, unsorted) > 1.5


def test_short_and_long_batches_come_in_random_order() -> None:
    lengths = mnli_lengths(4000)
    means = [sum(lengths[i] for i in b) / len(b) for b in plan_batches(lengths, 8, 500, generator())]
    rising = sum(a < b for a, b in pairwise(means))
    assert 200 < rising < 300


def test_no_rows_are_refused_at_once() -> None:
    with pytest.raises(FrontuneError, match="the training split has no rows"):
        plan_batches([], 8, 1, generator())


@pytest.mark.parametrize(
    ("n", "batch_size", "epochs", "steps", "wanted"),
    [
        (100, 8, 1, None, 13),
        (100, 8, 2, None, 26),
        (100, 8, 0.5, None, 7),
        (100, 8, 0.001, None, 1),
        (100, 8, 3, 5, 5),
        # 0.07 * 100 is 7.000000000000001 in floating point.
        (700, 7, 0.07, None, 7),
    ],
)
def test_a_run_has_its_steps_or_its_epochs_rounded_up(
    n: int, batch_size: int, epochs: float, steps: int | None, wanted: int
) -> None:
    assert steps_in(n, batch_size, epochs, steps) == wanted


def test_a_row_too_long_is_cut_from_its_prompts_left_so_that_its_longest_candidate_fits() -> None:
    rows = [Row((1, 2, 3, 4), (5,), ((5,), (6, 7)), 0), Row((1,), (5,))]
    cut, count = cut_to(rows, 4)
    assert [row.prompt for row in cut] == [(3, 4), (1,)]
    assert (count, cut[1]) == (1, rows[1])
    with pytest.raises(FrontuneError, match="a completion leaves no room for its prompt"):
        cut_to(rows, 2)
