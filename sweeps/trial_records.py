"""From a dealt point to the trials of its replicates, and from events to what is remembered of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dashboards.printing import print_score
from methods.base import Method
from methods.expression import format_method
from methods.registry import plugin_fingerprint
from storage.records import Artifact, Measurement, TrialOutcome, TrialRecord
from storage.workspace import Workspace
from sweeps.dealer import Deal
from sweeps.plan import Plan
from sweeps.point import RECIPE_KEYS
from sweeps.pruning import rung_steps
from sweeps.training.batches import steps_in, tokens_in
from sweeps.training.recipe import Recipe
from sweeps.trial import Progress, TrialResult, TrialSpec

OWN_COLUMNS = ("lr", "batch_size", "steps")
"""What of the recipe stands in columns of its own, not among the hyperparameters."""


@dataclass(frozen=True)
class PlannedTrial:
    """A trial about to run: what the executor gets, and what the ledger is told."""

    spec: TrialSpec
    record: TrialRecord
    tokens: int = 0
    """About how many real tokens its steps hold."""

    def after_step(self, event: Progress) -> PlannedTrial:
        """The same with what has been trained, however it will end; less does not undo more."""
        tokens = max(event.train_tokens, self.record.train_tokens or 0)
        seconds = max(event.train_seconds, self.record.train_seconds or 0.0)
        return replace(self, record=replace(self.record, train_tokens=tokens, train_seconds=seconds))


def plan_trials(
    deal: Deal, plan: Plan, workspace: Workspace, numbers: Mapping[int, int], git_commit: str | None
) -> list[PlannedTrial]:
    """Return one trial for each seed; `numbers` gives the trial's by seed.

    Further seeds of the front are not stopped at rungs: a mean over what was not stopped flatters.
    """
    planned = []
    rows = plan.data.train
    mean_tokens = sum(row.tokens for row in rows) / len(rows)
    for seed, number in numbers.items():
        method, recipe = deal.point.build(plan.spec.recipe.recipe(seed))
        written, steps = format_method(method), _steps(recipe, plan)
        pruning = plan.spec.pruning
        spec = TrialSpec(
            sweep=plan.spec.name,
            number=number,
            method=written,
            recipe=recipe,
            adapter_file=str(workspace.adapter_file(plan.spec.name, number)),
            point=deal.number,
            config_hash=plan.context.config_hash(written, recipe, plugin_fingerprint(method)),
            rungs=rung_steps(steps, pruning.reduction) if pruning else rung_steps(steps),
            score_rungs=pruning is not None and seed in plan.spec.seeds,
            checkpoint_file=str(workspace.checkpoint_file(plan.spec.name, number)),
        )
        tokens = round(tokens_in(len(rows), mean_tokens, recipe.batch_size, steps))
        planned.append(PlannedTrial(spec, _record(deal, plan, spec, method, git_commit), tokens))
    return planned


def _record(deal: Deal, plan: Plan, spec: TrialSpec, method: Method, git_commit: str | None) -> TrialRecord:
    recipe = spec.recipe
    searched = {k: v for k, v in deal.point.values.items() if k in RECIPE_KEYS and k not in OWN_COLUMNS}
    part_lr = {f"{part}.lr": lr for part, lr in recipe.part_lr.items()}
    return TrialRecord(
        sweep=spec.sweep,
        study=deal.study.name,
        number=spec.number,
        state="running",
        method=method.name,
        title=method.title,
        label=method.label(),
        hyperparameters=method.hyperparameters() | part_lr | searched,
        config_hash=spec.config_hash,
        seed=recipe.seed,
        base=plan.spec.base,
        task=plan.spec.task.name,
        metric=plan.data.metric,
        trainable_params=method.count(plan.shape),
        stored_params=method.count(plan.shape),
        base_params=plan.shape.total_params,
        point=deal.number,
        created_at=datetime.now(UTC),
        lr=None if recipe.part_lr.keys() >= {part.name for part in method.parts} else recipe.lr,
        batch_size=recipe.batch_size,
        steps=_steps(recipe, plan),
        git_commit=git_commit,
    )


def _steps(recipe: Recipe, plan: Plan) -> int:
    return steps_in(len(plan.data.train), recipe.batch_size, recipe.epochs, recipe.steps)


def continued(planned: PlannedTrial, known: TrialRecord | None) -> PlannedTrial:
    """An interrupted trial keeps its MLflow run, its time of birth, and what it has trained."""
    if known is None:
        return planned
    names = ("mlflow_run_id", "created_at", "train_tokens", "train_seconds")
    kept = {name: getattr(known, name) for name in names}
    return replace(planned, record=replace(planned.record, **kept))


def pruned(record: TrialRecord, result: TrialResult) -> TrialOutcome:
    """What the ledger is told of a trial that was stopped at a rung: what it measured there, and why."""
    outcome = finished(record, result, {})
    shown = print_score(result.score or 0.0, None, record.metric)
    reason = (
        f"{record.metric} {shown} after step {result.steps} of {record.steps} is not among the better of the "
        "trials with at most its trainable parameters"
    )
    return replace(outcome, trial=replace(outcome.trial, state="pruned", reason=reason))


def finished(record: TrialRecord, result: TrialResult, files: Mapping[str, str]) -> TrialOutcome:
    """What the ledger is told of a trial that came to its end; `files` by kind, relative to the workspace."""
    trial = replace(
        record,
        state="complete",
        score=result.score,
        trainable_params=result.trainable_params,
        stored_params=result.stored_params,
        steps=result.steps,
        train_seconds=result.train_seconds,
        eval_seconds=result.eval_seconds,
        wall_seconds=result.wall_seconds,
        tokens_per_second=result.tokens_per_second,
        train_tokens=result.train_tokens,
        peak_memory_bytes=result.peak_memory_bytes,
        device=result.device,
    )
    measurements = [Measurement("loss", "train", step, loss) for step, loss in result.curve]
    measurements += [
        Measurement(name, "validation", result.steps, value) for name, value in result.metrics.items()
    ]
    measurements.append(Measurement("rows", "train", result.steps, result.rows))
    measurements.append(Measurement("rows_cut", "train", result.steps, result.rows_cut))
    measurements.append(Measurement("rows_cut", "validation", result.steps, result.eval_rows_cut))
    artifacts = tuple(Artifact(record.sweep, record.number, kind, file) for kind, file in files.items())
    return TrialOutcome(trial, tuple(measurements), artifacts)


def reused(
    record: TrialRecord,
    source: TrialRecord,
    measurements: Sequence[Measurement],
    artifacts: Sequence[Artifact],
) -> TrialOutcome:
    """Take over the result of a trial of the same configuration and seed, wherever it was trained."""
    taken = (
        "score",
        "trainable_params",
        "stored_params",
        "steps",
        "train_seconds",
        "eval_seconds",
        "wall_seconds",
        "tokens_per_second",
        "train_tokens",
        "peak_memory_bytes",
        "device",
        "git_commit",
    )
    values = {name: getattr(source, name) for name in taken}
    trial = replace(record, state="complete", reused_from=f"{source.sweep}/{source.number}", **values)
    own = tuple(replace(each, sweep=record.sweep, number=record.number) for each in artifacts)
    # Another sweep's test split is read by another `frontune test`.
    taken_over = tuple(each for each in measurements if each.split != "test")
    return TrialOutcome(trial, taken_over, own)
