"""The executor of one process: trials train in the driver's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from methods.errors import FrontuneError
from sweeps.executors.base import DeviceLost, Runner
from sweeps.trial import Finished, TrialEvent, TrialSpec


class InlineExecutor:
    """Steps its runner while its events are read."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def capacity(self) -> int:
        return self._runner.capacity

    def submit(self, trial: TrialSpec) -> None:
        self._runner.submit(trial)

    def events(self) -> Iterator[TrialEvent]:
        try:
            while self._runner.busy:
                yield from self._runner.advance()
        except DeviceLost as error:
            raise FrontuneError(
                f"this process can use its device no more ({error}); `frontune resume` goes on in a new one"
            ) from error

    def cancel(self, number: int) -> None:
        self._runner.cancel(number)

    def close(self) -> Sequence[Finished]:
        self._runner.close()
        return ()
