"""The sweep file: a base, a task, the methods with their search spaces, and a budget; read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from methods.errors import FrontuneError
from methods.expression import parse_parts
from sweeps.block import read_space
from sweeps.point import Point, check_all_count, point_of
from sweeps.settings import (
    Bytes,
    DecodingSettings,
    ParamCount,
    PathText,
    PruningSettings,
    RecipeSettings,
    Seconds,
    TaskSettings,
)
from sweeps.space import Space
from sweeps.spec_problem import first_problem
from sweeps.variants import variants_of
from sweeps.where import WhereItRuns
from sweeps.yaml_file import parse_yaml, read_yaml

OF_THE_FILE = ("name=", "task=", "task.train_examples=", "variants.", "variants=")
"""Overrides that say which sweeps a file makes, and are not set in each of them again."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SweepSpec(WhereItRuns):
    """A sweep file, defaults filled in."""

    name: str = Field(description="The sweep's name; by default that of the file.")
    part_of: str | None = Field(
        default=None, description="Set by a file that makes several sweeps: its name."
    )
    base: PathText = Field(description="`tiny`, another known name, a local folder, or a hub id.")
    trust_remote_code: bool = Field(default=False, description="Run Python code that comes with the base.")
    task: TaskSettings = Field(description="A task's name, or its settings.")
    methods: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="The search space of each method; sums are written a+b."
    )
    points: list[str] = Field(
        default_factory=list, description="Explicit configurations such as 'lora(r_q=8, r_v=8, lr=1e-3)'."
    )
    recipe: RecipeSettings = Field(
        default_factory=lambda: RecipeSettings.model_validate({}), description="All that is not the method."
    )
    sampler: Literal["random", "grid", "tpe", "nsga2", "gp", "points"] = Field(
        default="random", description="Within each method; `points` trains the explicit points alone."
    )
    balance: Literal["equal", "adaptive"] = Field(
        default="equal", description="How trials are dealt to methods."
    )
    trials: int | None = Field(
        default=None, ge=1, description="Trials in all; a point takes one for each seed."
    )
    seeds: list[int] = Field(
        default_factory=lambda: [0], min_length=1, description="Each trains every point."
    )
    replicate_front: int | None = Field(
        default=None,
        description="Seeds that the front's configurations are trained with, once the search is over.",
    )
    sampler_seed: int = Field(default=0, ge=0, description="Seed of the search itself.")
    pruning: PruningSettings | None = Field(
        default=None, description="Stop trials at rungs where those of at most their size score better."
    )
    wall_clock: Seconds | None = Field(
        default=None, description="Time of one run, such as 8h or 90m; then it stops with its front."
    )
    train_tokens: int | None = Field(
        default=None, ge=1, description="Real tokens that the sweep may train on in all."
    )
    max_retries: int = Field(
        default=1, ge=0, description="How often a trial is tried again after an error that may be chance."
    )
    max_failures: int | None = Field(
        default=10, ge=1, description="Failed trials (after retries) that stop a run; null is no limit."
    )
    match_params: ParamCount | None = Field(
        default=None, description="Solve each method's size for this count, such as 350k; compare there."
    )
    max_trainable_params: int | None = Field(default=None, ge=1, description="Points with more are refused.")
    max_memory: Bytes | None = Field(
        default=None, description="Points whose tensors are estimated to take more, such as 8GB, are refused."
    )
    workspace: PathText = Field(
        "runs", description="Folder of the ledger, MLflow's store and what was trained."
    )

    @field_validator("name")
    @classmethod
    def _name_is_a_name(cls, name: str) -> str:
        if not NAME.fullmatch(name) or ".." in name:
            raise ValueError("wanted letters, digits, '.', '_' and '-', at most 100, no path")
        return name

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, task: Any) -> Any:
        return {"name": task} if isinstance(task, str) else task

    @field_validator("methods", mode="before")
    @classmethod
    def _empty_block(cls, methods: Any) -> Any:
        if isinstance(methods, Mapping):
            return {name: {} if block is None else block for name, block in methods.items()}
        return methods

    @model_validator(mode="after")
    def _something_to_do(self) -> SweepSpec:
        if not self.methods and not self.points:
            raise ValueError("give 'methods', 'points' or both")
        if self.sampler == "points" and not self.points:
            raise ValueError("the sampler 'points' trains explicit points alone: give 'points'")
        if self.methods and self.sampler not in ("grid", "points") and self.trials is None:
            raise ValueError("give 'trials': how many trials in all")
        if self.trials is not None and self.trials < len(self.seeds):
            raise ValueError(f"'trials' is {self.trials}, but one point takes {len(self.seeds)}, one a seed")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("'seeds' must be different whole numbers from 0")
        if self.replicate_front is not None and self.replicate_front <= len(self.seeds):
            raise ValueError(
                f"'replicate_front' is {self.replicate_front}, but every point has {len(self.seeds)} of "
                "'seeds': wanted more"
            )
        return self

    def spaces(self) -> dict[str, Space]:
        """The search space of each method; raises FrontuneError naming the key that is wrong."""
        matched = self.match_params is not None
        return {name: read_space(name, block, solved=matched) for name, block in self.methods.items()}

    def explicit_points(self) -> list[Point]:
        """The configurations under `points`, in order."""
        return [_written_point(f"points[{i}]", text) for i, text in enumerate(self.points)]


