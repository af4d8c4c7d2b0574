"""Samplers within a method: each beats random draws on a surface of score and size, none is blind to what was
pruned, and what cannot be trained is avoided."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest
from optuna.storages import InMemoryStorage

from methods.base import Shape
from sweeps.point import Point
from sweeps.samplers import START_UP, Seen, draw
from sweeps.sizes import Sizes, sizes_of
from sweeps.space import Range, SameAs, Space
from sweeps.study import MethodStudy

SPACE = Space(
    {
        "r_q": Range(1, 64),
        "r_v": SameAs("r_q"),
        "lr": Range(1e-5, 1e-1, log=True),
        "dropout": Range(0.0, 0.5),
    }
)
SQUARE = dict.fromkeys(("q", "k", "v", "o", "up", "down"), (128, 128))
SHAPE = Shape("gpt2", 4, 128, SQUARE, (200_000,) * 4, 1_000_000, 64, 500)
SIZES = sizes_of("lora", SPACE, SHAPE)
LARGEST = SIZES.count({"r_q": 64})
Tell = Callable[[MethodStudy, int, dict[str, Any]], None]


def score_of(values: dict[str, Any]) -> float:
    """Rises with the rank's logarithm, and falls off from a learning rate that is lower for large ranks."""
    best_lr = -2.5 - 0.3 * math.log10(values["r_q"])
    at_best = 0.4 + 0.5 * math.log(values["r_q"], 64)
    off = (math.log10(values["lr"]) - best_lr) / 0.35
    return float(at_best * math.exp(-off * off) * (1 - 4 * (values["dropout"] - 0.1) ** 2))


def tell_score(study: MethodStudy, number: int, values: dict[str, Any]) -> None:
    study.tell(number, score_of(values), SIZES.count(values))


def searched(
    sampler: str, n: int, seed: int = 0, tell: Tell = tell_score, sizes: Sizes = SIZES
) -> list[dict[str, Any]]:
    """The points that a study asks for, one after the other, each told before the next."""
    study = MethodStudy(InMemoryStorage(), "s", "lora", SPACE, sampler, seed, sizes)
    points = []
    for _ in range(n):
        asked = study.ask()
        assert asked is not None
        number, point = asked
        tell(study, number, dict(point.values))
        points.append(dict(point.values))
    return points


def hypervolume(points: list[dict[str, Any]]) -> float:
    """Under the front, over log10 of trainable parameters up to the largest of the space and score 0."""
    volume, best = 0.0, 0.0
    for values in sorted(points, key=lambda values: (SIZES.count(values), -score_of(values))):
        gain = max(0.0, score_of(values) - best)
        volume += gain * math.log10(LARGEST / SIZES.count(values))
        best += gain
    return volume


@pytest.mark.parametrize(("sampler", "n", "seeds"), [("tpe", 30, 5), ("nsga2", 30, 5), ("gp", 15, 2)])
def test_samplers_that_learn_cover_more_of_score_and_size_than_random_draws(
    sampler: str, n: int, seeds: int
) -> None:
    learned = [hypervolume(searched(sampler, n, seed)) for seed in range(seeds)]
    random = [hypervolume(searched("random", n, seed)) for seed in range(seeds)]
    assert fmean(learned) > 1.1 * fmean(random)
    # They begin with the same points, so none can be behind by what it learned later alone.
    assert sum(a >= b for a, b in zip(learned, random, strict=True)) >= 0.8 * seeds


def is_hopeless(values: dict[str, Any]) -> bool:
    return bool(abs(math.log10(values["lr"]) + 3) > 1)


def tell_pruned(study: MethodStudy, number: int, values: dict[str, Any]) -> None:
    if is_hopeless(values):
        study.tell_pruned(number, score_of(values) / 2, SIZES.count(values))
    else:
        tell_score(study, number, values)


def is_too_large(values: dict[str, Any]) -> bool:
    return bool(values["r_q"] > 8)


def tell_infeasible(study: MethodStudy, number: int, values: dict[str, Any]) -> None:
    if is_too_large(values):
        study.tell_infeasible(number, SIZES.count(values))
    else:
        tell_score(study, number, values)


@pytest.mark.parametrize(("sampler", "n", "seeds"), [("tpe", 30, 3), ("nsga2", 30, 3), ("gp", 18, 2)])
@pytest.mark.parametrize(("tell", "bad"), [(tell_pruned, is_hopeless), (tell_infeasible, is_too_large)])
def test_samplers_ask_less_where_points_were_pruned_or_cannot_be_trained(
    sampler: str, n: int, seeds: int, tell: Tell, bad: Callable[[dict[str, Any]], bool]
) -> None:
    later = [p for seed in range(seeds) for p in searched(sampler, n, seed, tell)[START_UP + 2 :]]
    blind = searched("random", 200)
    assert sum(map(bad, later)) / len(later) < 0.75 * sum(map(bad, blind)) / len(blind)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp"])
def test_what_is_pruned_is_seen_by_every_sampler(sampler: str) -> None:
    study, fails = (MethodStudy(InMemoryStorage(), "s", "lora", SPACE, sampler, 0, SIZES) for _ in range(2))
    for i in range(START_UP):
        point = Point("lora", {"r_q": 4, "r_v": 4, "lr": 1e-5 * (1 + i), "dropout": 0.0})
        stopped = Point("lora", {"r_q": 4, "r_v": 4, "lr": 1e-2 * (1 + i), "dropout": 0.0})
        for each in (study, fails):
            each.tell(each.add(point), 0.5, 4096)
        study.tell_pruned(study.add(stopped), 0.9, 4096)
        fails.tell(fails.add(stopped), None, 4096)

    def high_rates(asking: MethodStudy) -> int:
        asked = [given for given in (asking.ask() for _ in range(4)) if given]
        return sum(point.values["lr"] > 3e-3 for _, point in asked)

    assert high_rates(study) > high_rates(fails)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp"])
def test_a_draw_follows_from_what_is_seen_and_the_seed(sampler: str) -> None:
    seen = [Seen({"x": i / 12}, 100 + i, (i * 7 % 12) / 12) for i in range(12)]
    seen += [Seen({"x": 0.99}, 900, state="infeasible"), Seen({"x": 0.5}, state="waits")]
    x = {"x": Range(0.0, 1.0)}
    assert draw(sampler, 3, x, None, seen) == draw(sampler, 3, x, None, seen)
    assert draw(sampler, 3, x, None, seen) != draw(sampler, 4, x, None, seen)


def test_a_point_that_is_known_in_other_words_is_not_asked_for_again() -> None:
    study = MethodStudy(
        InMemoryStorage(), "s", "lora", Space({"r_q": Range(1, 3)}), "random", 0, None,
        lambda point: str(point.values["r_q"]),
    )  # fmt: skip
    study.add(Point("lora", {"r_q": 2, "alpha": 0.0}))
    asked = [study.ask() for _ in range(2)]
    assert sorted(each[1].values["r_q"] for each in asked if each) == [1, 3]
    assert study.ask() is None
