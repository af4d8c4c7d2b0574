"""WebNLG, E2E and own data: their prompts, references and scores, on small rows and on the real ones."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from methods.errors import FrontuneError
from sweeps.metrics.scores import Scores
from sweeps.metrics.text import Convention
from sweeps.tasks import make_task
from sweeps.tasks.base import Example, Split, Task
from sweeps.tasks.own_data import SCORES
from sweeps.tasks.reading import SUFFIXES
from tests.test_tasks import write_rows

Row = dict[str, Any]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
OWN = {"prompt": "Q: {question}\nA:", "completion": "answer"}


def task(name: str, folder: Path, rows: Sequence[Row], **own: Any) -> Task:
    """A task over a folder in which every split has these rows."""
    for split in SPLITS:
        write_rows(folder / f"{split}.jsonl", list(rows))
    return make_task(name, str(folder), **own)


def triples(*texts: str, **more: Any) -> Row:
    return {"category": "Food", "input": list(texts), "references": ["One text."], **more}


def facts(representation: str, reference: str) -> Row:
    return {"meaning_representation": representation, "human_reference": reference}


def asked(question: Any, answer: Any) -> Row:
    return {"question": question, "answer": answer}


def hub_row(category: str, test_category: str, references: Sequence[str]) -> Row:
    """A row as the hub's `web_nlg` nests it, with the columns that nothing reads."""
    return {
        "category": category,
        "size": 1,
        "eid": "Id1",
        "original_triple_sets": {"otriple_set": [["a | b | c"], ["d | e | f"]]},
        "modified_triple_sets": {"mtriple_set": [["Big_Pie | weight | 12", "Big_Pie | maker | Zoë"]]},
        "shape": "",
        "shape_type": "",
        "lex": {"comment": ["good"] * len(references), "lid": [], "text": list(references), "lang": []},
        "test_category": test_category,
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Row:
    """Stands in for the hub: gives `rows`, and keeps what it was `asked` for."""
    import datasets

    found: Row = {"rows": [], "asked": []}

    class Loaded:
        def to_list(self) -> list[Row]:
            return list(found["rows"])

    def load_dataset(*names: str, **options: Any) -> Loaded:
        found["asked"].append((*names, *options.values()))
        return Loaded()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return found


def test_webnlg_asks_with_the_triples_as_prefix_tuning_and_lora_write_them(tmp_path: Path) -> None:
    row = triples("Big_Pie | weight | 12.5", 'Zoë_(cook) | city | "Upper, Lower"')
    (example,) = task("webnlg", tmp_path, [row]).examples("validation")
    assert (
        example.prompt
        == 'Big_Pie : weight : 12.5 | Zoë_(cook) : city : "Upper, Lower"\ntext:'  # as published
    )
    assert example.completion == " One text."


def test_webnlg_trains_on_each_reference_and_scores_an_input_once(tmp_path: Path) -> None:
    made = task(
        "webnlg", tmp_path, [triples("a | b | c", references=["One.", " Two. "]), triples("d | e | f")]
    )
    assert [example.completion for example in made.examples("train")] == [" One.", " Two.", " One text."]
    assert [example.references for example in made.examples("test")] == [("One.", "Two."), ("One text.",)]


def test_webnlg_knows_seen_categories_by_the_column_or_else_by_their_names(tmp_path: Path) -> None:
    rows = [
        triples("a | b | c", seen=False),
        triples("a | b | d", category="Artist", seen=True),
        triples("a | b | e"),
        triples("a | b | f", category="Artist"),
        triples("a | b | g", category="CelestialBody", seen=None),
    ]
    groups = [example.group for example in task("webnlg", tmp_path, rows).examples("validation")]
    assert groups == ["unseen", "seen", "seen", "unseen", "unseen"]


def test_webnlg_reads_the_layout_of_the_hub_and_its_test_rows_once(tmp_path: Path) -> None:
    texts = ["The big pie by Zoë weighs 12.", "Zoë's pie weighs 12."]
    rows = [
        hub_row("Food", "testdata_no_lex", []),
        hub_row("Artist", "testdata_unseen_with_lex", texts),
        hub_row("Food", "testdata_with_lex", texts),
        hub_row("Artist", "testdata_with_lex", texts[:1]),
    ]
    examples = task("webnlg", tmp_path, rows).examples("test")
    assert [example.group for example in examples] == ["seen", "unseen"]
    assert [example.references for example in examples] == [tuple(texts), tuple(texts[:1])]
    assert examples[0].prompt == "Big_Pie : weight : 12 | Big_Pie : maker : Zoë\ntext:"
    with pytest.raises(FrontuneError, match=r"test\.jsonl' has no rows with references"):
        task("webnlg", tmp_path, rows[:1]).examples("test")


def test_without_a_folder_the_hubs_parquet_files_are_read(hub: Row) -> None:
    hub["rows"] = [hub_row("Food", "", ["A text."])]
    made = make_task("webnlg", None)
    assert [len(made.examples(split)) for split in SPLITS] == [1, 1, 1]
    address = "hf://datasets/webnlg-challenge/web_nlg@refs/convert/parquet/webnlg_challenge_2017"
    assert hub["asked"] == [
        ("parquet", f"{address}/{split}/*.parquet", "train") for split in ("train", "dev", "test")
    ]
    hub["rows"] = [facts("name[A]", "A text.")]
    make_task("e2e", None).examples("validation")
    assert hub["asked"][3] == (
        "parquet",
        "hf://datasets/tuetschek/e2e_nlg@refs/convert/parquet/default/validation/*.parquet",
        "train",
    )


def test_webnlg_takes_the_hubs_name_of_the_validation_split_in_a_folder_too(tmp_path: Path) -> None:
    made = task("webnlg", tmp_path, [triples("a | b | c")])
    (tmp_path / "dev.jsonl").write_text((tmp_path / "validation.jsonl").read_text() * 2)
    assert len(made.examples("validation")) == 1
    (tmp_path / "validation.jsonl").unlink()
    assert len(made.examples("validation")) == 2


def test_the_hub_client_says_nothing_of_its_retries(hub: Row) -> None:
    from huggingface_hub.utils import logging

    hub["rows"] = [facts("name[A]", "A text.")]
    logging.set_verbosity_warning()
    make_task("e2e", None).examples("test")
    assert logging.get_verbosity() == logging.ERROR


def counted(
    predictions: Sequence[str], references: Sequence[Sequence[str]], metrics: Sequence[str], _: Convention
) -> Scores:
    """Scores that tell which rows they are of: the share of right texts; METEOR is missing."""
    right = sum(text in known for text, known in zip(predictions, references, strict=True))
    values = {metric: right / len(predictions) for metric in metrics if metric != "meteor"}
    return Scores(values, {"meteor": "no Java"} if "meteor" in metrics else {})


def test_webnlg_scores_unseen_seen_and_all_and_leaves_out_a_part_without_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sweeps.tasks.webnlg.text_scores", counted)
    made = make_task("webnlg", "unread")
    rows = [Example("", "", group=group, references=("x", "y")) for group in ("seen", "seen", "unseen")]
    scores = made.score(rows, ["x", "no", "y"])
    assert scores.metrics == {
        f"{metric}{part}": value
        for metric in ("bleu", "ter")
        for part, value in (("", 2 / 3), ("/all", 2 / 3), ("/seen", 1 / 2), ("/unseen", 1.0))
    }
    assert scores.missing == {f"meteor{part}": "no Java" for part in ("", "/all", "/seen", "/unseen")}
    seen_alone = made.score(rows[:2], ["x", "no"])
    assert set(seen_alone.metrics) == {"bleu", "bleu/all", "bleu/seen", "ter", "ter/all", "ter/seen"}


def test_webnlg_compares_words_and_marks_whatever_their_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.tasks.webnlg.METRICS", ("bleu", "ter"))
    made = make_task("webnlg", "unread")
    rows = [Example("", "", group="seen", references=("The pie (Zoë's) weighs 12.5 in all.",))]
    scores = made.score(rows, ["the pie ( zoë ' s ) weighs 12 . 5 in all ."])
    assert scores.metrics["bleu"] == pytest.approx(1)
    assert scores.metrics["ter"] == 0


def test_generation_is_as_the_papers_decode() -> None:
    webnlg, e2e = make_task("webnlg", "unread").decoding, make_task("e2e", "unread").decoding
    assert webnlg is not None
    assert e2e is not None
    assert (webnlg.beams, webnlg.length_penalty, webnlg.no_repeat_ngram) == (10, 0.8, 4)
    assert (e2e.beams, e2e.length_penalty, e2e.no_repeat_ngram) == (10, 0.9, 4)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (triples("a | b | c", references=[]), "references must not be empty, got []"),
        (triples("a | b | c", references=["One.", " "]), "references must not be empty, got ['One.', ' ']"),
        (triples("a | b | c", references="One."), "references must be a list of texts, got 'One.'"),
        (triples("a | b | c", references=[1]), "references must be a text, got 1"),
        (triples(), "input must not be empty, got []"),
        (triples("a | b"), "input must hold 'subject | property | object', got 'a | b'"),
        (triples("a | b | c", seen="yes"), "seen must be true or false, got 'yes'"),
        ({"input": ["a | b | c"], "references": ["One."]}, "lacks 'seen' and 'category'"),
    ],
)
def test_webnlg_refuses_a_bad_row_by_its_file_and_number(row: Row, wanted: str, tmp_path: Path) -> None:
    made = task("webnlg", tmp_path, [triples("a | b | c"), row])
    with pytest.raises(FrontuneError) as caught:
        made.examples("train")
    assert f"task webnlg: '{tmp_path / 'train.jsonl'}', row 2" in str(caught.value)
    assert wanted in str(caught.value)


