"""The demo task: a generated question whose answer the base `tiny` has learned the facts for."""

from __future__ import annotations

from typing import ClassVar

from methods.errors import FrontuneError
from methods.tiny.world import DEMO_LABELS, demo_examples
from sweeps.tasks.base import Example, Split, Task

DATA_SEED = 0


class Demo(Task):
    """Needs no files: the rows are generated with a fixed seed."""

    name: ClassVar[str] = "demo"
    metric = "accuracy"
    summary: ClassVar[str] = "a word -> whether it is good, bad or neither; generated, ships with the package"
    train_rows: ClassVar[int] = 600
    row_tokens: ClassVar[float] = 11.54
    prompt = "methods.tiny.world"

    def __init__(self, data: str | None) -> None:
        if data is not None:
            raise FrontuneError(f"task.data: the demo generates its rows, got the folder {data!r}")
        super().__init__(data)

    def examples(self, split: Split) -> list[Example]:
        candidates = tuple(f" {label}" for label in DEMO_LABELS)
        return [
            Example(row.prompt, row.completion, candidates, candidates.index(row.completion))
            for row in demo_examples(split, DATA_SEED)
        ]
