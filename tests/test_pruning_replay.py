"""The replay of recorded learning curves that pruning is measured by."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.benchmarks.curve_table import Curve, CurveTable, csv_row, header, read_curves
from tests.benchmarks.hypervolume import hypervolume
from tests.benchmarks.pruning_replay import bare_plan, replay
from tests.benchmarks.pruning_rules import RULES

STEPS = (5, 16, 50, 100)
NONE, OURS = RULES[:2]


def curve(rank: int, lr: float, score: float, seed: int = 0) -> Curve:
    """A trial that scores the same at every step."""
    point = f"lora(r_q={rank}, r_k=0, r_v=0, r_o=0, r_up=0, r_down=0, alpha=0.0, dropout=0.0, lr={lr})"
    return Curve(point, rank * 1280, seed, dict.fromkeys(STEPS, score), dict.fromkeys(STEPS, 1 - score))


@pytest.fixture(scope="module")
def table() -> CurveTable:
    """Twelve trials of four sizes, three of each; the larger the better, and one of three is good."""
    curves = [
        curve(rank, lr, 0.4 + 0.1 * size - 10 * lr)
        for size, rank in enumerate((1, 2, 4, 8))
        for lr in (0.001, 0.002, 0.003)
    ]
    return CurveTable("demo", tuple(curves), 0.3)


def test_the_hypervolume_is_the_area_above_the_reference_over_the_logarithm_of_parameters() -> None:
    assert hypervolume([], 1000, 0.5) == 0
    assert hypervolume([(10, 0.7)], 1000, 0.5) == pytest.approx(0.2 * 2)
    assert hypervolume([(10, 0.7), (100, 0.9)], 1000, 0.5) == pytest.approx(0.2 * 2 + 0.2)
    beaten = [(10, 0.7), (20, 0.7), (100, 0.6), (100, 0.9), (1000, 1.0), (5, 0.4)]
    assert hypervolume(beaten, 1000, 0.5) == pytest.approx(0.2 * 2 + 0.2)


def test_without_pruning_a_replay_finds_and_spends_all(table: CurveTable) -> None:
    found = replay(table, bare_plan(table), NONE, seed=0, order=1)
    assert (found.volume, found.steps) == (1, 1)
    assert found.within_budget < 1


@pytest.mark.parametrize("slots", [1, 3])
def test_the_drivers_pruning_decides_in_a_replay(table: CurveTable, slots: int) -> None:
    found = [replay(table, bare_plan(table), OURS, seed=0, order=order, slots=slots) for order in range(3)]
    assert all(each.volume == 1 for each in found), (
        "the best of every size is never pruned, for none is better"
    )
    assert all(0.3 < each.steps < 1 for each in found)
    assert found == [replay(table, bare_plan(table), OURS, 0, order, slots) for order in range(3)]


def test_curves_are_read_as_they_were_written_and_only_of_points_that_all_seeds_have(tmp_path: Path) -> None:
    written = {0: [curve(1, 0.1, 0.4), curve(2, 0.1, 0.5)], 1: [curve(1, 0.1, 0.6, seed=1)]}
    base = Curve("untrained", 0, 0, {0: 0.25}, {})
    for seed, curves in written.items():
        with (tmp_path / f"t-{seed}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header((0, *STEPS)))
            writer.writerows(csv_row(each, (0, *STEPS)) for each in (base, *curves))
    read = read_curves("t", tmp_path)
    assert read.curves == (written[0][0], written[1][0])
    assert (read.untrained, read.total_steps, read.seeds) == (0.25, 100, [0, 1])