def test_webnlg_refuses_a_row_of_the_hubs_layout_that_is_not_nested_so(tmp_path: Path) -> None:
    changes: list[Row] = [
        {"lex": ["a"]},
        {"lex": {"text": []}},
        {"modified_triple_sets": {"mtriple_set": []}},
    ]
    for bad in changes:
        with pytest.raises(FrontuneError, match="row 1"):
            task("webnlg", tmp_path, [hub_row("Food", "", ["One."]) | bad]).examples("train")


def test_e2e_asks_with_the_words_of_prefix_tuning_and_lora(tmp_path: Path) -> None:
    known = (
        "name[Zoë's, the Cook], eatType[pub], food[English], priceRange[less than £20], "
        "customer rating[5 out of 5], area[riverside], familyFriendly[no], near[Café Rouge], new one[]"
    )
    (example,) = task("e2e", tmp_path, [facts(known, "A text.")]).examples("validation")
    assert example.prompt == (
        "name : Zoë's, the Cook | Type : pub | food : English | price : less than £20 | "
        "customer rating : 5 out of 5 | area : riverside | family friendly : no | near : Café Rouge | "
        "new one : \ntext:"
    )


def test_e2e_trains_on_rows_in_order_and_scores_each_meaning_with_all_its_references(tmp_path: Path) -> None:
    rows = [
        facts("name[A]", "One."),
        facts("name[A]", "Two."),
        facts("name[B]", "B."),
        facts("name[A]", "Three."),
    ]
    made = task("e2e", tmp_path, rows)
    assert [example.completion for example in made.examples("train")] == [" One.", " Two.", " B.", " Three."]
    assert [example.references for example in made.examples("test")] == [("One.", "Two.", "Three."), ("B.",)]
    listed = [
        {"meaning_representation": "name[A]", "references": ["One.", "Two."]},
        {"meaning_representation": "name[A]", "references": ["Three."]},
    ]
    made = task("e2e", tmp_path, listed)
    assert [example.completion for example in made.examples("train")] == [" One.", " Two.", " Three."]
    assert [example.references for example in made.examples("test")] == [("One.", "Two.", "Three.")]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (facts("name[A], pub", "One."), "must be written name[...], area[...], got 'name[A], pub'"),
        (facts("name[A] area[B]", "One."), "must be written name[...], area[...]"),
        (facts("", "One."), "must be written name[...], area[...], got ''"),
        (facts("name[A]", " "), "human_reference must not be empty"),
        (facts("name[A]", 3), "human_reference must be a text, got 3"),  # type: ignore[arg-type]
    ],
)
def test_e2e_refuses_a_bad_row_by_its_file_and_number(row: Row, wanted: str, tmp_path: Path) -> None:
    made = task("e2e", tmp_path, [facts("name[A]", "One."), row])
    with pytest.raises(FrontuneError) as caught:
        made.examples("validation")
    assert f"task e2e: '{tmp_path / 'validation.jsonl'}', row 2: " in str(caught.value)
    assert wanted in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_own_data_are_the_same_from_every_kind_of_file(suffix: str, tmp_path: Path) -> None:
    rows = [asked("Größe {0}\nof \u2603?", 'so, "yes"'), asked("b;c\td", "01")]
    write_rows(tmp_path / f"train{suffix}", rows)
    examples = make_task("own_data", str(tmp_path), **OWN).examples("train")
    assert [example.prompt for example in examples] == [
        "Q: Größe {0}\nof \u2603?\nA:",
        "Q: b;c\td\nA:",
    ]
    assert [example.completion for example in examples] == [' so, "yes"', " 01"]


