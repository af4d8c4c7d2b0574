"""Whose turn it is: explicit points first, then the methods in turn, or rather those that widen the front."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from dashboards.pareto import pareto_front
from methods.errors import FrontuneError
from storage.records import Refusal, TrialRecord
from sweeps.plan import Plan
from sweeps.point import Point
from sweeps.study import MethodStudy

MAX_REFUSED_IN_A_ROW = 100
"""After so many refused draws a method is dealt no more: its space holds too little that can be trained."""


@dataclass(frozen=True)
class Deal:
    """A point to train, and the study and Optuna trial that wait for its score."""

    study: MethodStudy
    number: int
    point: Point


class Dealer:
    """Deals points; what is dealt next follows from what the studies hold, so a resumed sweep goes on
    as an undisturbed one would."""

    def __init__(
        self, plan: Plan, studies: Mapping[str, MethodStudy], say: Callable[[str], None] = lambda text: None
    ) -> None:
        self._plan, self._studies, self._say = plan, studies, say
        self._explicit = deque(plan.points)
        self._grids = {m: deque(plan.grid(m)) for m in plan.spaces} if plan.spec.sampler == "grid" else {}
        self._refusals: list[Refusal] = []
        self._refused_in_a_row = dict.fromkeys(studies, 0)
        explicit = {plan.identity(point) for point in plan.points}
        self._dealt = {m: self._recount(studies[m], explicit) for m in plan.spaces}
        self._closed: set[str] = set()

    def waiting(self, begun: Collection[tuple[str, int]] = ()) -> list[Deal]:
        """Points asked for earlier whose score was never told, an interrupted sweep's, and those `begun`
        (by study and number): a trial of theirs has not ended, whatever their study was told."""
        return [
            Deal(study, number, point)
            for study in self._studies.values()
            for number, point, waits in study.asked()
            if waits or ((study.name, number) in begun and self._plan.refusal(point) is None)
        ]

    def dealt(self, method: str, number: int) -> Deal:
        """Return the deal of a point that was dealt earlier, by the number that its study gave it."""
        study = self._studies[method]
        (point,) = [point for known, point, _ in study.asked() if known == number]
        return Deal(study, number, point)

    def take_refusals(self) -> list[Refusal]:
        """Return what was refused since the last time, each configuration once."""
        taken, self._refusals = list(dict.fromkeys(self._refusals)), []
        return taken

    def next(self, widening: Mapping[str, float]) -> Deal | None:
        """Deal the next point, or None when there is none left.

        `widening` is the share of each method's scored points that stand on the front (for `adaptive`).
        """
        if (deal := self._enumerated(self._explicit)) is not None:
            return deal
        while open_methods := [m for m in self._plan.spaces if m not in self._closed]:
            method = min(open_methods, key=lambda m: self._priority(m, widening))
            deal = self._deal(method)
            if deal is not None:
                self._dealt[method] += 1
                return deal
            self._closed.add(method)
        return None

    def _priority(self, method: str, widening: Mapping[str, float]) -> float:
        """Fewest points first; under `adaptive` points count less the more of them stand on the front."""
        dealt = self._dealt[method]
        if self._plan.spec.balance == "equal" or dealt < 2:
            return dealt
        return dealt / (0.25 + widening.get(method, 0.0))

    def _deal(self, method: str) -> Deal | None:
        study = self._studies[method]
        if method in self._grids:
            return self._enumerated(self._grids[method])
        while self._refused_in_a_row[method] < MAX_REFUSED_IN_A_ROW:
            asked = study.ask()
            if asked is None:
                self._say(f"methods.{method}: nothing new is left to try in its search space")
                return None
            number, point = asked
            if self._accepted(study, number, point):
                return Deal(study, number, point)
        self._say(
            f"methods.{method}: {MAX_REFUSED_IN_A_ROW} draws in a row were refused, so it gets no more "
            "trials; narrow its search space"
        )
        return None

    def _enumerated(self, points: deque[Point]) -> Deal | None:
        """The first of these that its study does not know; it stays in the queue until the study has it."""
        while points:
            study = self._studies[points[0].method]
            if not study.knows(points[0]):
                return Deal(study, study.add(points[0]), points[0])
            points.popleft()
        return None

    def _recount(self, study: MethodStudy, explicit: set[str]) -> int:
        """How many trainable points a study was asked for beside the explicit ones; a refused one that still
        waits is told so."""
        return sum(
            self._accepted(study, number, point) and self._plan.identity(point) not in explicit
            for number, point, _ in study.asked()
        )

    def _accepted(self, study: MethodStudy, number: int, point: Point) -> bool:
        refusal = self._plan.refusal(point)
        if refusal is None:
            self._refused_in_a_row[study.method] = 0
            return True
        self._tell_refused(study, number, point)
        self._refusals.append(refusal)
        self._refused_in_a_row[study.method] += 1
        return False

    def _tell_refused(self, study: MethodStudy, number: int, point: Point) -> None:
        """What is refused for its size is a constraint, which samplers learn; what is no configuration, as
        with every rank 0, has no size."""
        try:
            study.tell_infeasible(number, self._plan.count(point))
        except FrontuneError:
            study.tell(number, None, 0)


def widening(trials: list[TrialRecord]) -> dict[str, float]:
    """The share of each method's complete trials whose configuration stands on the front."""
    front = {t.number for t in pareto_front(trials)}
    complete = [t for t in trials if t.state == "complete"]
    return {
        method: sum(t.number in front for t in mine) / len(mine)
        for method in {t.method for t in complete}
        if (mine := [t for t in complete if t.method == method])
    }
