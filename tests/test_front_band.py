"""The band around the front: how far the best score up to each budget moves when seeds are resampled."""

from __future__ import annotations

import random

import pytest

from dashboards.front_band import BandStep, _that_may_be_best, front_band
from tests.test_front_probability import groups_of


def test_without_a_repeated_seed_there_is_no_band() -> None:
    assert front_band(groups_of((10, (0.5,)), (20, (0.7,)))) == []
    assert front_band([]) == []


def test_two_seeds_resample_to_either_or_their_mean() -> None:
    assert front_band(groups_of((10, (0.4, 0.6)))) == [BandStep(10, 0.4, 0.6)]


def test_the_band_is_that_of_the_best_up_to_each_budget() -> None:
    steps = front_band(groups_of((10, (0.4, 0.6)), (20, (0.55,)), (30, (0.1, 0.2)), (40, (0.9, 0.9))))
    assert steps == [BandStep(10, 0.4, 0.6), BandStep(20, 0.55, 0.6), BandStep(40, 0.9, 0.9)]


def test_configurations_of_one_size_make_one_step() -> None:
    steps = front_band(groups_of((10, (0.4, 0.6)), (10, (0.7, 0.7))))
    assert steps == [BandStep(10, 0.7, 0.7)]


def test_what_is_left_out_could_not_have_changed_the_band() -> None:
    draw = random.Random(3)
    groups = groups_of(*((draw.randrange(1, 9), [draw.gauss(0.5, 0.1) for _ in range(3)]) for _ in range(40)))
    kept = _that_may_be_best(groups)
    assert 1 < len(kept) < 30
    for group in groups:
        if group not in kept:
            rivals = [g for g in kept if g.first.trainable_params <= group.first.trainable_params]
            assert max(min(g.scores) for g in rivals) >= max(group.scores)


def test_the_lower_edge_is_the_quantile_worked_out_by_hand() -> None:
    # A mean of at most 16/30 has probability 8/27 of the first and 4/27 of the second: 4.4% of both.
    (step, last) = front_band(groups_of((10, (0.4, 0.5, 0.9)), (20, (0.5, 0.6, 0.7))))
    assert step.low == pytest.approx(13 / 30)
    assert last.low == pytest.approx(17 / 30)