def test_own_data_write_numbers_as_json_does_and_keep_the_zeros_of_a_csv(tmp_path: Path) -> None:
    made = task("own_data", tmp_path, [asked(1.50, 7), asked(-2, True)], **OWN)
    assert [(example.prompt, example.completion) for example in made.examples("train")] == [
        ("Q: 1.5\nA:", " 7"),
        ("Q: -2\nA:", " true"),
    ]
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "train.csv").write_text("question,label\na,007\nb,7\n", encoding="utf-8")
    codes = make_task("own_data", str(tmp_path / "codes"), prompt="{question}", completion="label")
    assert [example.completion for example in codes.examples("train")] == [" 007", " 7"]


def test_own_data_fill_in_columns_and_nothing_else(tmp_path: Path) -> None:
    rows = [{"the question": "{answer}", "x": "X", "answer": "a"}]
    made = task("own_data", tmp_path, rows, prompt="{{{x}}} {the question} {x}{{}} ", completion="answer")
    (example,) = made.examples("train")
    assert example.prompt == "{X} {answer} X{}"
    assert made.prompt == "{{{x}}} {the question} {x}{{}} "


@pytest.mark.parametrize(
    "template",
    [
        "{question.__class__}",
        "{question[0]}",
        "{question!r}",
        "{question:>10}",
        "{question:{answer}}",
        "{}",
        "{question",
        "question}",
        "no column",
        "{{question}}",
        " ",
        "",
        None,
    ],
)
def test_own_data_refuse_a_template_of_more_or_less_than_columns(
    template: str | None, tmp_path: Path
) -> None:
    with pytest.raises(FrontuneError, match=r"^task\.prompt: ") as caught:
        make_task("own_data", str(tmp_path), prompt=template, completion="answer")
    assert repr(template) in str(caught.value)


