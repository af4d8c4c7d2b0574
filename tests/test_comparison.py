"""Comparing two methods: the paired test on data whose truth is known, what is compared, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dashboards.comparison import answer, best_candidate, compare, render
from dashboards.paired_test import PairedTest, paired_test, score_test
from methods.errors import FrontuneError
from storage.records import TrialRecord
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import trials_of
from tests.test_pareto import make_trial

MakeWorkspace = Callable[[], Path]


def simulated(
    draw: np.random.Generator, n_seeds: int, n_examples: int, seed_sd: float, gap: float
) -> NDArray[np.float64]:
    """Differences of two methods' right answers, a row a seed: examples are hard or easy for both, each
    method has examples and seeds that it is good at, and one is ahead by `gap` (all in logits)."""
    hard_E = draw.normal(1.5, 1.5, n_examples)
    right = [
        hard_E
        + draw.normal(0, 0.7, n_examples)
        + draw.normal(0, seed_sd, (n_seeds, 1))
        + draw.logistic(0, 0.5, (n_seeds, n_examples))
        + ahead
        > 0
        for ahead in (gap, 0.0)
    ]
    return np.asarray(right[0].astype(float) - right[1].astype(float))


@cache
def found_beyond_noise(n_seeds: int, seed_sd: float, gap: float, times: int) -> float:
    """In which share of simulated comparisons, over 300 examples, p is below 5%."""
    draw = np.random.default_rng(7)
    tests = [paired_test(simulated(draw, n_seeds, 300, seed_sd, gap)) for _ in range(times)]
    return sum(test.p is not None and test.p < 0.05 for test in tests) / times


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("seed_sd", [0.0, 0.3, 0.8])
def test_methods_that_do_not_differ_are_called_different_no_more_often_than_five_times_in_a_hundred(
    n_seeds: int, seed_sd: float
) -> None:
    # Of 1,000 a share of 5% lies below 6.5% in 98 of 100 runs; this one is fixed.
    assert found_beyond_noise(n_seeds, seed_sd, 0.0, 1000) <= 0.065


@pytest.mark.parametrize("seed_sd", [0.0, 0.3])
def test_five_seeds_find_five_false_differences_in_a_hundred_and_not_far_fewer(seed_sd: float) -> None:
    assert found_beyond_noise(5, seed_sd, 0.0, 1000) >= 0.02


def test_a_larger_gap_and_more_seeds_are_found_more_often() -> None:
    by_gap = [found_beyond_noise(3, 0.1, gap, times=200) for gap in (0.0, 0.3, 0.6, 1.2)]
    assert by_gap == sorted(by_gap)
    assert by_gap[-1] > 0.9
    assert found_beyond_noise(2, 0.1, 0.4, 200) < found_beyond_noise(3, 0.1, 0.4, 200) < 0.6
    assert found_beyond_noise(5, 0.1, 0.4, 200) > 0.7


def test_testing_over_examples_alone_would_take_the_luck_of_seeds_for_a_difference() -> None:
    draw = np.random.default_rng(3)
    runs = [simulated(draw, 3, 300, 0.8, 0.0) for _ in range(200)]
    alone = sum(stats.ttest_1samp(d_SE.mean(axis=0), 0).pvalue < 0.05 for d_SE in runs) / len(runs)
    both = sum((paired_test(d_SE).p or 0) < 0.05 for d_SE in runs) / len(runs)
    assert alone > 0.5
    assert both <= 0.06


def test_the_interval_holds_the_truth_and_agrees_with_the_p_value() -> None:
    draw = np.random.default_rng(11)
    held = 0
    for _ in range(500):
        seeds, examples = draw.normal(0, 0.1, (4, 1)), draw.normal(0, 1.0, (1, 50))
        found = paired_test(0.3 + seeds + examples + draw.normal(0, 1.0, (4, 50)))
        assert found.low is not None
        assert found.high is not None
        assert found.p is not None
        held += found.low <= 0.3 <= found.high
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    assert 0.93 <= held / 500 <= 0.995


def test_one_seed_is_the_t_test_over_examples_and_scores_alone_that_over_seeds() -> None:
    row = [1.0, 0.0, 0.0, -1.0, 1.0, 1.0, 0.0]
    known = stats.ttest_1samp(row, 0)
    found = paired_test([row])
    assert found.p == pytest.approx(known.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert (found.n_seeds, found.n_examples) == (1, 7)
    scores = score_test([0.1, 0.2, 0.15])
    assert scores.p == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.15], 0).pvalue)
    assert (scores.n_seeds, scores.n_examples) == (3, 0)
    assert score_test([0.1]) == PairedTest(0.1, None, None, None, 1, 0)


def test_the_same_answers_from_both_methods_are_no_difference() -> None:
    assert paired_test(np.zeros((3, 10))) == PairedTest(0.0, None, None, None, 3, 10)


def test_a_difference_that_does_not_vary_has_no_p_value_nor_interval() -> None:
    rounded = [300 * 0.872 - 300 * 0.871, 300 * 0.863 - 300 * 0.862]
    assert rounded[0] != rounded[1], "but for the rounding of floats"
    found = score_test(rounded, 300)
    assert (found.low, found.high, found.p) == (None, None, None)
    assert score_test([0.872 - 0.871, 0.863 - 0.862]).p is None
    assert score_test([0.25, 0.25]).p is None
    assert paired_test([[1.0, 1.0, 1.0]]).p is None
    assert paired_test([[0.1, 0.1], [0.1, 0.1]]).p is None
    # With one in a thousand it varies.
    assert score_test([0.25, 0.251]).p is not None


def sweep_of(*configurations: tuple[str, int, list[float]]) -> list[TrialRecord]:
    """Return trials numbered in order, of configurations with (method, parameters, scores by seed)."""
    trials: list[TrialRecord] = []
    for i, (method, params, scores) in enumerate(configurations):
        for seed, score in enumerate(scores):
            same = {"method": method, "title": method.upper(), "trainable_params": params, "seed": seed}
            trials.append(make_trial(number=len(trials), config_hash=f"c{i}", score=score, **same))
    return trials


TRIALS = sweep_of(("lora", 100, [0.9, 0.7]), ("lora", 50, [0.6, 0.6]), ("adapter_h", 80, [0.7, 0.7]))


def test_a_methods_best_is_by_the_mean_within_the_size() -> None:
    best = best_candidate(TRIALS, "lora", None)
    assert (best.best.first.trainable_params, best.n_configurations) == (100, 2)
    small = best_candidate(TRIALS, "lora", 99)
    assert (small.best.first.trainable_params, small.n_configurations) == (50, 1)
    with pytest.raises(FrontuneError, match=r"lora has no configuration of at most 10 .* least is 50"):
        best_candidate(TRIALS, "lora", 10)
    with pytest.raises(FrontuneError, match="unknown method 'lorra'; did you mean 'lora'"):
        best_candidate(TRIALS, "lorra", None)


def test_only_seeds_that_both_have_are_paired() -> None:
    trials = sweep_of(("lora", 10, [0.9, 0.8, 0.7]), ("adapter_h", 10, [0.5, 0.6]))
    one, other = best_candidate(trials, "lora", None), best_candidate(trials, "adapter_h", None)
    found = compare(one, other, "accuracy", {t.number: [t.score or 0.0] for t in trials})
    assert found.test.n_seeds == 2
    assert found.test.difference == pytest.approx(0.3)
    assert "; the 2 seeds that both have, the examples' own outcomes are not known" in render(found)
    assert "\n  over the common seeds 0, 1: 85.0 against 55.0\n  difference +30.0, " in render(found)
    apart = best_candidate([make_trial(seed=5, method="adapter_h")], "adapter_h", None)
    with pytest.raises(FrontuneError, match="no seed in common"):
        compare(one, apart, "accuracy", {t.number: [t.score or 0.0] for t in trials})


@pytest.mark.parametrize(
    ("gap", "n_seeds", "said"),
    [
        (0.8, 4, "LORA is above ADAPTER_H by more than noise (p < 0.001)."),
        (-0.8, 4, "ADAPTER_H is above LORA by more than noise (p < 0.001)."),
        (0.0, 4, "No difference beyond noise between LORA and ADAPTER_H is shown (p = 1.000)."),
        (0.0, 2, "so few seeds could hardly show one."),
        (0.8, 1, "seed noise is not measured with one seed; LORA is above ADAPTER_H by more than"),
        (0.0, 1, "Not enough seeds to say: seed noise is not measured with one seed; the difference is"),
    ],
)
def test_the_answer_is_one_plain_sentence(gap: float, n_seeds: int, said: str) -> None:
    trials = sweep_of(("lora", 10, [0.9] * n_seeds), ("adapter_h", 10, [0.5] * n_seeds))
    one, other = best_candidate(trials, "lora", None), best_candidate(trials, "adapter_h", None)
    values = {t.number: [gap] * 40 + [1.0, -1.0] for t in one.best.trials}
    values |= {t.number: [0.0] * 42 for t in other.best.trials}
    found = compare(one, other, "accuracy", values)
    assert said in answer(found)
    assert render(found).splitlines()[-1] == answer(found)


def test_an_interval_of_percentages_ends_where_they_cannot_differ_by_more() -> None:
    trials = sweep_of(("lora", 10, [0.9, 0.6]), ("adapter_h", 10, [0.4, 0.4]))
    one, other = best_candidate(trials, "lora", None), best_candidate(trials, "adapter_h", None)
    found = compare(one, other, "accuracy", {t.number: [t.score or 0.0] for t in trials})
    # 0.35 and 12.706 times 0.15 is beyond 1 on both sides; p is that of the whole.
    assert found.test.high == pytest.approx(2.256, abs=1e-3)
    assert "difference +35.0, 95% interval -100.0 to +100.0, p = 0.258; 2 seeds" in render(found)
    assert "over the common" not in render(found)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [([0.001], "with seeds, so"), ([1.0, 1.0], "with seeds or examples, so")],
)
def test_where_nothing_varies_no_confidence_is_told(outcomes: list[float], said: str) -> None:
    trials = sweep_of(("lora", 10, [0.9, 0.8]), ("adapter_h", 10, [0.5, 0.4]))
    one, other = best_candidate(trials, "lora", None), best_candidate(trials, "adapter_h", None)
    values = {t.number: outcomes for t in one.best.trials}
    values |= {t.number: [0.0] * len(outcomes) for t in other.best.trials}
    found = compare(one, other, "accuracy", values)
    assert answer(found) == f"The difference does not vary {said} no confidence can be told."
    assert "no interval" in render(found)


def test_where_lower_is_better_the_lower_is_the_best_and_ahead() -> None:
    trials = [
        replace(trial, metric="loss")
        for trial in sweep_of(
            ("lora", 10, [2.0, 2.1]), ("lora", 20, [3.0, 3.1]), ("adapter_h", 10, [2.5, 2.7])
        )
    ]
    one, other = best_candidate(trials, "lora", None), best_candidate(trials, "adapter_h", None)
    assert one.best.first.trainable_params == 10
    found = compare(one, other, "loss", {t.number: [t.score or 0.0] for t in trials})
    assert found.lead == pytest.approx(0.55)
    # -0.55 and 12.706 times 0.05: what is no percentage is not cut.
    assert "95% interval -1.185 to +0.085, p = 0.058; 2 seeds" in render(found)
    assert answer(found).startswith("No difference beyond noise between LORA and ADAPTER_H")
    steady = {t.number: [1.0 if t.method == "lora" else 2.0 + 0.01 * t.seed] for t in trials}
    assert "LORA is below ADAPTER_H by more" in answer(compare(one, other, "loss", steady))


def test_one_score_each_says_nothing() -> None:
    trials = sweep_of(("lora", 10, [0.9]), ("adapter_h", 10, [0.5]))
    one, other = best_candidate(trials, "lora", None), best_candidate(trials, "adapter_h", None)
    found = compare(one, other, "bleu", {0: [0.9], 1: [0.5]})
    assert answer(found).startswith("Not enough seeds to say: with one seed neither")
    assert "no interval" in render(found)


def test_the_command_compares_over_the_kept_outcomes(finished: Path, frontune: Frontune) -> None:
    result = frontune("compare", "small", "lora", "ft_top2", "--workspace", finished)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("demo accuracy: LoRA minus FT^Top2\n")
    assert "; 2 seeds, 30 examples\n" in result.stdout
    best = {m: best_candidate(trials_of(finished), m, None).best.score for m in ("lora", "ft_top2")}
    assert f"difference {100 * (best['lora'] - best['ft_top2']):+.1f}," in result.stdout
    assert frontune("compare", "small", "LORA", "ft^top2", "--workspace", finished).stdout == result.stdout
    named = frontune("compare", "small", "LoRA+pe", "Lora + prefix_embed", "--workspace", finished)
    assert named.stderr == "frontune: got lora+prefix_embed twice, wanted two methods to compare\n"
    loss = ("--metric", "loss", "--at", "1M")
    other = frontune("compare", "small", "lora", "ft_top2", *loss, "--workspace", finished)
    within = "each at its best with at most 1,000,000 trainable parameters"
    assert other.stdout.startswith(f"demo loss: LoRA minus FT^Top2, {within}\n")
    assert "2 seeds, the examples' own outcomes are not known" in other.stdout
    assert "the configurations were chosen by demo accuracy (best of " in other.stdout
    lora, ft_top2 = (float(line.split(": ")[1].split()[0]) for line in other.stdout.splitlines()[1:3])
    difference = float(other.stdout.split("difference ")[1].split(",")[0])
    assert difference == pytest.approx(lora - ft_top2, abs=0.0016)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lora", "lora"), "got lora twice, wanted two methods"),
        (("lora", "FT^Top"), "unknown method 'FT^Top'; did you mean 'ft_top2'"),
        (("lora", "ft_top2", "--at", "many"), "--at many: wanted a number of parameters such as 350k"),
        (("lora", "ft_top2", "--metric", "los"), "unknown metric 'los'; did you mean 'loss'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(
    finished: Path, frontune: Frontune, arguments: tuple[str, ...], said: str
) -> None:
    result = frontune("compare", "small", *arguments, "--workspace", finished)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_outcomes_that_are_gone_leave_the_test_over_seeds(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=1, lr=1e-2)", "adapter_l(r=1, lr=1e-2)"]
    assert (
        frontune("run", sweep_file(methods=None, points=points, trials=4), "--workspace", workspace).exit_code
        == 0
    )
    (workspace / "outcomes" / "small" / "trial-0000.outcomes.txt").unlink()
    result = frontune("compare", "small", "lora", "adapter_l", "--workspace", workspace)
    assert "2 seeds, the examples' own outcomes are not known" in result.stdout
