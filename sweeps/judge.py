"""Generated tokens become texts, the task's score, and files of predictions: scoring in the driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dashboards.files import write_lines
from storage.workspace import Workspace
from sweeps.metrics.scores import Scores
from sweeps.tasks.base import Example, Task
from sweeps.trial import TrialResult, TrialSpec


@dataclass(frozen=True)
class Judged:
    """A result with its score, the texts it is the score of, and why metrics are missing."""

    result: TrialResult
    texts: tuple[str, ...]
    scores: Scores


def judge(result: TrialResult, task: Task, examples: Sequence[Example], tokenizer: Any) -> Judged:
    """Score what a trial generated; a result that already has its score is returned as it is."""
    if not result.generated:
        return Judged(result, (), Scores({}))
    texts, scores = score_texts(result.generated, task, examples, tokenizer)
    metrics = {**result.metrics, **scores.metrics}
    score = scores.metrics.get(task.metric)
    scored = replace(result, score=score, metrics=metrics, outcomes=scores.outcomes)
    return Judged(scored, texts, scores)


def keep(judged: Judged, spec: TrialSpec, workspace: Workspace) -> dict[str, str]:
    """Write the generated texts and what the score is the mean of, one a line, beside the weights; return
    the files by kind, relative to the workspace."""
    kept = {"adapter": Path(spec.adapter_file)}
    if judged.texts:
        kept["predictions"] = workspace.predictions_file(spec.sweep, spec.number)
        write_lines(kept["predictions"], judged.texts, "the predictions")
    if judged.result.outcomes:
        kept["outcomes"] = workspace.outcomes_file(spec.sweep, spec.number)
        write_lines(kept["outcomes"], map(_written, judged.result.outcomes), "the outcomes")
    return {kind: str(path.relative_to(workspace.root)) for kind, path in kept.items()}


def _written(outcome: float) -> str:
    return str(int(outcome)) if outcome.is_integer() else repr(outcome)


def score_texts(
    generated: Sequence[Sequence[int]], task: Task, examples: Sequence[Example], tokenizer: Any
) -> tuple[tuple[str, ...], Scores]:
    """Return the texts of these tokens, each on one line, and what they are worth as answers."""
    texts = tokenizer.batch_decode([list(tokens) for tokens in generated], skip_special_tokens=True)
    answers = tuple(map(task.answer, texts))
    return answers, task.score(examples, answers)