def test_own_data_say_which_key_is_missing_or_unknown(tmp_path: Path) -> None:
    for own, wanted in (
        ({}, r"task\.prompt: own_data needs a template such as 'Q: \{question\}"),
        ({"prompt": "{question}"}, r"task\.completion: own_data needs the column that holds the answer"),
        (
            {**OWN, "score": "exactmatch"},
            r"task\.score: unknown score 'exactmatch'; did you mean 'exact_match'",
        ),
        ({**OWN, "score": "ter"}, r"task\.score: unknown score 'ter'"),
    ):
        with pytest.raises(FrontuneError, match=wanted):
            make_task("own_data", str(tmp_path), **own)
    with pytest.raises(FrontuneError, match=r"task\.data: own_data needs a folder or a hub data set's id"):
        make_task("own_data", None, **OWN)


def test_own_data_refuse_a_file_in_place_of_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("q,a\n1,2\n")
    with pytest.raises(
        FrontuneError, match=r"train\.csv' is a file; wanted a folder with train\.csv and val"
    ):
        make_task("own_data", str(file), **OWN).examples("train")


def test_own_data_name_an_unknown_column_with_the_known_ones(tmp_path: Path) -> None:
    rows = [asked("a", "b")]
    for own, wanted in (
        (
            OWN | {"prompt": "{qestion}"},
            "task.prompt: {}: unknown column 'qestion'; did you mean 'question'?",
        ),
        (
            OWN | {"completion": "anwser"},
            "task.completion: {}: unknown column 'anwser'; did you mean 'answer'?",
        ),
    ):
        with pytest.raises(FrontuneError) as caught:
            task("own_data", tmp_path, rows, **own).examples("test")
        assert str(caught.value).startswith(wanted.format(f"'{tmp_path / 'test.jsonl'}'"))
        assert str(caught.value).endswith("known: answer, question")


