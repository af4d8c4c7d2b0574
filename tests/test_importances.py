"""Importances within a method: learned from the studies of a sweep, in order, seeded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dashboards.figure_source import Importance
from dashboards.figures.importance import plot_importances
from sweeps.importances import FEWEST, importances
from sweeps.point import Point
from sweeps.space import Choice, Range, Space
from sweeps.studies import open_storage
from sweeps.study import MethodStudy
from tests.test_pareto import make_trial

SPACE = Space({"r": Choice((1, 2, 4, 8)), "lr": Range(1e-4, 1e-2, log=True)})


def rank_is_nearly_all(r: int, lr: float) -> float:
    return 0.1 * r + lr


def either_alone_is_nothing(r: int, lr: float) -> float:
    return float((r > 2) == (lr > 1e-3))


def study_with(url: str, method: str, n: int, score: Callable[..., float] = rank_is_nearly_all) -> None:
    study = MethodStudy(open_storage(url), "s", method, SPACE, "random", 0)
    for _ in range(n):
        asked = study.ask()
        assert asked is not None
        number, point = asked
        study.tell(number, score(**point.values), 10 * point.values["r"])
    outside = Point(method, {"r": 99, "lr": 1.0})
    study.tell(study.add(outside), 0.9, 990)


def test_what_the_score_follows_has_nearly_all_of_the_variance(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study_with(url, "lora", 30)
    study_with(url, "prefix_embed", FEWEST - 1)
    trials = [make_trial(), make_trial(number=1, method="prefix_embed"), make_trial(number=2, method="gone")]
    found = importances(url, "s", trials)
    assert [(each.method, each.hyperparameter, each.n) for each in found] == [
        ("lora", "r", 30),
        ("lora", "lr", 30),
    ]
    assert found[0].share > 0.9
    assert 0.95 < sum(each.share for each in found) <= 1
    assert importances(url, "s", trials) == found


def test_what_only_combinations_explain_is_in_no_share(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study_with(url, "lora", 30, either_alone_is_nothing)
    found = importances(url, "s", [make_trial()])
    assert len(found) == 2
    assert sum(each.share for each in found) < 0.8


def test_the_bars_of_methods_with_one_name_in_common_are_two() -> None:
    found = [
        Importance("prefix_embed", "PrefixEmbed", "lr", 1.0, 9),
        Importance("lora", "LoRA", "r_q", 0.75, 8),
        Importance("lora", "LoRA", "lr", 0.25, 8),
    ]
    figure = plot_importances(found, "t")
    assert [list(bar.y) for bar in figure.data] == [[0], [1, 2]]
    assert figure.layout.yaxis.ticktext == ("PrefixEmbed  lr", "LoRA  r<sub>q</sub>", "LoRA  lr")
    assert [list(bar.x) for bar in figure.data] == [[100.0], [75.0, 25.0]]
    assert figure.data[1].name == "LoRA (8 configurations)"
