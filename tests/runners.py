"""Runners that do as a test says: plain values that travel to a worker, and misbehave there."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from methods.errors import FrontuneError
from sweeps.executors.base import MakeRunner, Runner
from sweeps.training.recipe import Recipe
from sweeps.trial import Failed, Finished, Progress, Rung, TrialEvent, TrialResult, TrialSpec


@dataclass(frozen=True)
class Scripted:
    """Makes runners that train nothing; a trial's `method` is what it does, and the file that says that it
    has been done."""

    slots: int = 1

    def __call__(self, device: str) -> Runner:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        print(f"device {device}, visible {visible!r}, torch {'torch' in sys.modules}", flush=True)
        return ScriptedRunner(self.slots)


class ScriptedRunner:
    """`walk` takes its steps; `doom` ends the process by SIGKILL every time; the others take their steps,
    too, if it is not their first time, and else

    `hang` never returns, `die` ends the process by SIGKILL, `fall` raises what no trial is to blame for,
    and `refuse` says that no worker could work.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._steps: dict[int, int] = {}
        self._trials: dict[int, TrialSpec] = {}

    @property
    def capacity(self) -> int:
        return self._slots - len(self._trials)

    @property
    def busy(self) -> bool:
        return bool(self._trials)

    def submit(self, trial: TrialSpec) -> None:
        self._trials[trial.number] = trial
        self._steps[trial.number] = 0

    def cancel(self, number: int) -> None:
        self._trials.pop(number, None)

    def at_most(self, slots: int) -> None:
        self._slots = min(self._slots, slots)

    def advance(self) -> Iterator[TrialEvent]:
        for number, trial in list(self._trials.items()):
            self._steps[number] += 1
            step = self._steps[number]
            yield Progress(number, step, trial.recipe.steps or 1, 1.0, 1.0)
            does, _, marker = trial.method.partition(" ")
            if does == "doom":
                misbehave("die")
            if does != "walk" and is_first_time(Path(marker)):
                misbehave(does)
            if step == trial.recipe.steps:
                del self._trials[number]
                yield Finished(number, result(step))
        time.sleep(0.001)

    def close(self) -> None:
        self._trials.clear()


def is_first_time(marker: Path) -> bool:
    if marker.exists():
        return False
    marker.touch()
    return True


def misbehave(how: str) -> None:
    if how == "hang":
        threading.Event().wait()
    elif how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "fall":
        raise ValueError("a defect of the worker")
    elif how == "refuse":
        raise FrontuneError("base 'nowhere' cannot be loaded")


def scripted_trial(number: int, does: str, folder: Path, steps: int = 3) -> TrialSpec:
    method = f"{does} {folder / f'was-here-{number}'}"
    return TrialSpec("s", number, method, Recipe(steps=steps), "unused", number, "hash")


def result(steps: int) -> TrialResult:
    return TrialResult(0.5, {}, (), 1, 1, steps, 1.0, 1.0, 2.0, 1.0, 1, 1, "cpu", 1, 0, 0)


@dataclass(frozen=True)
class DiesAtARung:
    """Makes runners whose process is killed after the first rung that is told of, at once or when `until`,
    a folder, holds something."""

    make: MakeRunner
    marker: Path
    until: Path | None = None

    def __call__(self, device: str) -> Runner:
        return DyingRunner(self.make(device), self.marker, self.until)


class PassingRunner:
    """Passes everything on to another runner."""

    def __init__(self, inner: Runner) -> None:
        self._inner = inner

    @property
    def capacity(self) -> int:
        return self._inner.capacity

    @property
    def busy(self) -> bool:
        return self._inner.busy

    def submit(self, trial: TrialSpec) -> None:
        self._inner.submit(trial)

    def cancel(self, number: int) -> None:
        self._inner.cancel(number)

    def at_most(self, slots: int) -> None:
        self._inner.at_most(slots)

    def advance(self) -> Iterator[TrialEvent]:
        return self._inner.advance()

    def close(self) -> None:
        self._inner.close()


class DyingRunner(PassingRunner):
    """What `DiesAtARung` makes."""

    def __init__(self, inner: Runner, marker: Path, until: Path | None) -> None:
        super().__init__(inner)
        self._marker, self._until = marker, until

    def advance(self) -> Iterator[TrialEvent]:
        for event in self._inner.advance():
            yield event
            if isinstance(event, Rung) and is_first_time(self._marker):
                while self._until is not None and not any(self._until.iterdir()):
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Doomed:
    """Makes runners whose process is killed whenever the trial `number` has taken three steps."""

    make: MakeRunner
    number: int

    def __call__(self, device: str) -> Runner:
        return DoomedRunner(self.make(device), self.number)


class DoomedRunner(PassingRunner):
    """What `Doomed` makes."""

    def __init__(self, inner: Runner, number: int) -> None:
        super().__init__(inner)
        self._number = number

    def advance(self) -> Iterator[TrialEvent]:
        for event in self._inner.advance():
            yield event
            if isinstance(event, Progress) and event.number == self._number and event.step == 3:
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class LosesItsDevice:
    """Makes runners in whose process, the first time, every pass ends with an error of CUDA."""

    make: MakeRunner
    marker: Path

    def __call__(self, device: str) -> Runner:
        if is_first_time(self.marker):
            import torch

            from sweeps.training.pack import Pack

            def broken(*arguments: object) -> None:
                raise torch.AcceleratorError("CUDA error: device-side assert triggered")

            Pack._losses = broken  # type: ignore[assignment, method-assign]
        return self.make(device)


@dataclass(frozen=True)
class Tells:
    """Makes runners whose trials do not finish: they fail, and give as the reason the names of the modules
    that their process has loaded, and its environment as the traceback."""

    make: MakeRunner

    def __call__(self, device: str) -> Runner:
        return TellingRunner(self.make(device))


class TellingRunner(PassingRunner):
    """What `Tells` makes."""

    def advance(self) -> Iterator[TrialEvent]:
        for event in self._inner.advance():
            if isinstance(event, Finished):
                yield Failed(event.number, " ".join(sys.modules), repr(dict(os.environ)), kind="refused")
            else:
                yield event
