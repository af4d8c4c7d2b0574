"""One's own rows: a prompt template over their columns, a completion column, and how answers are scored."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as short
from string import Formatter
from typing import Any, ClassVar

from methods.errors import FrontuneError, unknown_name
from sweeps.metrics.scores import Scores
from sweeps.metrics.text import TEXT_METRICS, Convention, text_scores
from sweeps.tasks.base import Example, Split, Task
from sweeps.tasks.reading import Rows, answered, check_columns, clean_text, full_texts, read_source
from sweeps.training.decoding import Decoding

# Not `ter`, of which less is better: a sweep seeks the highest score.
SCORES = ("exact_match", "likelihood", *(metric for metric in TEXT_METRICS if metric != "ter"))
AS_PUBLISHED = Convention(lowercase=False, tokenize="13a")
"""Texts are compared as sacrebleu does by default: cased, in tokens of mteval-v13a."""
MOST_CANDIDATES = 100
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?|hf://.+")
Fields = list[tuple[str, str | None]]
"""A template's literal texts, each with the column that follows it."""
Input = tuple[str, tuple[str, ...], str]
"""A prompt, its right answers, and where they stand."""


class OwnData(Task):
    """A folder with SPLIT.jsonl, .csv or .parquet (also .gz), or a hub data set's id.

    A completion column that holds lists gives several right answers. Under `likelihood` the candidates are
    the different completions of the training split, in sorted order.
    """

    name: ClassVar[str] = "own_data"
    metric = "exact_match"
    summary: ClassVar[str] = "columns of your own files -> text; exact match, likelihood or a metric of text"
    prompt = "task.prompt"
    decoding: Decoding | None = Decoding(max_new_tokens=64)

    def __init__(
        self,
        data: str | None,
        prompt: str | None = None,
        completion: str | None = None,
        score: str = "exact_match",
    ) -> None:
        super().__init__(_given("data", data, "a folder or a hub data set's id"))
        self.prompt = _given("prompt", prompt, "a template such as 'Q: {question}\\nA:'")
        self.completion = _given("completion", completion, "the column that holds the answer")
        self._fields = _fields(self.prompt)
        if score not in SCORES:
            raise FrontuneError(f"task.score: {unknown_name('score', score, SCORES)}")
        self.metric = score
        if score == "likelihood":
            self.metric, self.decoding = "accuracy", None

    def examples(self, split: Split) -> list[Example]:
        inputs = self._inputs(split)
        if self.decoding:
            return [example for prompt, texts, _ in inputs for example in answered(split, prompt, texts)]
        candidates = _candidates(inputs if split == "train" else self._inputs("train"))
        return [_to_compare(each, candidates) for each in inputs]

    def score(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        if self.metric != "exact_match":
            return text_scores(texts, [row.references for row in examples], [self.metric], AS_PUBLISHED)
        hits = [
            _words(text) in [_words(reference) for reference in row.references]
            for row, text in zip(examples, texts, strict=True)
        ]
        outcomes = tuple(map(float, hits))
        return Scores({"exact_match": sum(hits) / len(hits)} if hits else {}, outcomes=outcomes)

    def _inputs(self, split: Split) -> list[Input]:
        rows, where = self._source(split)
        columns = {column: "prompt" for _, column in self._fields if column} | {self.completion: "completion"}
        for column, key in columns.items():
            if column not in rows[0]:
                unknown = unknown_name("column", column, map(str, rows[0]))
                raise FrontuneError(f"task.{key}: {where}: {unknown}")
        check_columns(rows, where, set(columns))
        return [
            self._input(row, f"task {self.name}: {where}, row {number + 1}")
            for number, row in enumerate(rows)
        ]

    def _source(self, split: Split) -> tuple[Rows, str]:
        """A folder where there is one; what can be no hub data set's id is a folder that is absent."""
        assert self.data is not None
        if Path(self.data).expanduser().is_file():
            raise FrontuneError(
                f"task.data: '{self.data}' is a file; wanted a folder with train.csv and validation.csv "
                "(or .jsonl, .parquet), or a hub data set's id"
            )
        if Path(self.data).expanduser().is_dir() or not HUB_ID.fullmatch(self.data):
            return read_source(self.data, "", split)
        try:
            return read_source(None, self.data, split)
        except FrontuneError as error:
            raise FrontuneError(f"task.data: '{self.data}' is no folder, and {error}") from error

    def _input(self, row: dict[str, Any], where: str) -> Input:
        prompt = "".join(
            literal + (clean_text(_as_text(row[column]), column, where) if column else "")
            for literal, column in self._fields
        ).rstrip()
        if not prompt:
            raise FrontuneError(f"{where}: the prompt is empty; task.prompt is {self.prompt!r}")
        cell = row[self.completion]
        cells = cell if isinstance(cell, list) else [cell]
        return prompt, full_texts([_as_text(each) for each in cells], self.completion, where), where


def _given(key: str, value: str | None, wanted: str) -> str:
    if value is None or not value.strip():
        raise FrontuneError(f"task.{key}: own_data needs {wanted}, got {value!r}")
    return value


def _fields(template: str) -> Fields:
    """Take a template apart; what str.format would look up or do beyond a column's name is refused."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise FrontuneError(
            f"task.prompt: {error}, in {template!r}; a brace is written {{{{ or }}}}"
        ) from error
    for _, column, spec, conversion in parsed:
        if column is not None and (spec or conversion or not column or set(column) & set(".[")):
            raise FrontuneError(
                f"task.prompt: wanted {{column}} with nothing but a column's name, got {column!r} "
                f"in {template!r}"
            )
    if all(column is None for _, column, *_ in parsed):
        raise FrontuneError(f"task.prompt: wanted at least one {{column}}, got {template!r}")
    return [(literal, column) for literal, column, *_ in parsed]


def _as_text(cell: Any) -> Any:
    """A number or truth value as JSON writes it; anything else as it is."""
    if isinstance(cell, bool | int | float) and math.isfinite(cell):
        return json.dumps(cell)
    return cell


def _candidates(training: list[Input]) -> tuple[str, ...]:
    found: set[str] = set()
    for _, texts, where in training:
        if len(texts) > 1:
            raise FrontuneError(f"{where}: likelihood wants one completion, got {short(list(texts))}")
        found.update(texts)
    if not 2 <= len(found) <= MOST_CANDIDATES:
        raise FrontuneError(
            f"task.score: likelihood compares 2 to {MOST_CANDIDATES} different completions, "
            f"but the training split has {len(found)}"
        )
    return tuple(sorted(found))


def _to_compare(asked: Input, candidates: tuple[str, ...]) -> Example:
    prompt, texts, where = asked
    if len(texts) > 1 or texts[0] not in candidates:
        known = ", ".join(map(repr, candidates))
        raise FrontuneError(f"{where}: {short(list(texts))} is no completion of the training split: {known}")
    answer = candidates.index(texts[0])
    return Example(prompt, f" {texts[0]}", tuple(f" {text}" for text in candidates), answer)


def _words(text: str) -> list[str]:
    return text.split()
