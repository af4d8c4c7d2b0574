"""What a task is: the examples of its splits, and how an answer is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sweeps.metrics.scores import Scores
from sweeps.training.decoding import Decoding

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Example:
    """A prompt and its completion as text; the completion begins with the space that parts the two.

    Where likelihoods are compared, `candidates` are the completions and `answer` is the right one's number.
    Where text is generated, `references` are all right answers, and `gold` is what else the score needs
    (plain JSON values, such as a table). `group` is what scores are also reported by.
    """

    prompt: str
    completion: str
    candidates: tuple[str, ...] = ()
    answer: int = -1
    group: str = ""
    references: tuple[str, ...] = ()
    gold: Any = None


class Task(ABC):
    """A benchmark. A subclass in a file of this folder is known by its `name`; `metric` is its score's.

    With `decoding` a slot generates text, which `score` judges; without, the candidates' likelihoods are
    compared. Further parameters of `__init__` are keys that a sweep file's `task` may set.
    """

    name: ClassVar[str]
    metric: str
    summary: ClassVar[str]
    prompt: str
    """The template of the prompt, for the reader and for the fingerprint."""
    decoding: Decoding | None = None
    metrics: ClassVar[tuple[str, ...]] = ()
    """What `score` gives where the tools are there that it needs; `metric` is one of them."""
    train_rows: ClassVar[int] = 0
    """Examples of the published training split, for estimates; 0 where there is none."""
    row_tokens: ClassVar[float] = 0
    """Mean tokens of such an example, prompt and completion, with SmolLM2's tokenizer, or the task's own."""

    def __init__(self, data: str | None) -> None:
        self.data = data

    @abstractmethod
    def examples(self, split: Split) -> list[Example]:
        """Return a split's examples in their published order.

        Training examples have one completion each, so that an input with several right answers comes
        several times; in the other splits an input comes once, with all its references.
        Raises FrontuneError where the data is absent, lacks a column, or has a label out of range.
        """

    def answer(self, text: str) -> str:
        """Return what of a generated text is the answer, on one line, as it is scored and kept."""
        return " ".join(text.split())

    def objection(self, example: Example, text: str) -> str:
        """Return why a line of a user's file of predictions is refused; empty where it is scored.

        What a slot generates is never refused: it is wrong.
        """
        return ""

    def score(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        """Score one generated text for each example; the headline metric is named `metric`."""
        raise NotImplementedError(f"task {self.name} generates no text")
