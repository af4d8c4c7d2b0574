"""Metrics of text: their definitions by hand, published scores from published outputs, and what fails."""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from methods.errors import FrontuneError
from sweeps.metrics.corpus import Corpus
from sweeps.metrics.nist import nist
from sweeps.metrics.text import E2E, TEXT_METRICS, Convention, text_scores
from sweeps.metrics.webnlg_tokens import webnlg_tokens

needs_java = pytest.mark.skipif(
    shutil.which("java") is None,
    reason="METEOR and the PTB tokenizer are Java programs, and `java` is absent",
)
WITHOUT_JAVA = [metric for metric in TEXT_METRICS if metric != "meteor"]
TOKENISED = Convention()
"""For texts that are tokenised already, as the published ones of the WebNLG Challenge 2017 are."""


def score(metric: str, predictions: list[str], references: Any, convention: Convention = TOKENISED) -> float:
    scores = text_scores(predictions, references, [metric], convention)
    assert not scores.missing
    return scores.metrics[metric]


@pytest.fixture(scope="module")
def real_data() -> Path:
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("FRONTUNE_DATA") or beside)
    if not (folder / "metrics_reference").is_dir():
        pytest.skip(f"published outputs are neither in $FRONTUNE_DATA nor in '{beside}'")
    return folder


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def e2e_outputs(data: Path, system: str) -> tuple[list[str], list[list[str]], dict[str, float]]:
    """A system's outputs, the references, and what was published."""
    references: dict[str, list[str]] = {}
    for line in lines_of(data / "e2e" / "validation.jsonl"):
        row = json.loads(line)
        references.setdefault(row["meaning_representation"], []).append(row["human_reference"])
    assert len(references) == 547
    folder = data / "metrics_reference" / "e2e_dev_outputs"
    published = json.loads((folder / "expected.json").read_text(encoding="utf-8"))[system]
    return lines_of(folder / system), list(references.values()), published


def webnlg_references(data: Path, category: str) -> list[tuple[str, ...]]:
    folder = data / "metrics_reference" / "webnlg_challenge_2017"
    files = [folder / f"gold-{category}-reference{number}.lex" for number in range(3)]
    return list(zip(*map(lines_of, files), strict=True))


