"""What is compared: no pruning, our rule, and syne-tune's MOASHA, each deciding within the real driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from storage.records import RungScore
from sweeps.driver import Driver
from sweeps.pruning import Rungs, rung_steps


class MoashaDriver(Driver):
    """The driver with syne-tune's decisions in the place of ours."""

    mend: bool = False

    def _open(self) -> None:
        super()._open()
        settings = self.plan.spec.pruning
        assert settings is not None
        steps = self.plan.spec.recipe.steps
        assert steps is not None
        self._rungs = moasha_rungs(steps, settings.reduction, self.mend)


class MendedMoashaDriver(MoashaDriver):
    """MOASHA as its paper has it (see `mended`)."""

    mend = True


@dataclass
class MoashaRungs(Rungs):
    """Asks MOASHA, which is told score and log10 of the parameters, the axes of the front."""

    scheduler: Any = None
    _trials: dict[int, Any] = field(default_factory=dict)

    def reach(self, found: RungScore, trainable_params: int) -> bool:
        from syne_tune.backend.trial_status import Trial

        if found.number not in self._trials:
            self._trials[found.number] = Trial(found.number, {}, datetime.now(UTC))
            self.scheduler.on_trial_add(self._trials[found.number])
        told = {"step": found.step, "score": -found.score, "params": float(np.log10(trainable_params))}
        return bool(self.scheduler.on_trial_result(self._trials[found.number], told) == "CONTINUE")


def moasha_rungs(steps: int, reduction: int, mend: bool) -> MoashaRungs:
    """Return the rungs of a sweep of which MOASHA decides who goes on."""
    return MoashaRungs(reduction, scheduler=moasha(steps, reduction, mend))


def moasha(steps: int, reduction: int, mend: bool) -> Any:
    """Return MOASHA with our first rung, of which it makes the others: 5, 15 and 45 for our 5, 16 and 50."""
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    return MOASHA(
        config_space={},
        metrics=["score", "params"],
        time_attr="step",
        max_t=steps,
        grace_period=rung_steps(steps, reduction)[0],
        reduction_factor=reduction,
        multiobjective_priority=mended() if mend else None,
    )


def mended() -> Any:
    """Return MOASHA's order as its paper has it: each trial's place in the sorted list.

    syne-tune 0.16.0 takes the sorted list of indices itself for the priorities, so that a trial's fate hangs
    on the number of another: for the costs (3, 3), (1, 1), (2, 2) it gives 1, 2, 0, where 2, 0, 1 is meant.
    """
    from syne_tune.optimizer.schedulers.multiobjective import multiobjective_priority as priorities

    class Places(priorities.NonDominatedPriority):  # type: ignore[misc]
        def priority_unsafe(self, objectives: np.ndarray) -> np.ndarray:
            return np.argsort(super().priority_unsafe(objectives))

    return Places()


@dataclass(frozen=True)
class Rule:
    """A way to prune: its name in the tables, the driver that decides by it, and its reduction (0 = none)."""

    name: str
    driver: type[Driver]
    reduction: int

    def rungs(self, steps: int) -> Rungs | None:
        """Return the rungs of a sweep as the rule's driver has them, None without pruning."""
        if issubclass(self.driver, MoashaDriver):
            return moasha_rungs(steps, self.reduction, self.driver.mend)
        return Rungs(self.reduction) if self.reduction else None


RULES = (
    Rule("none", Driver, 0),
    Rule("on the front", Driver, 3),
    Rule("MOASHA", MoashaDriver, 3),
    Rule("MOASHA, mended", MendedMoashaDriver, 3),
)
