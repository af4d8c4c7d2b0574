"""Blocks of the sweep file: which task on which rows, how text is generated, and the recipe."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from methods.errors import FrontuneError
from sweeps.space import LARGEST
from sweeps.tasks import make_task
from sweeps.tasks.base import Task
from sweeps.training.decoding import Decoding
from sweeps.training.recipe import Recipe, Schedule


class Strict(BaseModel):
    """No unknown keys, no texts where numbers are wanted, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _fits(cls, value: Any) -> Any:
        numbers = value if isinstance(value, list) else [value]
        if any(type(n) is int and abs(n) >= LARGEST for n in numbers):
            raise ValueError("wanted whole numbers of at most 63 bits")
        return value


def _path(text: str) -> str:
    """A path that can be one; it need not exist."""
    try:
        Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{str(error).rstrip('.')}") from error
    if not text.strip() or "\0" in text:
        raise ValueError("wanted a path or a name")
    return text


PathText = Annotated[str, AfterValidator(_path)]


def _seconds(value: Any) -> Any:
    """A time such as ``90m`` in seconds; numbers are seconds already."""
    if not isinstance(value, str):
        return float(value) if type(value) is int else value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)", value.strip())
    if not found:
        raise ValueError("wanted seconds, or a time such as 90s, 30m, 8h or 2d")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str), Field(gt=0)]


def _bytes(value: Any) -> Any:
    """An amount such as ``8GB`` in bytes; whole numbers are bytes already."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|TB|KiB|MiB|GiB|TiB)", value.strip())
    if not found:
        raise ValueError("wanted bytes, or an amount such as 500MB, 8GB or 8GiB")
    step = 1024 if "i" in found[2] else 1000
    return round(float(found[1]) * step ** ("kmgt".index(found[2][0].lower()) + 1))


Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=int | str), Field(ge=1)]


def _count(value: Any) -> Any:
    """A number of parameters such as ``350k`` or ``1.2M`` as a whole number."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)", value.strip())
    if not found:
        raise ValueError("wanted a whole number, or a text such as 350k or 1.2M")
    return round(Decimal(found[1]) * {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}[found[2].lower()])


ParamCount = Annotated[
    int, BeforeValidator(_count), Field(ge=1), WithJsonSchema({"type": ["integer", "string"]})
]


class PruningSettings(Strict):
    """Successive halving on the front."""

    reduction: int = Field(
        default=3, ge=2, le=100, description="The better one in so many goes on at each rung."
    )


class DecodingSettings(Strict):
    """How text is generated, as far as it is not as the task says."""

    beams: int | None = Field(default=None, ge=1, le=100, description="1 is greedy decoding.")
    length_penalty: float | None = Field(
        default=None, description="Exponent of the length that beams' likelihoods are divided by."
    )
    no_repeat_ngram: int | None = Field(
        default=None, ge=0, le=100, description="No n-gram of generated tokens comes twice; 0 is off."
    )
    max_new_tokens: int | None = Field(
        default=None, ge=1, le=100_000, description="Most tokens of a generated text."
    )


class TaskSettings(Strict):
    """Which benchmark, on which rows."""

    name: str = Field(description="A task's name; `frontune tasks` lists them.")
    data: PathText | None = Field(
        default=None, description="A folder with the task's files; without it the hub is read."
    )
    train_examples: int | None = Field(
        default=None, ge=1, description="Train on a seeded sample of this many rows."
    )
    eval_examples: int | None = Field(
        default=None, ge=1, description="Score on a seeded sample of this many rows."
    )
    sample_seed: int = Field(default=0, ge=0, description="Seed of both samples; not the trials' seed.")
    prompt: str | None = Field(default=None, description="Template over the columns of one's own data.")
    completion: str | None = Field(default=None, description="Column of one's own data that is the answer.")
    score: str | None = Field(default=None, description="How answers to one's own data are scored.")
    decoding: DecodingSettings | None = Field(
        default=None, description="How text is generated; what is not given is the task's own."
    )

    def task(self) -> Task:
        """The task itself; raises FrontuneError where it does not know a key."""
        own = {"prompt": self.prompt, "completion": self.completion, "score": self.score}
        return make_task(self.name, self.data, **{key: v for key, v in own.items() if v is not None})

    def decoding_of(self, task: Task) -> Decoding | None:
        """How text is generated for the task; None where likelihoods are compared."""
        if self.decoding is None:
            return task.decoding
        if task.decoding is None:
            raise FrontuneError(
                f"task.decoding: the task {task.name} compares likelihoods, no text is generated"
            )
        return replace(task.decoding, **self.decoding.model_dump(exclude_none=True))


class RecipeSettings(Strict):
    """All that is not the method, for every method of the sweep."""

    lr: float = Field(default=2e-4, gt=0, description="Learning rate of AdamW; methods may set their own.")
    schedule: Schedule = Field(default="linear", description="Course of the learning rate after the warm-up.")
    warmup_tokens: int = Field(
        default=0, ge=0, description="Warm-up in real tokens of prompt and completion."
    )
    warmup_steps: int = Field(default=0, ge=0, description="Warm-up in optimiser steps, instead of tokens.")
    epochs: float = Field(default=1.0, gt=0, description="Length of a run where `steps` is not given.")
    steps: int | None = Field(default=None, ge=1, description="Length of a run in optimiser steps.")
    batch_size: int = Field(default=8, ge=1, description="Rows of one optimiser step.")
    micro_batch: int | None = Field(default=None, ge=1, description="Most rows of one pass; saves memory.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="AdamW's, on matrices; vectors are not decayed."
    )
    grad_clip: float = Field(default=1.0, ge=0, description="Largest norm of a trial's gradient; 0 is off.")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Of the training loss.")
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Of the frozen base's weights."
    )

    @model_validator(mode="after")
    def _is_a_recipe(self) -> RecipeSettings:
        self.recipe(seed=0)
        return self

    def recipe(self, seed: int) -> Recipe:
        """The recipe of a trial with this seed, before its method changes it."""
        return Recipe(**self.model_dump(exclude={"dtype"}), seed=seed)
