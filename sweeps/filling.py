"""Metrics that were missing of trials for want of a tool, filled in from their texts when it is there."""

from __future__ import annotations

from storage.records import Measurement, TrialRecord
from sweeps.books import Books
from sweeps.plan import Plan

SPLIT = "validation"


def fill_missing(plan: Plan, books: Books) -> None:
    """Score again what lacks a metric of the task, and add what is found; what is known stays as it is.

    Trials are of this run, of earlier ones, and reused. Where the tool is still absent, one is tried.
    """
    task, examples = plan.examples.task, plan.examples.validation
    if not task.metrics:
        return
    measured = books.measured(SPLIT)
    for trial in list(books.trials.values()):
        known = measured.get(trial.number, set())
        if trial.state != "complete" or known.issuperset(task.metrics):
            continue
        texts = _kept_texts(trial, books)
        if len(texts) != len(examples):
            continue
        try:
            scored = task.score(examples, texts).metrics
        except Exception as error:
            # A metric may be anybody's code, and what it was to score has its score.
            books.say(f"missing metrics are not filled in: {type(error).__name__}: {error}")
            return
        found = {name: value for name, value in scored.items() if name not in known}
        if not found:
            return
        books.add(trial, [Measurement(name, SPLIT, trial.steps or 0, found[name]) for name in found])
        books.say(f"trial {trial.number}: {', '.join(found)} filled in, which had been missing")


def _kept_texts(trial: TrialRecord, books: Books) -> list[str]:
    """The trial's file of predictions, one a line; none where it was not kept."""
    for artifact in books.left_by(trial.sweep, trial.number)[1]:
        file = books.workspace.inside(artifact.path)
        if artifact.kind == "predictions" and file.is_file():
            return file.read_text(encoding="utf-8").split("\n")[:-1]
    return []
