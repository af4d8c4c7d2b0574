"""Sizes: what decides the number of trainable parameters, and draws that are even in its logarithm."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from methods.base import Shape
from sweeps.block import read_space
from sweeps.samplers import draw
from sweeps.sizes import Sizes, sizes_of

SQUARE = dict.fromkeys(("q", "k", "v", "o"), (128, 128)) | {"up": (128, 512), "down": (512, 128)}
SHAPE = Shape("gpt2", 4, 128, SQUARE, (200_000,) * 4, 1_000_000, 512, 500)
LR = {"low": 1e-5, "high": 1e-1, "log": True}


def sizes(method: str, **block: Any) -> Sizes:
    return sizes_of(method, read_space(method, block), SHAPE)


def drawn_counts(these: Sizes, n: int) -> list[int]:
    """What the sampler `random` draws, seed by seed."""
    return [these.count(draw("random", seed, these.space.free, these, [])) for seed in range(n)]


def chi_square(observed: Counter[int], expected: list[float]) -> float:
    return sum((observed[i] - e) ** 2 / e for i, e in enumerate(expected))


def test_sizes_are_the_free_whole_numbers_with_which_the_closed_form_grows() -> None:
    found = sizes(
        "lora",
        r_q={"low": 1, "high": 8},
        r_v="r_q",
        r_o=[0, 2],
        r_k=4,
        alpha=[1, 2],
        batch_size=[4, 8],
        lr=LR,
    )
    assert found.keys == ("r_q", "r_o")
    assert sizes("fine_tune", lr=LR).keys == ()
    assert sizes("ft_top2", n_layers=[1, 2, 3]).keys == ("n_layers",)
    both = sizes("lora+prefix_embed", lora={"r_q": [1, 2], "lr": LR}, prefix_embed={"l_p": [2, 4]})
    assert both.keys == ("lora.r_q", "prefix_embed.l_p")


@pytest.mark.parametrize(
    ("method", "block"),
    [
        ("lora", {"r_q": {"low": 1, "high": 128}, "r_v": "r_q", "lr": LR}),
        ("adapter_h", {"r": {"low": 1, "high": 128}, "lr": LR}),
        ("prefix_embed", {"l_p": {"low": 1, "high": 400}, "l_i": {"low": 0, "high": 8}, "lr": LR}),
        ("lora", {"r_q": {"low": 1, "high": 128}, "r_o": {"low": 1, "high": 128}, "lr": LR}),
        (
            "lora+prefix_embed",
            {"lora": {"r_q": {"low": 1, "high": 64}}, "prefix_embed": {"l_p": {"low": 1, "high": 64}}},
        ),
    ],
)
def test_draws_are_even_in_the_logarithm_of_trainable_parameters(method: str, block: dict[str, Any]) -> None:
    these, n, n_bins = sizes(method, **block), 1000, 4
    counts = drawn_counts(these, n)
    low, high = math.log(min(counts)), math.log(max(counts))
    # Small counts lie far apart: bins end in the middle between counts, as cells do.
    levels = sorted({math.log(c) for c in counts})
    edges = [low + (high - low) * i / n_bins for i in range(1, n_bins)]
    edges = [_middle(levels, edge) for edge in edges]
    begin, end = low - (levels[1] - low) / 2, high + (high - levels[-2]) / 2
    widths = [b - a for a, b in zip([begin, *edges], [*edges, end], strict=True)]
    observed = Counter(sum(math.log(c) > edge for edge in edges) for c in counts)
    # 16.27: exceeded by chance once in a thousand with three degrees of freedom.
    assert chi_square(observed, [n * width / (end - begin) for width in widths]) < 16.27


def _middle(levels: list[float], edge: float) -> float:
    at = sum(level <= edge for level in levels)
    return (levels[at - 1] + levels[at]) / 2


def test_draws_that_are_even_in_the_rank_would_fail_that_test() -> None:
    these, n = sizes("lora", r_q={"low": 1, "high": 128}, r_v="r_q", lr=LR), 1000
    observed = Counter(
        int(4 * math.log(draw("random", s, these.space.free, None, [])["r_q"], 129)) for s in range(n)
    )
    assert chi_square(observed, [n / 4] * 4) > 1000


def test_ranks_of_a_list_that_doubles_are_equally_likely() -> None:
    these = sizes("lora", r_q=[8, 1, 4, 2], lr=LR)
    observed = Counter(int(math.log2(c / these.count({"r_q": 1}))) for c in drawn_counts(these, 800))
    assert chi_square(observed, [200.0] * 4) < 16.27


def test_every_value_of_a_range_can_be_drawn_and_none_beyond() -> None:
    these = sizes("adapter_l", r={"low": 3, "high": 12}, lr=LR)
    drawn = {draw("random", seed, these.space.free, these, [])["r"] for seed in range(300)}
    assert drawn == set(range(3, 13))


def test_a_size_that_no_base_could_hold_costs_no_time() -> None:
    these = sizes("lora", r_q={"low": 1, "high": 2**60}, lr=LR)
    values = these.evenly({"r_q": 5, "lr": 1e-3}, 0.5)
    assert 2**29 < values["r_q"] < 2**31
    assert values["lr"] == 1e-3
    assert these.evenly({"r_q": 5, "lr": 1e-3}, 0.0)["r_q"] == 1


def test_ranks_that_may_all_be_zero_are_drawn_where_there_is_a_method() -> None:
    these = sizes("lora", r_q={"low": 0, "high": 4}, r_v={"low": 0, "high": 4}, lr=LR)
    counts = drawn_counts(these, 200)
    assert min(counts) == these.count({"r_q": 1, "r_v": 0})
    assert max(counts) == these.count({"r_q": 4, "r_v": 4})
