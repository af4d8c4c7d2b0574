"""What a trial's result is worth: judged by its task, kept beside the weights, or why it is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from methods.errors import FrontuneError
from storage.records import TrialOutcome
from storage.workspace import Workspace
from sweeps.failures import failed_by
from sweeps.judge import Judged, judge, keep
from sweeps.patience import patiently
from sweeps.plan import Plan
from sweeps.trial import Failed, TrialResult
from sweeps.trial_records import PlannedTrial, finished


@dataclass
class Verdicts:
    """Of the trials of one run; metrics that are missing are said once."""

    plan: Plan
    workspace: Workspace
    say: Callable[[str], None]
    _said_missing: set[str] = field(default_factory=set)

    def judged(self, number: int, result: TrialResult) -> Judged | Failed:
        """Have the task score what was generated."""
        examples = self.plan.examples
        try:
            judged = judge(result, examples.task, examples.validation, self.plan.tokenizer)
        except Exception as error:
            # A metric may be anybody's code.
            return failed_by(number, error)
        for metric, reason in judged.scores.missing.items():
            if metric not in self._said_missing:
                self._said_missing.add(metric)
                self.say(f"{metric} is missing: {reason}")
        return judged

    def finished(self, planned: PlannedTrial, result: TrialResult) -> TrialOutcome | Failed:
        """Judge a trial that came to its end, and keep that beside its weights."""
        number = planned.record.number
        judged = self.judged(number, result)
        if isinstance(judged, Failed):
            return judged
        if judged.result.score is None:
            metric = self.plan.data.metric
            why = judged.scores.missing.get(metric, "the task gave none")
            return Failed(number, f"its score, {metric}, is missing: {why}")
        try:
            files = patiently(lambda: keep(judged, planned.spec, self.workspace), self.say)
        except FrontuneError as error:
            return failed_by(number, error)
        return finished(planned.record, judged.result, files)
