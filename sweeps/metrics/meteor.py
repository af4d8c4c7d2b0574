"""METEOR 1.5 (Denkowski and Lavie 2014) for English: the authors' Java program, as pycocoevalcap ships it."""

from __future__ import annotations

import math
from functools import lru_cache

from sweeps.metrics.corpus import Corpus
from sweeps.metrics.dialogue import Dialogue, dialogue_with
from sweeps.metrics.jars import one_line, pycocoevalcap_file

JAR = "meteor/meteor-1.5.jar"
OPTIONS = ("-", "-", "-stdio", "-l", "en", "-norm")
MARK = " ||| "
"""Parts the fields of the program's lines."""


def meteor(corpus: Corpus) -> float:
    """Return the corpus's METEOR, `-l en -norm`: the program tokenises and lower-cases, too.

    The program goes on running, and a row's counts are remembered, so that its table of paraphrases is loaded
    once, and a part of rows that were scored costs nothing. Raises MetricMissing if it cannot be run.
    """
    program = dialogue_with(["-jar", str(pycocoevalcap_file(JAR)), *OPTIONS])
    corpus = corpus.map(_unmarked)
    rows = zip(corpus.predictions, corpus.references, strict=True)
    counts = [_counts(program, *row) for row in rows]
    # Its answer is each row's score, and last that of all together.
    *_, score = program.ask(MARK.join(["EVAL", *counts]), len(counts) + 1)
    return _numbers(program, score)[0]


@lru_cache(maxsize=1 << 14)
def _counts(program: Dialogue, prediction: str, references: tuple[str, ...]) -> str:
    """What the program counts of a row, against the reference that scores best: words, matches, chunks."""
    (counts,) = program.ask(MARK.join(["SCORE", *references, prediction]))
    _numbers(program, counts)
    return counts


def _unmarked(text: str) -> str:
    """A text on one line that holds no mark of the program's own."""
    return one_line(text).replace("|||", "| | |")


def _numbers(program: Dialogue, answer: str) -> list[float]:
    try:
        numbers = [float(word) for word in answer.split()]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise program.failure(answer.encode())
    return numbers
