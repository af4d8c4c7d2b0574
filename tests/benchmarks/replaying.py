"""An executor that plays recorded learning curves back as trials' events, so that the real driver decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from methods.expression import parse_method
from sweeps.trial import Failed, Finished, Rung, TrialEvent, TrialResult, TrialSpec
from tests.benchmarks.curve_table import Curve, CurveTable, written_point


@dataclass
class _Played:
    """A trial on its way: the step that it has reached, and those at which there is something to tell."""

    trial: TrialSpec
    curve: Curve
    stops: list[int]
    step: int = 0


class ReplayExecutor:
    """Runs up to `slots` trials side by side, all of them as fast as each other."""

    def __init__(self, table: CurveTable, slots: int = 1) -> None:
        self._slots, self._total_steps = slots, table.total_steps
        self._curves = {(curve.point, curve.seed): curve for curve in table.curves}
        self._running: dict[int, _Played] = {}
        self.played: dict[int, int] = {}
        """Steps that were played of each trial, in the order in which trials ended."""

    @property
    def capacity(self) -> int:
        return self._slots - len(self._running)

    def submit(self, trial: TrialSpec) -> None:
        if not self.capacity:
            raise RuntimeError(f"no slot is free for trial {trial.number}")
        curve = self._curves[written_point(parse_method(trial.method), trial.recipe), trial.recipe.seed]
        rungs = trial.rungs if trial.score_rungs else ()
        self._running[trial.number] = _Played(trial, curve, [*rungs, self._total_steps])

    def events(self) -> Iterator[TrialEvent]:
        while self._running:
            first = min(self._running.values(), key=lambda each: each.stops[0] - each.step)
            passed = first.stops[0] - first.step
            for each in self._running.values():
                each.step += passed
            first.stops.pop(0)
            event = self._event(first)
            if not isinstance(event, Rung):
                self.cancel(event.number)
            yield event

    def cancel(self, number: int) -> None:
        if number in self._running:
            self.played[number] = self._running.pop(number).step

    def close(self) -> Sequence[Finished]:
        self._running.clear()
        return ()

    def _event(self, played: _Played) -> TrialEvent:
        number, step, scores = played.trial.number, played.step, played.curve.scores
        if step not in scores:
            if step < max(scores, default=0):
                raise RuntimeError(f"{played.curve.point} was not scored at step {step}")
            return Failed(number, f"diverged before step {step}", kind="diverged")
        result = _result(played.curve, step)
        return Finished(number, result) if step == self._total_steps else Rung(number, step, result)


def _result(curve: Curve, step: int) -> TrialResult:
    """What was recorded, and nothing where nothing was."""
    metrics = {"accuracy": curve.scores[step]}
    if step in curve.losses:
        metrics["loss"] = curve.losses[step]
    return TrialResult(
        score=curve.scores[step],
        metrics=metrics,
        curve=(),
        trainable_params=curve.trainable_params,
        stored_params=curve.trainable_params,
        steps=step,
        train_seconds=0.0,
        eval_seconds=0.0,
        wall_seconds=0.0,
        tokens_per_second=0.0,
        train_tokens=0,
        peak_memory_bytes=0,
        device="cpu",
        rows=0,
        rows_cut=0,
        eval_rows_cut=0,
    )
