"""What the base scores before it is trained: once for each sweep, by the first worker that trains for it."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, field, replace

from sweeps.books import Books
from sweeps.judge import score_texts
from sweeps.plan import Plan
from sweeps.training.recipe import Recipe
from sweeps.trial import Untrained
from sweeps.trial_records import PlannedTrial

MOST_ASKED = 3
"""So many trials of a run are asked, one after the other, where none could say."""


@dataclass
class UntrainedBase:
    """Asks for the score with the first trial of a run, where no sweep on this base and data knows it yet;
    with a later one where that ended without it."""

    plan: Plan
    books: Books
    _asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.identity = self.plan.context.config_hash("untrained", Recipe())
        self._is_known = self.books.knows_untrained(self.identity)

    def asked(self, planned: PlannedTrial, running: Container[int]) -> PlannedTrial:
        """Return the trial that is about to begin, which scores the base before where that is wanted."""
        wanted = not self._is_known and self._may_ask(planned.record.number, running)
        return replace(planned, spec=replace(planned.spec, score_untrained=wanted))

    def _may_ask(self, number: int, running: Container[int]) -> bool:
        """One trial at a time, which may be tried again."""
        last = self._asked[-1] if self._asked else None
        if last != number and (last in running or len(self._asked) >= MOST_ASKED):
            return False
        if last != number:
            self._asked.append(number)
        return True

    def scored(self, event: Untrained) -> None:
        """Remember what a worker measured, texts judged as those of trials are."""
        metrics = dict(event.metrics)
        if event.generated:
            examples = self.plan.examples
            try:
                _, scores = score_texts(
                    event.generated, examples.task, examples.validation, self.plan.tokenizer
                )
            except Exception:
                # A metric may be anybody's code; the trial that follows fails by it, and says so.
                return
            metrics |= scores.metrics
        # A database keeps no NaN, which a metric of texts may be.
        found = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self.books.untrained(self.identity, found)
        self._is_known = True
