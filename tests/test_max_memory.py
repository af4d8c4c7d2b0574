"""The budget `max_memory`: points whose tensors are estimated to take more are refused, for free."""

from __future__ import annotations

from typing import Any

import pytest

from methods.errors import FrontuneError
from sweeps.spec import check_spec
from sweeps.training.recipe import Recipe
from sweeps.trial_memory import print_bytes
from tests.test_plan import plan_of


def test_points_over_the_limit_are_refused_with_their_estimate(base: str) -> None:
    points = ["lora(r_q=1)", "lora(r_q=1, batch_size=4, micro_batch=1)"]
    free = plan_of(base, methods=None, points=points)
    peaks = [free.memory.of(*point.build(Recipe())).peak for point in free.points]
    assert peaks[0] > peaks[1]
    limit = peaks[1]
    plan = plan_of(base, methods=None, points=points, max_memory=limit)
    assert [dict(p.values) for p in plan.points] == [{"r_q": 1, "batch_size": 4, "micro_batch": 1}]
    assert {r.reason for r in plan.refusals} == {
        f"about {print_bytes(peaks[0])} of memory are more than max_memory = {print_bytes(limit)}"
    }


def test_a_space_of_which_nothing_fits_is_an_error_that_says_so(base: str) -> None:
    with pytest.raises(FrontuneError, match=r"methods\.lora: nothing .* of memory are more than max_memory"):
        plan_of(base, max_memory="1kB")


@pytest.mark.parametrize(
    ("written", "wanted"),
    [(1000, 1000), ("8GB", 8 * 10**9), ("500MB", 500 * 10**6), ("1.5 GiB", 3 * 2**29), ("2kB", 2000)],
)
def test_an_amount_is_bytes_or_has_a_unit(base: str, written: Any, wanted: int) -> None:
    content = {"name": "s", "base": base, "task": "demo", "points": ["fine_tune"], "max_memory": written}
    assert check_spec(content, "F").max_memory == wanted


@pytest.mark.parametrize("written", ["8", "8 XB", "-1GB", 0, 1.5, "0GB", True])
def test_an_amount_that_is_none_is_refused(base: str, written: Any) -> None:
    content = {"name": "s", "base": base, "task": "demo", "points": ["fine_tune"], "max_memory": written}
    with pytest.raises(FrontuneError, match=r"^F: max_memory"):
        check_spec(content, "F")


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (250_000_000, "250 MB"),
        (999_600_000, "1 GB"),
        (8.254e9, "8.25 GB"),
    ],
)
def test_bytes_print_for_people(n: int, text: str) -> None:
    assert print_bytes(int(n)) == text