KNOWN_KEYS = {
    "": [*SweepSpec.model_fields, "variants"],
    "task": list(TaskSettings.model_fields),
    "task.decoding": list(DecodingSettings.model_fields),
    "recipe": list(RecipeSettings.model_fields),
    "pruning": list(PruningSettings.model_fields),
}


def _written_point(where: str, text: str) -> Point:
    try:
        return point_of(parse_parts(text))
    except FrontuneError as error:
        raise FrontuneError(f"{where}: {error}") from error


def load_specs(path: Path, overrides: tuple[str, ...] = ()) -> list[SweepSpec]:
    """Read a sweep file and apply ``key=value`` overrides; `name` is the file's unless it says otherwise.

    One file may hold several sweeps (`sweeps.variants`); an override counts for all of them.
    Raises FrontuneError in one sentence that names the file and the key.
    """
    where, content = f"sweep file '{path}'", {"name": path.stem} | read_yaml(path)
    if isinstance(content.get("variants"), dict):
        # YAML takes a name such as 100 for a number.
        content["variants"] = {str(name): changes for name, changes in content["variants"].items()}
    asked = {override.partition("=")[0] for override in overrides}
    for override in overrides:
        _override(content, override, f"{where}: --set {override!r}")
    contents = variants_of(content, where, sizes_are_chosen="task.train_examples" in asked)
    for variant in contents:
        for override in overrides:
            if not override.startswith(OF_THE_FILE):
                _override(variant, override, f"{where}: --set {override!r}")
    return [check_spec(variant, where) for variant in contents]


def check_spec(content: Mapping[str, Any], where: str) -> SweepSpec:
    """Return the sweep that plain values describe, its spaces and points read, or say what is wrong."""
    try:
        spec = SweepSpec.model_validate(dict(content))
        spec.task.decoding_of(spec.task.task())
        _check_that_all_can_be(spec)
    except ValidationError as error:
        raise FrontuneError(f"{where}: {first_problem(error, KNOWN_KEYS)}") from error
    except FrontuneError as error:
        raise FrontuneError(f"{where}: {error}") from error
    return spec


def _check_that_all_can_be(spec: SweepSpec) -> None:
    """Refuse a space of which no probe, and a point that, could be trained on any base; and what counts
    nowhere."""
    recipe = spec.recipe.recipe(seed=0)
    for name, space in spec.spaces().items():
        check_all_count(name, space.dimensions, recipe, f"methods.{name}")
        problem = None
        for values in space.probes():
            try:
                Point(name, values).build(recipe)
                break
            except FrontuneError as error:
                problem = problem or error
        else:
            raise FrontuneError(f"methods.{name}: nothing in its search space can be trained: {problem}")
    for number, point in enumerate(spec.explicit_points()):
        check_all_count(point.method, point.values, recipe, f"points[{number}]")
        try:
            point.build(recipe)
        except FrontuneError as error:
            raise FrontuneError(f"points[{number}]: {error}") from error


def _override(content: dict[str, Any], override: str, where: str) -> None:
    key, equals, text = override.partition("=")
    *path, last = key.split(".")
    if not equals or not all((*path, last)):
        raise FrontuneError(f"{where}: wanted key=value, such as recipe.steps=100")
    at: Any = content
    for number, step in enumerate(path):
        if step == "task" and isinstance(at.get(step), str):
            at[step] = {"name": at[step]}
        at[step] = {} if at.get(step) is None else at[step]
        at = at[step]
        if not isinstance(at, dict):
            raise FrontuneError(f"{where}: {'.'.join(path[: number + 1])} has no keys of its own")
    at[last] = parse_yaml(text, where)