def test_a_match_is_exact_but_for_white_space_and_any_reference_counts() -> None:
    made = make_task("own_data", "unread", **OWN)
    rows = [Example("", "", references=("the  cook", "a\ncook"))] * 5
    texts = [" the cook\n", "a cook", "The cook", "the cook.", ""]
    assert made.score(rows, texts) == Scores({"exact_match": 2 / 5}, outcomes=(1.0, 1.0, 0.0, 0.0, 0.0))
    assert made.metric == "exact_match"
    assert made.decoding is not None


@pytest.mark.parametrize("score", [score for score in SCORES if score != "likelihood"])
def test_own_data_are_scored_by_the_metric_that_is_asked_for(
    score: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.tasks.own_data.text_scores", counted)
    made = make_task("own_data", "unread", **OWN, score=score)
    scores = made.score([Example("", "", references=("x",)), Example("", "", references=("y",))], ["x", "x"])
    assert made.metric == score
    assert {**scores.metrics, **scores.missing} == {score: "no Java" if score == "meteor" else 0.5}


def test_own_data_by_likelihood_compare_the_completions_of_training_in_sorted_order(tmp_path: Path) -> None:
    made = task("own_data", tmp_path, [asked(n, n % 3) for n in range(9)], **OWN, score="likelihood")
    assert (made.metric, made.decoding) == ("accuracy", None)
    write_rows(tmp_path / "validation.jsonl", [asked("x", 2)])
    (example,) = made.examples("validation")
    assert example == Example("Q: x\nA:", " 2", (" 0", " 1", " 2"), 2)
    write_rows(tmp_path / "validation.jsonl", [asked("x", 2), asked("y", 3)])
    with pytest.raises(
        FrontuneError, match=r"row 2: \['3'\] is no completion of the training split: '0', '1'"
    ):
        made.examples("validation")


@pytest.mark.parametrize("n", [1, 2, 100, 101])
def test_likelihood_compares_2_to_100_completions(n: int, tmp_path: Path) -> None:
    made = task("own_data", tmp_path, [asked("x", number) for number in range(n)], **OWN, score="likelihood")
    if 2 <= n <= 100:
        assert len(made.examples("train")[0].candidates) == n
    else:
        with pytest.raises(FrontuneError, match=f"2 to 100 different .* but the training split has {n}"):
            made.examples("train")


def test_likelihood_wants_one_completion_a_row(tmp_path: Path) -> None:
    rows = [asked("x", ["a"]), asked("y", ["a", "b"])]
    with pytest.raises(FrontuneError, match=r"row 2: likelihood wants one completion, got \['a', 'b'\]"):
        task("own_data", tmp_path, rows, **OWN, score="likelihood").examples("train")


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (asked("x", []), "answer must not be empty, got []"),
        (asked("x", " "), "answer must not be empty, got [' ']"),
        (asked("x", None), "answer must be a text, got None"),
        (asked({"a": 1}, "y"), "question must be a text, got {'a': 1}"),
        (asked(float("nan"), "y"), "question must be a text, got nan"),
        (asked(" ", "y"), "the prompt is empty; task.prompt is '{question}'"),
    ],
)
def test_own_data_refuse_a_bad_row_by_its_file_and_number(row: Row, wanted: str, tmp_path: Path) -> None:
    made = task("own_data", tmp_path, [asked("a", "b"), row], prompt="{question}", completion="answer")
    with pytest.raises(FrontuneError) as caught:
        made.examples("train")
    assert str(caught.value) == f"task own_data: '{tmp_path / 'train.jsonl'}', row 2: {wanted}"


