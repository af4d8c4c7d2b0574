"""Studies: what each sampler asks for, explicit points, and that an interrupted study goes on the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from methods.errors import FrontuneError
from sweeps.point import Point
from sweeps.space import Choice, Range, SameAs, Space
from sweeps.spec import check_spec
from sweeps.studies import open_storage, open_studies
from sweeps.study import MethodStudy
from sweeps.telling import mean_score

SPACE = Space(
    {
        "r_q": Range(1, 64),
        "r_v": SameAs("r_q"),
        "r_o": Choice((0, 2)),
        "alpha": Choice((8.0,)),
        "lr": Range(1e-4, 1e-1, log=True),
    }
)
SPEC = check_spec({"name": "sweep-1", "base": "tiny", "task": "demo", "points": ["fine_tune"]}, "F")


@pytest.fixture
def store() -> BaseStorage:
    """Optuna's storage in memory; what sweeps use, in SQLite, is ten times slower."""
    return InMemoryStorage()


def study_in(
    store: BaseStorage, sampler: str, sweep: str = "s", method: str = "lora", seed: int = 0
) -> MethodStudy:
    return MethodStudy(store, sweep, method, SPACE, sampler, seed)


def score_of(point: Point) -> float:
    """Best at a low learning rate, and a little better with rank."""
    return float(0.001 * point.values["r_q"] - abs(point.values["lr"] - 3e-3))


def drawn(study: MethodStudy) -> tuple[int, Point]:
    given = study.ask()
    assert given is not None
    return given


def asked(study: MethodStudy, n: int, tell: bool = True) -> list[dict[str, Any]]:
    points = []
    for _ in range(n):
        number, point = drawn(study)
        points.append(dict(point.values))
        if tell:
            study.tell(number, score_of(point), point.values["r_q"] * 10)
    return points


