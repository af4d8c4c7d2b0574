"""Results that were trained elsewhere: how they are marked, named and told apart wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from storage.records import TrialRecord

MARK = "†"
"""Stands after the title of what was imported."""


def marked(title: str) -> str:
    """Return the title that an imported result's record bears, so that whoever prints it prints the mark."""
    return f"{title}{MARK}"


def unmarked(title: str) -> str:
    """Return a method's title as its own trials bear it."""
    return title.removesuffix(MARK)


def trained_here(results: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the sweep's own trials."""
    return [each for each in results if each.imported_from is None]


def imported_ones(results: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return what was trained elsewhere."""
    return [each for each in results if each.imported_from is not None]


def imported_note(results: Iterable[TrialRecord]) -> str:
    """Return ``† trained elsewhere, imported from peft.csv``; empty where nothing was."""
    return note_of_files(each.imported_from for each in results)


def note_of_files(files: Iterable[str | None]) -> str:
    """Return the same of the files that results came from, None for one's own."""
    names = and_list(sorted({file for file in files if file is not None}))
    return f"{MARK} trained elsewhere, imported from {names}" if names else ""


def and_list(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    *others, last = names or [""]
    return f"{', '.join(others)} and {last}" if others else last


def trial_name(number: int) -> str:
    """Return what people call a result of a sweep: ``7`` is a trial, ``i2`` the second that was imported."""
    return str(number) if number >= 0 else f"i{-number}"


def trial_names(numbers: Iterable[int]) -> str:
    """Return ``3, 7-9, i1`` for several."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers), key=lambda n: (n < 0, abs(n))):
        if parts and parts[-1][1] in (number - 1, number + 1):
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(trial_name(a) if a == b else f"{trial_name(a)}-{trial_name(b)}" for a, b in parts)


def shown_state(result: TrialRecord) -> str:
    """Return its state, for what was imported ``imported``."""
    return result.state if result.imported_from is None else "imported"
