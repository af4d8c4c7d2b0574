"""Predictions and their references, row by row, as every metric of text takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from methods.errors import FrontuneError


@dataclass(frozen=True)
class Corpus:
    """One prediction a row, which may be empty, and at least one reference; rows differ in how many."""

    predictions: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Corpus:
        """Put both together; an empty reference stands for one that is missing, and is dropped.

        Raises FrontuneError if there are no rows, their numbers differ, or a row has no reference.
        """
        if len(predictions) != len(references):
            raise FrontuneError(
                f"wanted one prediction a row, got {len(predictions)} for {len(references)} rows"
            )
        if not predictions:
            raise FrontuneError("nothing to score: there are no rows")
        present = tuple(tuple(text for text in row if text.strip()) for row in references)
        if not all(present):
            raise FrontuneError(f"row {present.index(()) + 1}: all references are empty, wanted at least one")
        return cls(tuple(predictions), present)

    def map(self, change: Callable[[str], str]) -> Corpus:
        """Return the corpus with every text changed alike."""
        return Corpus(
            tuple(map(change, self.predictions)), tuple(tuple(map(change, row)) for row in self.references)
        )
