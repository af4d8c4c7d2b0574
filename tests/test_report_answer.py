"""The report's answer: which method is best at which budget, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from dashboards.report.answer import compared, find_answer
from dashboards.report.answer_words import enough_row, headline, how_tested, reign_row, stretch_line
from storage.records import TrialRecord
from tests.test_pareto import make_trial

TITLES = {"lora": "LoRA", "adapter_h": "Adapter^H", "prefix_embed": "PrefixEmbed", "fine_tune": "Fine-Tune"}
Configurations = dict[str, tuple[int, tuple[float, ...]]]
STUDY: Configurations = {
    "prefix_embed": (10, (0.3, 0.3, 0.3)),
    "adapter_h": (50, (0.4, 0.4, 0.4)),
    "lora": (100, (0.5, 0.6, 0.7)),
    "prefix_embed/worse": (150, (0.2, 0.2, 0.2)),
    "adapter_h/large": (200, (0.8, 0.8, 0.8)),
    "lora/large": (900, (0.79, 0.79, 0.79)),
}


def trials(configurations: Configurations) -> list[TrialRecord]:
    """Trials of METHOD or METHOD/OTHER with so many parameters and a score for each seed."""
    return [
        make_trial(
            number=10 * at + seed,
            seed=seed,
            score=score,
            config_hash=name,
            method=name.partition("/")[0],
            title=TITLES[name.partition("/")[0]],
            label=f"r = {at}",
            trainable_params=params,
            base_params=1000,
        )
        for at, (name, (params, scores)) in enumerate(configurations.items())
        for seed, score in enumerate(scores)
    ]


def scores_of(some: Iterable[TrialRecord]) -> dict[int, list[float]]:
    return {t.number: [t.score or 0.0] for t in some}


def test_each_place_of_the_front_reigns_until_the_next_and_leads_the_best_other_method() -> None:
    answer = find_answer(trials(STUDY))
    assert answer is not None
    found = [
        (
            reign.winner.best.first.config_hash,
            reign.below,
            reign.runner_up.best.first.config_hash if reign.runner_up else None,
            round(reign.lead, 6),
        )
        for reign in answer.reigns
    ]
    assert found == [
        ("prefix_embed", 50, None, 0.0),
        ("adapter_h", 100, "prefix_embed", 0.1),
        # Not the larger prefix, which is worse than the smaller one.
        ("lora", 200, "adapter_h", 0.2),
        # The larger LoRA has more parameters, but the last reign has no end.
        ("adapter_h/large", None, "lora/large", 0.01),
    ]
    assert [each.winner.n_configurations for each in answer.reigns] == [1, 1, 1, 2]


def test_the_lead_is_tested_over_the_seeds_that_both_have() -> None:
    answer = find_answer(trials(STUDY))
    assert answer is not None
    comparison = compared(answer.reigns[2], scores_of)
    assert comparison is not None
    # Differences 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / sqrt 3, and t with 2 degrees of freedom is
    # 4.3027 at 97.5%.
    test = comparison.test
    assert test.n_seeds == 3
    assert test.difference == pytest.approx(0.2)
    assert test.low == pytest.approx(-0.0484, abs=1e-4)
    assert test.high == pytest.approx(0.4484, abs=1e-4)
    assert test.p == pytest.approx(0.0742, abs=1e-4)
    line = stretch_line([answer.reigns[2]], comparison)
    assert line.startswith("With 100 to 199 trainable parameters, LoRA is best: 60.0 ± 10.0. ")
    assert (
        "At the upper end it leads the next best method, Adapter^H r = 1 (40.0 ± .0 with 50), by 20.0 points"
        in line
    )
    assert "No difference beyond noise between LoRA and Adapter^H is shown (p = 0.074)" in line
    assert "95% interval -4.8 to +44.8" in line
    assert line.endswith("of resampled seeds; that is no test but a bootstrap, too sure with so few seeds.")
    last = answer.reigns[3]
    assert ". With no limit it leads the next best" in stretch_line([last], compared(last, scores_of))


def test_with_one_seed_the_confidence_cannot_be_told() -> None:
    answer = find_answer(trials({name: (n, scores[:1]) for name, (n, scores) in STUDY.items()}))
    assert answer is not None
    reign = answer.reigns[2]
    line = stretch_line([reign], compared(reign, scores_of))
    assert line.endswith("With one seed the confidence cannot be told.")
    assert "resampled" not in line
    cells = reign_row(reign, compared(reign, scores_of))
    assert (cells[3], cells[4], cells[-1]) == ("1", "-", "not known")


def test_with_one_seed_and_known_examples_their_noise_is_told_apart_from_that_of_seeds() -> None:
    some = trials({"lora": (100, (0.75,)), "prefix_embed": (50, (0.25,))})
    rows = {0: [1.0, 1.0, 1.0, 0.0], 10: [0.0, 0.0, 1.0, 0.0]}
    answer = find_answer(some)
    assert answer is not None
    line = stretch_line(answer.stretches[-1], compared(answer.reigns[-1], lambda _: rows))
    # Differences 1, 1, 0, 0: t = 0.5 / (0.57735 / 2) = 1.7321 with 3 degrees of freedom.
    assert "cannot be told. Seed noise is not measured; the difference is within the noise" in line
    assert "(p = 0.182)" in line


def uneven(adapter_h: tuple[float, ...]) -> tuple[str, tuple[str, ...]]:
    """What is said of LoRA with five seeds, the best, and of Adapter^H with fewer."""
    lora = (0.5, 0.5, 0.51, 0.9, 0.9)
    answer = find_answer(trials({"adapter_h": (50, adapter_h), "lora": (100, lora)}))
    assert answer is not None
    reign = answer.reigns[-1]
    comparison = compared(reign, scores_of)
    assert reign.winner.title == "LoRA"
    return stretch_line([reign], comparison), reign_row(reign, comparison)


def test_where_seeds_differ_lead_and_interval_are_of_those_that_both_have() -> None:
    line, cells = uneven((0.6, 0.59, 0.62))
    assert (
        "Adapter^H r = 0 (60.3 ± 1.5 with 50); on the 3 seeds that both have it is 10.0 points ahead of"
        in line
    )
    # Differences -0.1, -0.09, -0.11: standard error 0.01 / sqrt 3, t = 17.3 with 2 degrees of freedom.
    assert (
        "Adapter^H is above LoRA by more than noise (p = 0.003). LoRA minus Adapter^H: 95% interval" in line
    )
    assert "interval -12.5 to -7.5, p = 0.003, 3 seeds." in line
    assert "With no limit the next best method is Adapter^H" in line
    assert line.endswith("of resampled seeds; that is no test but a bootstrap.")
    assert "leads" not in line
    assert "The lead" not in line
    assert cells[-2:] == ("-10.0 on the 3 seeds that both have", "-12.5 to -7.5, p = 0.003")
    behind, _ = uneven((0.4, 0.39, 0.42))
    assert "on the 3 seeds that both have it is 10.0 points behind LoRA. LoRA is above Adapter^H" in behind
    same, _ = uneven((0.5, 0.51, 0.5))
    assert "on the 3 seeds that both have it scores as much. No difference beyond noise" in same


def test_with_one_seed_in_common_the_distance_is_that_seeds() -> None:
    line, cells = uneven((0.6,))
    assert "on the one seed that both have it is 10.0 points ahead of LoRA." in line
    assert "With one seed in common the confidence cannot be told." in line
    assert cells[-2:] == ("-10.0 on the one seed that both have", "not known")


def test_a_lead_that_does_not_vary_has_no_interval() -> None:
    answer = find_answer(trials({"adapter_h": (50, (0.871, 0.862)), "lora": (100, (0.872, 0.863))}))
    assert answer is not None
    reign = answer.reigns[-1]
    comparison = compared(reign, scores_of)
    line = stretch_line([reign], comparison)
    assert "by 0.1 points. The difference does not vary with seeds, so no confidence can be told." in line
    assert "interval" not in line
    assert reign_row(reign, comparison)[-2:] == ("+0.1", "not known")


def test_where_lower_is_better_the_interval_has_the_leads_sign() -> None:
    some = trials({"adapter_h": (50, (2.5, 2.7, 2.6)), "lora": (100, (2.0, 2.1, 2.2))})
    answer = find_answer([replace(trial, metric="loss") for trial in some])
    assert answer is not None
    reign = answer.reigns[-1]
    # Differences 0.5, 0.6, 0.4: 0.5 and 4.3027 times 0.1 / sqrt 3.
    assert reign_row(reign, compared(reign, scores_of))[-2:] == ("+0.500", "+0.252 to +0.748, p = 0.013")
    assert "LoRA is below Adapter^H by more than noise" in stretch_line([reign], compared(reign, scores_of))


def test_what_the_intervals_are_of_is_said_as_it_was_tested() -> None:
    some = trials({"prefix_embed": (50, (0.3, 0.4)), "lora": (100, (0.5, 0.7))})
    answer = find_answer(some)
    assert answer is not None
    lonely, reign = answer.reigns
    rows = {0: [0.0, 1.0], 1: [1.0, 0.0], 10: [1.0, 1.0], 11: [0.0, 1.0]}
    by_score, by_rows = compared(reign, scores_of), compared(reign, lambda _: rows)
    assert "t-test over seeds, as the examples' own" in how_tested([None, by_score])
    assert "t-test over seeds and examples, not corrected" in how_tested([by_rows])
    assert "t-test over seeds, and examples where their" in how_tested([by_rows, by_score])
    assert how_tested([compared(lonely, scores_of)]) == ""


def test_methods_without_a_common_seed_cannot_be_compared() -> None:
    some = trials({"prefix_embed": (50, (0.3,)), "lora": (100, (0.0, 0.5))})[:1]
    some += [make_trial(number=7, seed=5, score=0.5, trainable_params=100)]
    answer = find_answer(some)
    assert answer is not None
    assert compared(answer.reigns[-1], scores_of) is None
    assert "no seed in common" in stretch_line(answer.stretches[-1], None)


def test_a_stretch_is_one_methods_neighbours_on_the_front() -> None:
    answer = find_answer(
        trials(
            {"lora": (10, (0.3,)), "lora/b": (20, (0.4,)), "adapter_h": (30, (0.5,)), "lora/c": (40, (0.6,))}
        )
    )
    assert answer is not None
    assert [[r.winner.best.first.config_hash for r in same] for same in answer.stretches] == [
        ["lora", "lora/b"],
        ["adapter_h"],
        ["lora/c"],
    ]
    line = stretch_line(answer.stretches[0], None)
    assert line == (
        "With 10 to 29 trainable parameters, LoRA is best: 30.0 to 40.0 as the budget grows. "
        "No other method was tried with so few parameters."
    )


def test_the_smallest_configuration_that_suffices_is_named_once_for_its_highest_share() -> None:
    answer = find_answer(
        trials(
            {
                "prefix_embed": (10, (0.73,)),
                "lora": (100, (0.77,)),
                "adapter_h": (200, (0.8,)),
                "fine_tune": (1000, (0.76,)),
            }
        )
    )
    assert answer is not None
    # 90% of 0.8 is 0.72, 95% is 0.76, 99% is 0.792.
    assert [enough_row(each) for each in answer.enough] == [
        ("90% of the best score", "72.0", "PrefixEmbed r = 0", "10", "73.0"),
        ("95% of the best score", "76.0", "LoRA r = 1", "100", "77.0"),
        ("100% of the best score (and 99%)", "80.0", "Adapter^H r = 2", "200", "80.0"),
        ("the best full fine-tuning", "76.0", "LoRA r = 1", "100", "77.0"),
    ]
    assert headline(answer) == (
        "The best score, 80.0 MNLI-m accuracy, takes 200 trainable parameters (20% of the base): "
        "Adapter^H r = 2, one seed. "
        "To reach 95% of the best score (76.0), 100 suffice: LoRA r = 1. "
        "To reach the best full fine-tuning (76.0), 100 suffice: LoRA r = 1."
    )


def test_where_full_fine_tuning_is_best_the_best_of_the_others_is_named() -> None:
    answer = find_answer(
        trials({"lora": (10, (0.5,)), "adapter_h": (20, (0.6,)), "fine_tune": (1000, (0.9,))})
    )
    assert answer is not None
    assert headline(answer) == (
        "The best score, 90.0 MNLI-m accuracy, takes 1,000 trainable parameters (100% of the base): "
        "Fine-Tune r = 2, one seed. "
        "Of the other methods Adapter^H r = 1 reaches most: 60.0 with 20 (2%)."
    )


def test_what_ties_with_the_front_is_no_lead() -> None:
    answer = find_answer(trials({"lora": (10, (0.5,)), "adapter_h": (20, (0.5,))}))
    assert answer is not None
    (reign,) = answer.reigns
    assert (reign.winner.best.first.method, reign.lead) == ("lora", 0.0)
    assert "scores as much" in stretch_line([reign], None)


def test_without_a_scored_trial_there_is_no_answer() -> None:
    assert find_answer([make_trial(state="failed", score=None)]) is None