def test_a_study_in_sqlite_has_two_named_directions_and_parameters_under_their_own_names(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    studies = open_studies(url, SPEC, {"lora": SPACE, "fine_tune": None})
    asked(studies["lora"], 3)
    names = [summary.study_name for summary in optuna.get_all_study_summaries(url)]
    assert names == ["sweep-1/lora", "sweep-1/fine_tune"]
    seen = optuna.load_study(study_name="sweep-1/lora", storage=url)
    assert seen.metric_names == ["score", "trainable_params"]
    assert seen.directions == [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    assert {tuple(trial.params) for trial in seen.trials} == {("r_q", "r_o", "lr")}
    again = open_studies(url, SPEC, {"lora": SPACE})["lora"]
    assert again.asked() == studies["lora"].asked()


def test_drawn_points_are_within_the_space_tied_and_constant_values_included(store: BaseStorage) -> None:
    for values in asked(study_in(store, "random"), 20):
        assert values["r_v"] == values["r_q"]
        assert values["alpha"] == 8.0
        assert 1 <= values["r_q"] <= 64
        assert values["r_o"] in (0, 2)
        assert 1e-4 <= values["lr"] <= 1e-1


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "gp"])
def test_points_follow_from_seed_and_method_and_not_from_interruptions(
    store: BaseStorage, sampler: str
) -> None:
    undisturbed = asked(study_in(store, sampler, "a"), 12)
    resumed: list[dict[str, Any]] = []
    for _ in range(4):
        resumed += asked(study_in(store, sampler, "b"), 3)
    assert resumed == undisturbed
    assert asked(study_in(store, sampler, "c", seed=1), 12) != undisturbed
    assert asked(study_in(store, sampler, "d", method="other"), 12) != undisturbed


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp"])
def test_samplers_learn_from_scores_after_ten_points_and_random_does_not(
    store: BaseStorage, sampler: str
) -> None:
    random, learned = asked(study_in(store, "random", "a"), 12), asked(study_in(store, sampler, "b"), 12)
    assert learned[:10] == random[:10]
    assert learned != random
    blind = []
    study = study_in(store, sampler, "c")
    for _ in range(12):
        number, point = drawn(study)
        blind.append(dict(point.values))
        study.tell(number, -score_of(point), point.values["r_q"] * 10)
    assert blind != learned
    assert blind[:10] == learned[:10]


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_an_interruption_in_the_middle_of_asking_changes_no_later_point(
    store: BaseStorage, sampler: str, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = asked(study_in(store, sampler, "a"), 14)
    study = study_in(store, sampler, "b")
    points = asked(study, 12)
    add_trial = optuna.Study.add_trial

    def interrupt(self: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if self.study_name != "b/lora":
            add_trial(self, trial)
            return
        if written:
            add_trial(self, trial)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "add_trial", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study.ask()
    again = study_in(store, sampler, "b")
    waiting = [(number, point) for number, point, waits in again.asked() if waits]
    assert len(waiting) == written
    for number, point in waiting:
        points.append(dict(point.values))
        again.tell(number, score_of(point), point.values["r_q"] * 10)
    assert points + asked(again, 2 - written) == undisturbed


def test_an_explicit_point_may_lie_outside_and_is_no_parent_but_spoils_no_search_space(
    store: BaseStorage,
) -> None:
    outside = Point("lora", {"r_q": 500, "dropout": 0.1})
    inside = Point("lora", {"r_q": 64, "r_v": 64, "r_o": 2, "alpha": 8.0, "lr": 3e-3})
    study = study_in(store, "nsga2", "a")
    for point in (outside, *[inside] * 10):
        study.tell(study.add(point), 1.0, 1)
    # Children of ten equal parents stay near them.
    children = asked(study, 10, tell=False)
    assert sum(abs(math.log10(child["lr"] / 3e-3)) < 0.3 for child in children) >= 7
    assert sum(child["r_q"] > 48 for child in children) >= 7
    trials = optuna.load_study(study_name="a/lora", storage=store).trials
    assert trials[0].params == {}
    assert trials[1].params == {"r_q": 64, "r_o": 2, "lr": 3e-3}


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_no_point_is_asked_for_twice_and_a_space_that_is_used_up_gives_no_more(
    store: BaseStorage, sampler: str
) -> None:
    space = Space({"r_q": Range(1, 3), "r_v": SameAs("r_q"), "lr": Choice((1e-3, 3e-3))})
    study = MethodStudy(store, "small", "lora", space, sampler, 0)
    study.tell(study.add(Point("lora", {"r_q": 2, "r_v": 2, "lr": 1e-3})), 0.5, 20)
    found = [tuple(point.values()) for point in asked(study, 5)]
    assert len(set(found)) == 5
    assert (2, 2, 1e-3) not in found
    assert study.ask() is None
    again = MethodStudy(store, "small", "lora", space, sampler, 0)
    assert again.ask() is None
    assert [tuple(point.values.values()) for _, point, _ in again.asked()][1:] == found


def test_a_score_is_told_once_and_a_failure_is_no_score(store: BaseStorage) -> None:
    study = study_in(store, "random")
    first, _ = drawn(study)
    second, _ = drawn(study)
    assert [waits for _, _, waits in study.asked()] == [True, True]
    study.tell(first, 0.5, 10)
    study.tell(first, 0.9, 99)
    study.tell(second, None, 0)
    trials = optuna.load_study(study_name="s/lora", storage=store).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.FAIL]
    assert trials[0].values == [0.5, 10.0]
    assert [waits for _, _, waits in study.asked()] == [False, False]


def test_a_points_score_is_the_mean_of_the_replicates_that_have_one() -> None:
    assert mean_score([0.25, None, 0.75]) == 0.5
    assert mean_score([None, None]) is None


def test_a_database_that_cannot_hold_studies_says_so(tmp_path: Path) -> None:
    with pytest.raises(FrontuneError, match="cannot hold the studies"):
        open_studies(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}", SPEC, {})


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_a_finite_space_is_used_up_whatever_the_sampler_has_learned(store: BaseStorage, sampler: str) -> None:
    space = Space({"r_q": Range(1, 6), "r_v": Range(1, 4), "lr": Choice((1e-3,))})
    study = MethodStudy(store, "whole", "lora", space, sampler, 0)
    found = [tuple(point.values()) for point in asked(study, 24)]
    assert len(set(found)) == 24
    assert study.ask() is None


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_a_database_took_in_before_the_connection_was_lost_is_there_once(
    tmp_path: Path, sampler: str
) -> None:
    """As on PostgreSQL, where a server may go between a commit and its answer."""
    wanted = asked(study_in(InMemoryStorage(), sampler), 6)
    store = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    study, found = study_in(store, sampler), []
    for _ in range(6):
        with pytest.MonkeyPatch.context() as lost:
            lose_the_answer(lost, "add_trial")
            with pytest.raises(StorageInternalError):
                study.ask()
        number, point = drawn(study)
        found.append(dict(point.values))
        with pytest.MonkeyPatch.context() as lost:
            lose_the_answer(lost, "tell")
            with pytest.raises(StorageInternalError):
                study.tell(number, score_of(point), point.values["r_q"] * 10)
        study.tell(number, score_of(point), point.values["r_q"] * 10)
    assert found == wanted
    again = study_in(store, sampler)
    assert [(n, dict(p.values), waits) for n, p, waits in again.asked()] == [
        (n, values, False) for n, values in enumerate(wanted)
    ]


def lose_the_answer(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = getattr(optuna.Study, name)

    def answered_by_nobody(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise StorageInternalError("the connection was lost")

    monkeypatch.setattr(optuna.Study, name, answered_by_nobody)
