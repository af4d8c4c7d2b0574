"""Metrics of generated text against references, each by its field's own tool (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from methods.errors import FrontuneError, unknown_name
from sweeps.metrics.by_sacrebleu import bleu, chrf, ter, tokens_13a
from sweeps.metrics.captions import cider, ptb_tokens, rouge_l
from sweeps.metrics.corpus import Corpus
from sweeps.metrics.jars import MetricMissing, one_line
from sweeps.metrics.meteor import meteor
from sweeps.metrics.nist import nist
from sweeps.metrics.scores import Scores
from sweeps.metrics.webnlg_tokens import webnlg_tokens

Tokenize = Literal["none", "13a", "webnlg"]


@dataclass(frozen=True)
class Convention:
    """How texts are prepared; the defaults are for text that is tokenised already.

    ``none`` splits at white space; ``13a`` as mteval-v13a does, for BLEU, NIST, ROUGE-L and CIDEr; ``webnlg``
    as the WebNLG Challenge 2017 did, for all metrics. `ptb` gives METEOR, ROUGE-L and CIDEr the tokens of
    Stanford's PTB tokenizer instead, without punctuation. METEOR and TER ignore case in any case.
    """

    lowercase: bool = True
    tokenize: Tokenize = "none"
    ptb: bool = False

    def __post_init__(self) -> None:
        if self.tokenize not in get_args(Tokenize):
            raise FrontuneError(unknown_name("tokenization", self.tokenize, get_args(Tokenize)))


E2E = Convention(tokenize="13a", ptb=True)
"""As e2e-metrics, the scripts of the E2E NLG Challenge."""


def check_metrics(names: Sequence[str]) -> None:
    """Refuse a metric that is unknown, with the known ones."""
    for name in names:
        if name not in _SCORERS:
            raise FrontuneError(unknown_name("metric", name, _SCORERS))


def text_scores(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str],
    convention: Convention,
) -> Scores:
    """Score one prediction a row; an empty reference is one that is missing, and rows differ in how many.

    A metric whose tool is not there is in `missing` with the reason; the others are computed all the same.
    Raises FrontuneError if a metric is unknown, there are no rows, or a row has no reference.
    """
    check_metrics(metrics)
    prepared = _Prepared(Corpus.of(predictions, references), convention)
    found: dict[str, float] = {}
    missing: dict[str, str] = {}
    for metric in metrics:
        try:
            found[metric] = _SCORERS[metric](prepared)
        except MetricMissing as reason:
            missing[metric] = str(reason)
    return Scores(found, missing)


class _Prepared:
    """One corpus in the forms that metrics take it in, each made once."""

    def __init__(self, corpus: Corpus, convention: Convention) -> None:
        self._convention = convention
        text = corpus.map(str.lower) if convention.lowercase else corpus
        self.text = text.map(webnlg_tokens) if convention.tokenize == "webnlg" else text

    @cached_property
    def words(self) -> Corpus:
        """Tokens, parted by single spaces."""
        return tokens_13a(self.text) if self._convention.tokenize == "13a" else self.text.map(one_line)

    @cached_property
    def ptb(self) -> Corpus:
        return ptb_tokens(self.text, self._convention.lowercase)

    @property
    def caption_words(self) -> Corpus:
        return self.ptb if self._convention.ptb else self.words

    @property
    def meteor_text(self) -> Corpus:
        return self.ptb if self._convention.ptb else self.text


_SCORERS: dict[str, Callable[[_Prepared], float]] = {
    "bleu": lambda prepared: bleu(prepared.words),
    "chrf": lambda prepared: chrf(prepared.text),
    "cider": lambda prepared: cider(prepared.caption_words),
    "meteor": lambda prepared: meteor(prepared.meteor_text),
    "nist": lambda prepared: nist(prepared.words),
    "rouge_l": lambda prepared: rouge_l(prepared.caption_words),
    "ter": lambda prepared: ter(prepared.text),
}
TEXT_METRICS = tuple(_SCORERS)
"""Every known metric of text."""
