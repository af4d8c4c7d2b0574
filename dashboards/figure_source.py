"""What figures are drawn from: a sweep, or those of one file, their results, and the ledger for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dashboards.figure_layout import of_sweep
from dashboards.imported import trained_here
from dashboards.low_data import LowDataPoint
from methods.errors import SeveralSweeps
from storage.ledger import Ledger
from storage.records import SweepRecord, TrialRecord


@dataclass(frozen=True)
class Importance:
    """How much of a score's variance within a method a hyperparameter explains alone, as a share of 1.

    `n` is the number of configurations that it was learned from.
    """

    method: str
    title: str
    hyperparameter: str
    share: float
    n: int


@dataclass(frozen=True)
class Source:
    """The sweeps of a name in their file's order; with `paper`, the LoRA paper's numbers are drawn as well.

    `results` are their trials and what was imported. The last two are computed by `sweeps`, when a figure
    asks for them.
    """

    name: str
    sweeps: Sequence[SweepRecord]
    results: Mapping[str, Sequence[TrialRecord]]
    ledger: Ledger
    paper: bool
    low_data: Callable[[], list[LowDataPoint]]
    importances: Callable[[], list[Importance]]

    @property
    def sweep(self) -> SweepRecord:
        """The one sweep; raises SeveralSweeps where the name stands for several."""
        if len(self.sweeps) > 1:
            raise SeveralSweeps(self.name, [sweep.name for sweep in self.sweeps])
        return self.sweeps[0]

    @property
    def whose(self) -> str:
        """Which sweep this is, or which sweeps, in plain words."""
        shared = self.sweeps[0]
        bases = ", ".join(dict.fromkeys(sweep.base for sweep in self.sweeps))
        of = of_sweep(self.name, shared.task, bases)
        return of if len(self.sweeps) == 1 else of.replace("sweep", "sweeps of", 1)

    @property
    def own(self) -> Sequence[TrialRecord]:
        """The trials of the one sweep, by number."""
        return trained_here(self.compared)

    @property
    def compared(self) -> Sequence[TrialRecord]:
        """The trials of the one sweep, and after them what was imported."""
        return self.results[self.sweep.name]
