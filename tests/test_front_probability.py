"""The probability of being on the front: cases whose answer is known, and all resamples written out."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dashboards.front_probability import front_probabilities
from dashboards.pareto import front_of
from dashboards.replicates import Replicates, replicates
from tests.test_pareto import make_trial


def groups_of(*configurations: tuple[int, Sequence[float]]) -> list[Replicates]:
    """Return configurations c0, c1, ... in this order, each with (trainable parameters, scores by seed)."""
    numbers = itertools.count()
    return replicates(
        make_trial(number=next(numbers), seed=seed, config_hash=f"c{i}", trainable_params=params, score=score)
        for i, (params, scores) in enumerate(configurations)
        for seed, score in enumerate(scores)
    )


def written_out(groups: list[Replicates]) -> dict[str, float]:
    """Every joint resample of all seeds, the front of each, and the share of fronts that hold each."""
    on_front = dict.fromkeys((g.first.config_hash for g in groups), 0)
    draws = list(itertools.product(*(itertools.product(g.scores, repeat=g.n) for g in groups)))
    for drawn in draws:
        resampled = [
            Replicates(tuple(replace(t, score=s) for t, s in zip(g.trials, scores, strict=True)))
            for g, scores in zip(groups, drawn, strict=True)
        ]
        for group in front_of(resampled):
            on_front[group.first.config_hash] += 1
    return {name: count / len(draws) for name, count in on_front.items()}


def test_scores_that_do_not_overlap_are_certain() -> None:
    found = front_probabilities(groups_of((10, [0.5, 0.52, 0.54]), (20, [0.9, 0.8]), (30, [0.6, 0.7, 0.61])))
    assert found == {"c0": 1.0, "c1": 1.0, "c2": 0.0}


def test_of_two_configurations_with_the_same_scores_and_size_one_is_on_the_front() -> None:
    found = front_probabilities(groups_of((10, [0.5, 0.7]), (10, [0.5, 0.7])))
    # The means are 0.5, 0.6, 0.7 with 1/4, 1/2, 1/4; equal they are with 3/8, and then the earlier stays.
    assert found == {"c0": 11 / 16, "c1": 5 / 16}


def test_an_exchangeable_pair_that_cannot_tie_has_about_one_half_each() -> None:
    draw = random.Random(4)
    one, other = ([draw.gauss(0.5, 0.1) for _ in range(5)] for _ in range(2))
    shifted = [score - sum(other) / 5 + sum(one) / 5 for score in other]
    found = front_probabilities(groups_of((10, one), (10, shifted)))
    assert found["c0"] + found["c1"] == pytest.approx(1.0)
    assert found["c0"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("seed", range(12))
def test_the_sum_of_products_equals_every_resample_written_out(seed: int) -> None:
    draw = random.Random(seed)
    sizes = draw.choice([(1, 2, 3, 2), (2, 2, 2, 2), (3, 1, 1, 3)])
    groups = groups_of(*((draw.randrange(1, 4), [draw.randrange(5) / 4 for _ in range(n)]) for n in sizes))
    assert front_probabilities(groups) == pytest.approx(written_out(groups), abs=1e-12)


def test_more_seeds_than_are_enumerated_are_drawn_alike_each_time_and_close_to_the_truth() -> None:
    draw = random.Random(1)
    many = [draw.gauss(0.5, 0.1) for _ in range(9)]
    groups = groups_of((10, [sum(many) / 9] * 2), (20, many))
    found = front_probabilities(groups)
    assert found == front_probabilities(groups)
    assert found["c0"] == 1.0
    means = [sum(draw.choices(many, k=9)) / 9 for _ in range(20_000)]
    truth = sum(mean > sum(many) / 9 for mean in means) / len(means)
    assert found["c1"] == pytest.approx(truth, abs=0.03)


def test_one_seed_each_says_nothing_about_seeds() -> None:
    assert front_probabilities(groups_of((10, [0.5]), (20, [0.4]))) == {}
    assert front_probabilities([]) == {}


def test_a_single_seed_beside_repeated_ones_is_taken_as_exact() -> None:
    found = front_probabilities(groups_of((10, [0.6]), (20, [0.5, 0.75])))
    assert found == {"c0": 1.0, "c1": 0.75}