def test_own_data_may_be_a_data_set_of_the_hub(
    hub: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub["rows"] = [asked("a", "b")]
    for name in ("someone/some-data", "squad"):
        (example,) = make_task("own_data", name, **OWN).examples("validation")
        assert example.references == ("b",)
    files = "hf://datasets/someone/some-data@refs/convert/parquet/part/{split}/*.parquet"
    make_task("own_data", files, **OWN).examples("test")
    assert hub["asked"] == [
        ("someone/some-data", "validation"),
        ("squad", "validation"),
        ("parquet", files.replace("{split}", "test"), "train"),
    ]
    (tmp_path / "squad").mkdir()
    with pytest.raises(FrontuneError, match="'squad' holds no file for the split 'test'"):
        make_task("own_data", "squad", **OWN).examples("test")
    for name in ("/absent/folder", "./absent", "~/absent", "a/b/c"):
        with pytest.raises(FrontuneError, match="is not a folder"):
            make_task("own_data", name, **OWN).examples("test")
    assert len(hub["asked"]) == 3


def test_a_name_that_is_neither_a_folder_nor_on_the_hub_is_refused_as_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    wanted = (
        r"task\.data: 'data/mine' is no folder, and the hub did not give 'data/mine', train \(.*no network\)"
    )
    with pytest.raises(FrontuneError, match=wanted):
        make_task("own_data", "data/mine", **OWN).examples("train")


def test_a_task_refuses_a_key_that_is_not_its_own() -> None:
    with pytest.raises(
        FrontuneError, match=r"^task\.prompt: the task mnli takes no such key; it takes: data$"
    ):
        make_task("mnli", None, prompt="{premise}")
    with pytest.raises(FrontuneError, match=r"it takes: data, prompt, completion, score$"):
        make_task("own_data", "unread", **OWN, metric="bleu")


def real(name: str) -> Task:
    """A task over the real rows, or a skipped test."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("FRONTUNE_DATA") or beside) / name
    if not folder.is_dir():
        pytest.skip(f"real rows of {name} are neither in $FRONTUNE_DATA nor in '{beside}'")
    return make_task(name, str(folder))


def test_the_real_webnlg_rows_are_all_there_with_their_references() -> None:
    webnlg = real("webnlg")
    train, validation, test = (webnlg.examples(split) for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (18_096, 872, 1_762)
    assert [sum(len(example.references) for example in part) for part in (validation, test)] == [2_268, 4_658]
    assert {example.group for example in (*train, *validation)} == {"seen"}
    assert Counter(example.group for example in test) == {"seen": 921, "unseen": 841}


def test_the_categories_of_the_real_webnlg_rows_are_known_by_name_too(tmp_path: Path) -> None:
    webnlg = real("webnlg")
    assert webnlg.data is not None
    lines = (Path(webnlg.data) / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    write_rows(tmp_path / "test.jsonl", [{key: row[key] for key in row if key != "seen"} for row in rows])
    assert make_task("webnlg", str(tmp_path)).examples("test") == webnlg.examples("test")


def test_the_real_e2e_rows_are_all_there_each_meaning_once() -> None:
    e2e = real("e2e")
    train, validation, test = (e2e.examples(split) for split in SPLITS)
    assert (len(train), len(validation), len(test)) == (42_061, 547, 530)
    assert [sum(len(example.references) for example in part) for part in (validation, test)] == [4_672, 3_886]
    for part in (validation, test):
        assert len({example.prompt for example in part}) == len(part)
    words = Counter(fact.split(" : ")[0] for row in train for fact in row.prompt.split("\n")[0].split(" | "))
    assert set(words) == set("name,Type,food,price,customer rating,area,family friendly,near".split(","))


def test_the_real_e2e_test_split_is_the_same_with_its_references_in_lists(tmp_path: Path) -> None:
    e2e = real("e2e")
    assert e2e.data is not None
    content = (Path(e2e.data) / "test_multiref.jsonl").read_bytes()
    (tmp_path / "test.jsonl").write_bytes(content)
    assert make_task("e2e", str(tmp_path)).examples("test") == e2e.examples("test")
