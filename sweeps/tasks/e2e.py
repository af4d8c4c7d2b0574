"""E2E NLG Challenge (Novikova et al. 2017): what is known of a restaurant -> a sentence that says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from methods.errors import FrontuneError
from sweeps.metrics.scores import Scores
from sweeps.metrics.text import E2E as CONVENTION
from sweeps.metrics.text import text_scores
from sweeps.tasks.base import Example, Split, Task
from sweeps.tasks.reading import answered, check_columns, full_texts, read_source, text_of, texts_of
from sweeps.training.decoding import Decoding

HUB = "hf://datasets/tuetschek/e2e_nlg@refs/convert/parquet/default/{split}/*.parquet"
METRICS = ("bleu", "nist", "meteor", "rouge_l", "cider")
FACT = re.compile(r"([^,\[\]]+)\[([^\[\]]*)\](?:, *|$)")
WORDS = {"eatType": "Type", "priceRange": "price", "familyFriendly": "family friendly"}
"""Attributes that prefix tuning's and LoRA's data name otherwise; the rest keep their names."""

Input = tuple[str, tuple[str, ...]]
"""A prompt and its right answers."""


class E2E(Task):
    """Rows of one meaning representation are one input with several references."""

    name: ClassVar[str] = "e2e"
    metric = "bleu"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    summary: ClassVar[str] = "facts about a restaurant -> text; BLEU, also NIST, METEOR, ROUGE-L and CIDEr"
    train_rows: ClassVar[int] = 42_061
    row_tokens: ClassVar[int] = 58
    prompt = "{facts}\ntext:"
    decoding = Decoding(beams=10, length_penalty=0.9, no_repeat_ngram=4, max_new_tokens=80)

    def examples(self, split: Split) -> list[Example]:
        rows, where = read_source(self.data, HUB, split)
        answers = "references" if "references" in rows[0] else "human_reference"
        check_columns(rows, where, {"meaning_representation", answers})
        inputs = [
            self._of_row(row, answers, f"task {self.name}: {where}, row {number + 1}")
            for number, row in enumerate(rows)
        ]
        if split != "train":
            inputs = _together(inputs)
        return [example for prompt, texts in inputs for example in answered(split, prompt, texts)]

    def _of_row(self, row: dict[str, Any], answers: str, where: str) -> Input:
        facts = _facts(text_of(row, "meaning_representation", where), where)
        if answers == "references":
            return self.prompt.format(facts=facts), texts_of(row, answers, where)
        return self.prompt.format(facts=facts), full_texts([row[answers]], answers, where)

    def score(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        return text_scores(texts, [example.references for example in examples], METRICS, CONVENTION)


def _facts(representation: str, where: str) -> str:
    """``name[Alimentum], eatType[pub]`` -> ``name : Alimentum | Type : pub``."""
    facts = FACT.findall(representation)
    if not facts or FACT.sub("", representation):
        raise FrontuneError(
            f"{where}: meaning_representation must be written name[...], area[...], got {representation!r}"
        )
    return " | ".join(f"{WORDS.get(name.strip(), name.strip())} : {value.strip()}" for name, value in facts)


def _together(inputs: list[Input]) -> list[Input]:
    """Each prompt once, where it first stands, with the references of all its rows."""
    together: dict[str, list[str]] = {}
    for prompt, texts in inputs:
        together.setdefault(prompt, []).extend(texts)
    return [(prompt, tuple(texts)) for prompt, texts in together.items()]
