"""The root of every error that Frontune raises for its user, and the sentence for an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class FrontuneError(Exception):
    """What went wrong in one sentence: what, got, wanted. The command prints it and exits with code 2."""


class SeveralSweeps(FrontuneError):
    """One sweep is wanted, and `name` stands for the `parts` of a file; the command says how to ask so."""

    def __init__(self, name: str, parts: Sequence[str]) -> None:
        self.name, self.parts = name, parts
        super().__init__(f"{name} is {len(parts)} sweeps: {', '.join(parts)}; wanted one of them")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``unknown KIND 'NAME'; did you mean 'X'? known: ...``, the nearest known name first."""
    names = sorted(known)
    by_letters = {each.casefold(): each for each in names}
    nearest = difflib.get_close_matches(name.casefold(), by_letters, n=1)
    hint = f"; did you mean {by_letters[nearest[0]]!r}?" if nearest else ";"
    return f"unknown {kind} {name!r}{hint} known: {', '.join(names)}"
