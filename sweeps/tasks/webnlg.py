"""WebNLG (Gardent et al. 2017): RDF triples -> English text, of categories seen in training and unseen."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr as short
from typing import Any, ClassVar

from methods.errors import FrontuneError
from sweeps.metrics.scores import Scores
from sweeps.metrics.text import Convention, text_scores
from sweeps.tasks.base import Example, Split, Task
from sweeps.tasks.reading import answered, check_columns, has_split, read_source, text_of, texts_of
from sweeps.training.decoding import Decoding

HUB = "hf://datasets/webnlg-challenge/web_nlg@refs/convert/parquet/webnlg_challenge_2017/{split}/*.parquet"
HUB_COLUMNS = {"modified_triple_sets", "lex", "category"}
HUB_TEST = "testdata_with_lex"
"""The hub's test split holds its rows also without references, and the unseen categories once more."""
SEEN = frozenset(
    "Airport Astronaut Building City ComicsCharacter Food Monument SportsTeam University WrittenWork".split()
)
"""The categories of the 2017 release's training split."""
METRICS = ("bleu", "meteor", "ter")
CONVENTION = Convention(tokenize="webnlg")
"""The rows' texts are not tokenised, while the challenge, and LoRA after it, scored tokenised ones."""


class WebNLG(Task):
    """The challenge's 2017 release, on which LoRA and prefix tuning report; one row a set of triples."""

    name: ClassVar[str] = "webnlg"
    metric = "bleu"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    summary: ClassVar[str] = "triples -> text; BLEU, also METEOR and TER, for seen and unseen categories"
    train_rows: ClassVar[int] = 18_102
    row_tokens: ClassVar[int] = 84
    # Underscores and quotes of names stay: the published scores were got with such prompts. Where the
    # scripts of prefix tuning and LoRA put an end token after the triples, words do here, so that the last
    # name and the first word of the text are told apart with every tokenizer.
    prompt = "{triples}\ntext:"
    decoding = Decoding(beams=10, length_penalty=0.8, no_repeat_ngram=4, max_new_tokens=100)

    def examples(self, split: Split) -> list[Example]:
        name = "dev" if split == "validation" and self._has_dev() else split
        rows, where = read_source(self.data, HUB, name)
        columns = HUB_COLUMNS if "modified_triple_sets" in rows[0] else {"input", "references"}
        check_columns(rows, where, columns)
        examples: list[Example] = []
        for number, row in enumerate(rows):
            if row.get("test_category") in ("", None, HUB_TEST):
                examples += self._of_row(row, f"task {self.name}: {where}, row {number + 1}", split)
        if not examples:
            raise FrontuneError(f"task {self.name}: {where} has no rows with references")
        return examples

    def _has_dev(self) -> bool:
        """Whether the validation split is called as the hub and the challenge do."""
        return not self.data or (has_split(self.data, "dev") and not has_split(self.data, "validation"))

    def _of_row(self, row: dict[str, Any], where: str, split: Split) -> list[Example]:
        if "modified_triple_sets" in row:
            row = _from_hub_layout(row, where)
        triples = " | ".join(_triple(text, where) for text in texts_of(row, "input", where))
        group = "seen" if _is_seen(row, where) else "unseen"
        references = texts_of(row, "references", where)
        return answered(split, self.prompt.format(triples=triples), references, group)

    def score(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        """BLEU, METEOR and TER of all rows, and again for the parts unseen, seen and all (U, S, A)."""
        metrics: dict[str, float] = {}
        missing: dict[str, str] = {}
        for part in ("all", "seen", "unseen"):
            chosen = [
                (text, row.references)
                for row, text in zip(examples, texts, strict=True)
                if part in ("all", row.group)
            ]
            if not chosen:
                continue
            predictions, references = zip(*chosen, strict=True)
            scores = text_scores(predictions, references, METRICS, CONVENTION)
            if part == "all":
                metrics |= scores.metrics
                missing |= scores.missing
            metrics |= {f"{metric}/{part}": value for metric, value in scores.metrics.items()}
            missing |= {f"{metric}/{part}": reason for metric, reason in scores.missing.items()}
        return Scores(metrics, missing)


def _triple(text: str, where: str) -> str:
    parts = text.split(" | ")
    if len(parts) != 3:
        raise FrontuneError(f"{where}: input must hold 'subject | property | object', got {text!r}")
    return " : ".join(part.strip() for part in parts)


def _is_seen(row: dict[str, Any], where: str) -> bool:
    seen = row.get("seen")
    if seen is None:
        if "category" not in row:
            raise FrontuneError(f"{where} lacks 'seen' and 'category'; one of them is wanted")
        return text_of(row, "category", where) in SEEN
    if not isinstance(seen, bool):
        raise FrontuneError(f"{where}: seen must be true or false, got {short(seen)}")
    return seen


def _from_hub_layout(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The hub nests: the triples are the first of `modified_triple_sets`, the references are in `lex`."""
    try:
        triples, references = row["modified_triple_sets"]["mtriple_set"][0], row["lex"]["text"]
    except (TypeError, KeyError, IndexError) as error:
        raise FrontuneError(
            f"{where}: wanted triples in modified_triple_sets.mtriple_set and texts in lex.text, "
            f"got {short(row)}"
        ) from error
    return {"input": triples, "references": references, "category": row.get("category")}
