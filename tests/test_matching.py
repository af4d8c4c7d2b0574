"""match_params: every method at the size whose count comes nearest to one budget, as brute force finds it."""

from __future__ import annotations

from typing import Any

import pytest

from methods.base import Shape
from methods.errors import FrontuneError
from methods.expression import parse_method
from storage.records import Refusal
from sweeps.block import read_space
from sweeps.matching import Match, match
from sweeps.plan import Plan, make_plan
from sweeps.point import Point
from sweeps.spec import check_spec


def shape_of(layers: int, d: int, narrow: int) -> Shape:
    """A base whose k and v are `narrow`, as under grouped-query attention."""
    matrices = {
        "q": (d, d),
        "k": (d, narrow),
        "v": (d, narrow),
        "o": (d, d),
        "up": (d, 4 * d),
        "down": (4 * d, d),
    }
    return Shape("llama", layers, d, matrices, (12 * d * d,) * layers, 12 * d * d * layers, 1024, 500)


SHAPES = [shape_of(2, 16, 16), shape_of(12, 768, 768), shape_of(30, 576, 192)]
METHODS = [
    ("lora", {"r_v": "r_q"}, "lora(r_q={0}, r_v={0})"),
    ("lora", {"r_q": [1, 2, 99], "r_o": 2}, "lora(r_q={0}, r_o=2)"),
    ("adapter_h", {}, "adapter_h(r={0})"),
    ("adapter_l", {"r": {"low": 1, "high": 3}}, "adapter_l(r={0})"),
    ("prefix_embed", {"l_p": 4, "l_i": 0}, "prefix_embed(l_p={0}, l_i=0)"),
    ("prefix_layer", {"l_i": 2}, "prefix_layer(l_p={0}, l_i=2)"),
    (
        "lora+prefix_embed",
        {"lora": {"r_v": "r_q"}, "prefix_embed": {"l_p": 3}},
        "lora(r_q={0}, r_v={0}) + prefix_embed(l_p=3)",
    ),
]  # fmt: skip


def refuses_on(shape: Shape) -> Any:
    def refuse(point: Point) -> Refusal | None:
        try:
            point.build(
                check_spec(
                    {"base": "b", "name": "s", "task": "demo", "points": ["fine_tune"]}, "F"
                ).recipe.recipe(0)
            )[0].check(shape)
        except FrontuneError as error:
            return Refusal("s", point.method, "", str(error))
        return None

    return refuse


def matched(method: str, block: dict[str, Any], budget: int, shape: Shape) -> Match | Refusal:
    return match("s", method, read_space(method, block, solved=True), budget, shape, refuses_on(shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("method", "block", "written"), METHODS)
def test_the_solved_size_is_the_one_that_brute_force_finds(
    method: str, block: dict[str, Any], written: str, shape: Shape
) -> None:
    counts = {}
    for size in range(1, 40):
        made = parse_method(written.format(size))
        try:
            made.check(shape)
        except FrontuneError:
            break
        counts[size] = made.count(shape)
    for budget in (counts[1], counts[2] + 1, counts[5], (counts[7] + counts[8]) // 2, counts[9] - 1):
        found = matched(method, block, budget, shape)
        assert isinstance(found, Match)
        nearest = min(counts, key=lambda size: abs(counts[size] - budget))
        assert (found.size, found.count) == (nearest, counts[nearest])
        assert found.space.size == 1


def test_a_method_that_cannot_be_of_that_size_is_refused_with_its_nearest_count() -> None:
    shape = shape_of(2, 16, 16)
    small = matched("lora", {"r_v": "r_q"}, 50, shape)
    assert isinstance(small, Refusal)
    assert (small.label, small.reason) == (
        "r_q = r_v = 1",
        "match_params is 50, and its nearest count is 128",
    )
    large = matched("lora", {"r_v": "r_q"}, 5000, shape)
    assert isinstance(large, Refusal)
    assert (large.label, large.reason) == (
        "r_q = r_v = 16",
        "match_params is 5,000, and its nearest count is 2,048",
    )
    whole = matched("fine_tune", {}, 5000, shape)
    assert isinstance(whole, Refusal)
    assert "6,144 trainable parameters, and no size to solve for" in whole.reason


def plan_of(base: str, **changes: Any) -> Plan:
    content: dict[str, Any] = {
        "name": "s",
        "base": base,
        "task": {"name": "demo", "train_examples": 4, "eval_examples": 4},
        "methods": {
            "lora": {"r_v": "r_q", "lr": {"low": 1e-3, "high": 1e-1, "log": True}},
            "adapter_h": {"lr": [1e-3, 1e-2]},
            "prefix_layer": {"l_p": [1, 2]},
            "fine_tune": {},
        },
        "trials": 6,
        "match_params": "0.5k",
    }
    return make_plan(check_spec(content | changes, "F"))


def test_a_sweep_compares_all_its_methods_at_that_size_and_lists_what_cannot_be(base: str) -> None:
    plan = plan_of(base, points=["lora(r_q=1)"])
    assert [str(found) for found in plan.matches] == [
        "lora r_q = r_v = 4 (512)",
        "adapter_h r = 3 (460)",
        "prefix_layer l_p = 16 (512)",
    ]
    assert [(r.method, r.label) for r in plan.refusals] == [("fine_tune", "")]
    assert list(plan.spaces) == ["lora", "adapter_h", "prefix_layer"]
    assert set(plan.spaces["lora"].free) == {"lr"}
    assert plan.points == (Point("lora", {"r_q": 1}),)


@pytest.mark.parametrize(
    ("written", "count"), [("350k", 350_000), ("1.2M", 1_200_000), (777, 777), ("2b", 2 * 10**9)]
)
def test_budgets_are_written_as_numbers_or_short(written: str | int, count: int) -> None:
    content = {"name": "s", "base": "tiny", "task": "demo", "methods": {"adapter_h": {}}, "trials": 1}
    assert check_spec(content | {"match_params": written}, "F").match_params == count


@pytest.mark.parametrize("written", ["350kk", "-3", "", 0, 1.5, True])
def test_what_is_no_number_of_parameters_is_refused(written: Any) -> None:
    content = {"name": "s", "base": "tiny", "task": "demo", "methods": {"adapter_h": {}}, "trials": 1}
    with pytest.raises(FrontuneError, match="match_params"):
        check_spec(content | {"match_params": written}, "F")


def test_without_it_a_size_may_not_be_left_out() -> None:
    content = {"name": "s", "base": "tiny", "task": "demo", "methods": {"lora": {"r_v": "r_q"}}, "trials": 1}
    with pytest.raises(FrontuneError, match=r"methods\.lora\.r_v must be a whole number"):
        check_spec(content, "F")