SYSTEMS = ["model_d_seed1_epoch16.txt", "model_d_seed12_epoch12.txt", "model_d_seed15_epoch19.txt"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_published_bleu_and_nist_of_e2e_are_reproduced(real_data: Path, system: str) -> None:
    predictions, references, published = e2e_outputs(real_data, system)
    scores = text_scores(predictions, references, ["bleu", "nist"], E2E)
    # To the last digit that was published.
    assert round(scores.metrics["bleu"], 4) == published["bleu"]
    assert round(scores.metrics["nist"], 4) == published["nist"]


@needs_java
@pytest.mark.parametrize(
    "system", [SYSTEMS[0], *(pytest.param(system, marks=pytest.mark.slow) for system in SYSTEMS[1:])]
)
def test_published_meteor_rouge_and_cider_of_e2e_are_reproduced(real_data: Path, system: str) -> None:
    predictions, references, published = e2e_outputs(real_data, system)
    scores = text_scores(predictions, references, ["meteor", "rouge_l", "cider"], E2E)
    assert {metric: round(value, 4) for metric, value in scores.metrics.items()} == {
        metric: published[metric] for metric in ("meteor", "rouge_l", "cider")
    }


@pytest.mark.parametrize("convention", [TOKENISED, Convention(tokenize="webnlg"), Convention(tokenize="13a")])
@pytest.mark.parametrize(("category", "published"), [("Airport", 0.6311), ("Athlete", 0.4196)])
def test_published_bleu_of_webnlg_2017_is_reproduced(
    real_data: Path, category: str, published: float, convention: Convention
) -> None:
    file = real_data / "metrics_reference" / "webnlg_challenge_2017" / f"GKB_Unimelb_{category}.txt"
    found = score("bleu", lines_of(file), webnlg_references(real_data, category), convention)
    assert round(found, 4) == published


@pytest.mark.parametrize("category", ["Airport", "Athlete"])
def test_webnlg_tokens_turn_published_rows_into_the_challenge_s_reference_files(
    real_data: Path, category: str
) -> None:
    columns = [set(column) for column in zip(*webnlg_references(real_data, category), strict=True)]
    rows = map(json.loads, lines_of(real_data / "webnlg" / "test.jsonl"))
    wanted = [row["references"][:3] for row in rows if row["category"] == category]
    assert len(wanted) > 100
    for references in wanted:
        for column, reference in zip(columns, references, strict=False):
            tokens = webnlg_tokens(reference.lower())
            assert tokens in column
            assert webnlg_tokens(tokens) == tokens


def test_bleu_takes_the_closest_reference_length() -> None:
    found = score("bleu", ["a b c d"], [["a b c d e f g h", "a b c d e"]])
    assert found == pytest.approx(math.exp(1 - 5 / 4))


def test_an_empty_reference_is_no_reference() -> None:
    # Counted as a reference of no words, it would be the closest and there would be no penalty.
    assert score("bleu", ["a b c d"], [["a b c d e f g h i", "", " \r"]]) == pytest.approx(
        math.exp(1 - 9 / 4)
    )
    predictions, few = ["a b c d", "x y z z"], [["a b c e"], ["x y z", "y z z"]]
    padded = [["", "a b c e", ""], ["x y z", "", "y z z"]]
    before, after = (text_scores(predictions, rows, WITHOUT_JAVA, TOKENISED) for rows in (few, padded))
    assert before == after


def test_bleu_without_a_common_4_gram_is_zero_and_not_smoothed() -> None:
    assert score("bleu", ["a b c x d"], [["a b c d"]]) == 0
    assert score("bleu", ["a b c"], [["a b c"]]) == 0
    assert score("bleu", ["a b c d"], [["a b c d"]]) == 1


def test_ter_is_the_fewest_edits_over_the_mean_reference_length() -> None:
    assert score("ter", ["a b"], [["a b c", "a x c d e"]]) == pytest.approx(1 / 4)
    # A block that moves is one edit; more edits than words give more than 1.
    assert score("ter", ["d e a b c"], [["a b c d e"]]) == pytest.approx(1 / 5)
    assert score("ter", ["x y z"], [["a"]]) == 3


def test_ter_of_rows_scored_one_by_one_is_sacrebleus_of_the_corpus(real_data: Path) -> None:
    from sacrebleu.metrics.ter import TER

    file = real_data / "metrics_reference" / "webnlg_challenge_2017" / "GKB_Unimelb_Airport.txt"
    predictions, references = lines_of(file)[:40], webnlg_references(real_data, "Airport")[:40]
    streams: list[Any] = [[text or None for text in column] for column in zip(*references, strict=True)]
    wanted = TER().corpus_score(predictions, streams).score / 100
    assert score("ter", predictions, references) == pytest.approx(wanted, rel=1e-12)


def test_rouge_l_is_the_f_score_of_the_longest_common_subsequence() -> None:
    precision, recall = 1, 2 / 3
    wanted = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert score("rouge_l", ["a b"], [["a b c"]]) == pytest.approx(wanted)


def test_nist_counts_an_n_gram_by_what_its_last_word_tells() -> None:
    # Of two different words each tells one bit, the second after the first nothing.
    assert nist(Corpus.of(["a b"], [["a b"]])) == pytest.approx(1.0)
    # a: log2(4 / 2) bits; b after a: log2(2 / 1).
    assert nist(Corpus.of(["a b"], [["a b a c"]])) == pytest.approx(((1 + 2) / 2 + 1) * 0.5 ** brevity(2 / 4))


def brevity(ratio: float) -> float:
    """The exponent of mteval's penalty, which is a half at two thirds of the length."""
    return (math.log(ratio) / math.log(2 / 3)) ** 2


def test_nist_takes_a_half_at_two_thirds_of_the_mean_reference_length() -> None:
    assert nist(Corpus.of(["a b"], [["a b c"]])) == pytest.approx(math.log2(3) / 2)
    # The mean of 1, 2 and 6 words is 3, the nearest length is 2.
    references = [["a", "x y", "a b c d e f"]]
    bits = math.log2(9 / 2) + math.log2(9 / 1)
    assert nist(Corpus.of(["a b"], references)) == pytest.approx((bits / 2 + math.log2(2 / 1)) / 2)


def test_nist_counts_a_word_no_oftener_than_a_reference_has_it() -> None:
    assert nist(Corpus.of(["a a"], [["a b"]])) == pytest.approx(0.5)
    assert nist(Corpus.of(["a a"], [["a b", "a c"]])) == pytest.approx(0.5)


def test_case_and_tokens_follow_the_convention() -> None:
    prediction, references = ["the Cat sat , here ."], [["The cat sat, here."]]
    assert score("bleu", prediction, references, Convention(tokenize="13a")) == 1
    assert score("bleu", prediction, references, Convention(tokenize="webnlg")) == 1
    assert score("bleu", prediction, references, TOKENISED) == 0
    assert score("bleu", prediction, references, Convention(lowercase=False, tokenize="13a")) < 1
    assert score("chrf", ["A"], [["a"]], Convention(lowercase=False)) == 0
    assert score("ter", ["A"], [["a"]], Convention(lowercase=False)) == 0


@pytest.mark.parametrize("convention", [TOKENISED, Convention(tokenize="13a"), Convention(tokenize="webnlg")])
def test_empty_predictions_are_scored(convention: Convention) -> None:
    worst = text_scores(["", " \u2028 "], [["a b"], ["c", "d"]], WITHOUT_JAVA, convention)
    assert worst.metrics == {metric: float(metric == "ter") for metric in WITHOUT_JAVA}
    mixed = text_scores(["", "a b c d"], [["x y"], ["a b c d"]], WITHOUT_JAVA, convention)
    assert all(value > 0 for value in mixed.metrics.values())
    assert not mixed.missing


@needs_java
def test_meteor_survives_empty_predictions_and_marks_of_its_protocol() -> None:
    predictions = ["the cat sat on the mat", "", "a ||| b\u2028c\rd \x0c née 名前 x", "..."]
    references = [
        ["the cat sat on the mat", ""],
        ["a dog", "nothing here"],
        ["a ||| b c d née 名前 x"],
        ["..."],
    ]
    # What METEOR 1.5 prints for these rows, the breaks replaced by spaces.
    assert score("meteor", predictions, references) == pytest.approx(0.931174089068826)


def test_rows_and_predictions_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(FrontuneError, match="one prediction a row, got 1 for 2 rows"):
        text_scores(["a"], [["a"], ["b"]], ["bleu"], TOKENISED)
    with pytest.raises(FrontuneError, match="row 2: all references are empty"):
        text_scores(["a", "b"], [["a"], ["", "\t"]], ["bleu"], TOKENISED)
    with pytest.raises(FrontuneError, match="there are no rows"):
        text_scores([], [], ["bleu"], TOKENISED)
    with pytest.raises(FrontuneError, match="unknown metric 'metoer'; did you mean 'meteor'"):
        text_scores(["a"], [["a"]], ["bleu", "metoer"], TOKENISED)
    with pytest.raises(FrontuneError, match="unknown tokenization '13b'; did you mean '13a'"):
        Convention(tokenize="13b")  # type: ignore[arg-type]


def test_importing_the_metrics_loads_none_of_their_tools() -> None:
    slow = {"sacrebleu", "pycocoevalcap", "numpy", "torch"}
    code = f"import sweeps.metrics.text, sys; print(sorted({slow!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_java_what_needs_it_is_missing_and_nothing_else_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = (["a b c d"], [["a b c d"]])
    plain = text_scores(*rows, TEXT_METRICS, TOKENISED)
    assert list(plain.missing) == ["meteor"]
    assert set(plain.metrics) == set(WITHOUT_JAVA)
    tokenised = text_scores(*rows, TEXT_METRICS, E2E)
    assert list(tokenised.missing) == ["cider", "meteor", "rouge_l"]
    for metric, reason in tokenised.missing.items():
        assert reason.startswith("needs Java"), metric
        assert "install a Java runtime" in reason


def test_without_the_extra_what_needs_it_is_missing_and_nothing_else_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    scores = text_scores(["a b c d"], [["a b c d"]], TEXT_METRICS, TOKENISED)
    assert list(scores.missing) == ["cider", "meteor", "rouge_l"]
    assert set(scores.metrics) == {"bleu", "chrf", "nist", "ter"}
    assert all("pip install pycocoevalcap" in reason for reason in scores.missing.values())


def fake_java(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a program of this code on the PATH as `java`."""
    program = folder / "java"
    program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """A stand-in for METEOR's program, which scores a quarter; what it was asked, and its starts."""
    pytest.importorskip("pycocoevalcap.meteor.meteor")
    log = tmp_path / "asked"
    code = f"""
log = open({str(log)!r}, 'a', encoding='utf-8')
print('begun' if sys.argv[5:] == '- - -stdio -l en -norm'.split() else 'odd', file=log, flush=True)
for line in sys.stdin:
    print(line, end='', file=log, flush=True)
    if 'stop' in line: sys.exit('stopped')
    command, *fields = line.split(' ||| ')
    print('0.5\\n' * len(fields) + '0.25' if command == 'EVAL' else '1.0 2.0', flush=True)
"""
    fake_java(tmp_path, monkeypatch, code)
    return lambda: log.read_text(encoding="utf-8").splitlines()


def test_meteor_gets_one_line_for_each_row(asked: Callable[[], list[str]]) -> None:
    assert score("meteor", ["É\nb", ""], [["x  \u2028 y"], ["", "p|||\r\n", "q"]]) == 0.25
    evaluated = "EVAL ||| 1.0 2.0 ||| 1.0 2.0"
    assert asked() == ["begun", "SCORE ||| x y ||| é b", "SCORE ||| p| | | ||| q ||| ", evaluated]


def test_meteor_starts_once_and_counts_a_row_once_for_the_whole_and_its_parts(
    asked: Callable[[], list[str]],
) -> None:
    predictions, references = ["of one part", "of the other"], [["one"], ["other"]]
    for chosen in (slice(0, 2), slice(0, 1), slice(1, 2)):
        assert score("meteor", predictions[chosen], references[chosen]) == 0.25
    assert [line.split()[0] for line in asked()] == ["begun", "SCORE", "SCORE", "EVAL", "EVAL", "EVAL"]


def test_meteor_starts_again_after_its_program_failed(asked: Callable[[], list[str]]) -> None:
    failed = text_scores(["stop"], [["stop"]], ["meteor"], TOKENISED)
    assert failed.missing == {"meteor": "Java failed with exit code 1, saying: stopped"}
    assert score("meteor", ["go on"], [["go on"]]) == 0.25
    assert [line.split()[0] for line in asked()] == ["begun", "SCORE", "begun", "SCORE", "EVAL"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit('no room\\nfor the heap')", "Java failed with exit code 1, saying: no room"),
        ("print('not enough memory'); sys.exit(1)", "exit code 1, saying: not enough memory"),
        ("print('well')", "Java gave no answer but 'well'"),
        ("print('NaN')", "Java gave no answer but 'NaN'"),
        ("pass", "Java gave no answer but ''"),
    ],
)
def test_a_java_program_that_fails_makes_its_metric_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, reason: str
) -> None:
    pytest.importorskip("pycocoevalcap.meteor.meteor")
    fake_java(tmp_path, monkeypatch, code)
    scores = text_scores(["a failure"], [["a failure"]], ["meteor", "nist"], TOKENISED)
    assert reason in scores.missing["meteor"]
    assert set(scores.metrics) == {"nist"}


def test_a_java_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pycocoevalcap.meteor.meteor")
    started = tmp_path / "started"
    fake_java(tmp_path, monkeypatch, f"open({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    monkeypatch.setattr("sweeps.metrics.jars.TIMEOUT_S", 3.0)
    scores = text_scores(["for ever"], [["for ever"]], ["meteor"], TOKENISED)
    assert "was ended, having printed no result for 3 s" in scores.missing["meteor"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_tokenizer_that_loses_lines_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer")
    fake_java(tmp_path, monkeypatch, "print('a')")
    scores = text_scores(["a", "b"], [["a"], ["b"]], ["rouge_l"], E2E)
    assert "gave 1 lines for 2 texts" in scores.missing["rouge_l"]
