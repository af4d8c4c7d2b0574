"""Trials on one device: they train side by side on one base, and each ends with a result or a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from sweeps.training.evaluate import Evaluation
from sweeps.training.growth import Growth, room_on
from sweeps.training.halving import in_halves
from sweeps.training.lower import LowerLayers
from sweeps.training.memory import held_memory_bytes, release_memory, start_measuring
from sweeps.training.pack import Pack
from sweeps.training.selection import evaluate_all
from sweeps.training.trial_failure import NO_MEMORY, check_device, failed
from sweeps.training.trial_run import TrialRun
from sweeps.training.untrained import evaluate_untrained
from sweeps.trial import Failed, Finished, Scoring, TrialEvent, TrialSpec, Untrained

if TYPE_CHECKING:
    from sweeps.data import TaskData


class PackRunner:
    """Trains up to `slots` trials at once, or (None) as many as make it faster; `base` is called when the
    first of them needs it.

    A trial whose method trains the base's own weights waits until the others have ended, and then has the
    base alone. Whatever happens, the base is left as it was found.
    """

    def __init__(self, base: Callable[[], FrozenBase], data: TaskData, slots: int | None = 1) -> None:
        self._base, self._data = base, data
        self._growth = Growth() if slots is None else Growth.fixed(slots)
        self._together: int | None = None
        self._too_many: frozenset[int] = frozenset()
        self._emptied = False
        self._lower: LowerLayers | None = None
        self._has_told_untrained = False
        self._waiting: list[TrialSpec] = []
        self._runs: dict[int, TrialRun] = {}

    @property
    def capacity(self) -> int:
        """How many more trials it would take now; of those that need the base alone, as many as slots."""
        alone = sum(map(_is_exclusive, self._waiting))
        if self._emptied or alone >= self._growth.limit:
            return 0
        return max(0, self._growth.limit - len(self._runs) - (len(self._waiting) - alone))

    @property
    def busy(self) -> bool:
        """Whether it holds a trial."""
        return bool(self._waiting or self._runs)

    def submit(self, trial: TrialSpec) -> None:
        """Take a trial; it begins with the next `advance`."""
        if self.capacity <= 0:
            raise RuntimeError(f"no slot is free for trial {trial.number}")
        self._waiting.append(trial)

    def cancel(self, number: int) -> None:
        """End a trial early, if it is here; it gives no more events."""
        self._waiting = [trial for trial in self._waiting if trial.number != number]
        self._end(number)

    def at_most(self, slots: int) -> None:
        """Train no more trials side by side than so many, where their number is its own to choose."""
        self._growth.at_most(slots)

    def advance(self) -> Iterator[TrialEvent]:
        """Train everything by one step, and yield what happened; trials may be cancelled in between."""
        yield from self._admit()
        runs = dict(self._runs)
        tokens = {number: run.step_tokens for number, run in runs.items()}
        began = time.perf_counter()
        failures = self._step(list(runs.values()))
        seconds = time.perf_counter() - began
        if not failures:
            self._growth.stepped(len(runs), sum(tokens.values()), seconds)
        for number, run in runs.items():
            if number not in self._runs:
                continue
            if number in failures:
                yield from self._fail(run.spec, failures[number], len(runs))
                continue
            share = tokens[number] / max(1, sum(tokens.values()))
            yield run.stepped(tokens[number], seconds * share)
        yield from self._after_step([run for number, run in runs.items() if number in self._runs])

    def close(self) -> None:
        """End everything that is here."""
        self._waiting.clear()
        for number in list(self._runs):
            self._end(number)

    def _admit(self) -> Iterator[TrialEvent]:
        """Open a slot for each trial that may begin now; those that need the base alone come last, and then
        all that wait, so that the others make room for them once."""
        for trial in sorted(self._waiting, key=lambda each: _is_exclusive(each) != self._emptied):
            if self._runs and (self._emptied or _is_exclusive(trial)):
                return
            if len(self._runs) >= self._growth.limit:
                return
            self._emptied = _is_exclusive(trial)
            self._waiting.remove(trial)
            base = self._base()
            if not self._runs:
                start_measuring(base.device)
                self._growth.has_room = room_on(base.device, held_memory_bytes(base.device))
            for other in self._runs.values():
                other.spent.peak_memory_bytes = None
            untrained = self._untrained(base, trial)
            try:
                self._runs[trial.number] = run = TrialRun.open(base, self._data, trial, self._lower_layers())
                if len(self._runs) > 1:
                    run.spent.peak_memory_bytes = None
                # Not before: while the trial is nowhere, there seems to be room for another.
                if untrained is not None:
                    self._has_told_untrained = True
                    yield untrained
                yield from run.gone_on()
            except Exception as error:
                found = failed(trial.number, error)
            else:
                continue
            yield from self._fail(trial, found, len(self._runs.keys() | {trial.number}))

    def _fail(self, trial: TrialSpec, found: Failed, among: int) -> Iterator[TrialEvent]:
        """A trial ends; but where memory did not suffice for it among several, it is put back until there are
        fewer, and then begins again from its last rung."""
        self._end(trial.number)
        if among == 1 or found.kind not in NO_MEMORY:
            if found.kind in NO_MEMORY:
                self._growth.restore()
            yield found
            return
        release_memory(self._base().device)
        # All of them may have failed together, each for the others.
        self._growth.shrink(max(len(self._runs), among // 2))
        self._waiting.insert(0, trial)

    def _untrained(self, base: FrozenBase, trial: TrialSpec) -> Untrained | None:
        """Score the base; where that cannot be the trial says why, which is scored in the same way."""
        if not trial.score_untrained or self._has_told_untrained:
            return None
        try:
            found = evaluate_untrained(base, self._data)
        except Exception as error:
            check_device(error)
            release_memory(base.device)
            return None
        return Untrained(trial.number, found.metrics, found.generated)

    def _lower_layers(self) -> LowerLayers:
        if self._lower is None:
            self._lower = LowerLayers(self._base(), self._data.pad_id)
        return self._lower

    def _step(self, runs: Sequence[TrialRun]) -> dict[int, Failed]:
        """Step every run, as many together as memory has been seen to suffice for; return those that
        failed."""
        failures: dict[int, Failed] = {}
        while runs:
            some, device = runs[: self._together], self._base().device
            failures |= in_halves(some, self._step_together, device, "out_of_memory", self._shrink_passes)
            runs = runs[len(some) :]
        return failures

    def _step_together(self, runs: Sequence[TrialRun]) -> dict[int, Failed]:
        """One pass for all of them; return those that it made diverge."""
        errors = Pack(self._base(), [run.slot for run in runs], self._data.pad_id).step()
        numbers = {run.spec.number: run.slot for run in runs if run.slot in errors}
        return {number: failed(number, errors[slot], "out_of_memory") for number, slot in numbers.items()}

    def _shrink_passes(self, runs: Sequence[TrialRun]) -> None:
        """Memory did not suffice for one pass of these: until one of them has ended, passes are of half as
        many. Who is too large for any is put back at once, so that the others' stay as they were."""
        half = len(runs) // 2
        if self._together is None or half < self._together:
            self._together, self._too_many = half, frozenset(run.spec.number for run in runs)

    def _after_step(self, runs: Sequence[TrialRun]) -> Iterator[TrialEvent]:
        """Score those that want it, together, and let each go on to what its step leads to."""
        due = [run for run in runs if run.wants_score]
        yield from (Scoring(run.spec.number) for run in due if run.slot.finished)
        scored = in_halves(due, self._score, self._base().device) if due else {}
        n_runs = len(self._runs)
        for run in runs:
            number = run.spec.number
            found = scored.get(number)
            if number not in self._runs:
                continue
            if isinstance(found, Failed):
                yield from self._fail(run.spec, found, n_runs)
            else:
                yield from self._go_on(run, found)

    def _score(self, runs: Sequence[TrialRun]) -> dict[int, Evaluation | Failed]:
        """One evaluation for all of them."""
        began = time.perf_counter()
        scored = evaluate_all(self._base(), self._data, [run.slot for run in runs])
        seconds = (time.perf_counter() - began) / len(runs)
        for run in runs:
            run.spent.eval_seconds += seconds
        return {
            run.spec.number: found if isinstance(found, Evaluation) else failed(run.spec.number, found)
            for run, found in zip(runs, scored, strict=True)
        }

    def _go_on(self, run: TrialRun, evaluation: Evaluation | None) -> Iterator[TrialEvent]:
        number = run.spec.number
        try:
            for event in run.after_step(evaluation):
                if isinstance(event, Finished):
                    self._end(number)
                yield event
        except Exception as error:
            yield from self._fail(run.spec, failed(number, error), len(self._runs))

    def _end(self, number: int) -> None:
        run = self._runs.pop(number, None)
        if run is not None:
            run.slot.close()
        if number in self._too_many:
            self._together, self._too_many = None, frozenset()
        if not self._runs and not any(map(_is_exclusive, self._waiting)):
            self._emptied = False


def _is_exclusive(trial: TrialSpec) -> bool:
    try:
        return parse_method(trial.method).exclusive
    except FrontuneError:
        return False  # it fails when its slot is opened
