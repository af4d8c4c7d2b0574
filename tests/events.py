"""Reading an executor's events, however long nothing comes in between."""

from __future__ import annotations

from collections.abc import Callable

from sweeps.executors.base import Executor
from sweeps.trial import Failed, Finished, TrialEvent


def drained(
    executor: Executor, *numbers: int, at: Callable[[TrialEvent], None] = lambda event: None
) -> list[TrialEvent]:
    """All events until these trials have ended; `at` is called with each as it comes."""
    events: list[TrialEvent] = []
    while set(numbers) - ended(events).keys():
        for event in executor.events():
            events.append(event)
            at(event)
    return events


def first(executor: Executor) -> TrialEvent:
    """The first event."""
    while True:
        for event in executor.events():
            return event


def ended(events: list[TrialEvent]) -> dict[int, TrialEvent]:
    """How each trial ended, by number."""
    return {event.number: event for event in events if isinstance(event, Finished | Failed)}
