"""Every task keeps its contract, on a few rows of each task's own layout, good and bad."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from methods.errors import FrontuneError
from methods.loading import load_tokenizer
from sweeps.data import TaskData, prepare_data, read_examples
from sweeps.settings import TaskSettings
from sweeps.tasks import known_tasks, make_task
from sweeps.tasks.base import Example, Split, Task
from sweeps.training.batches import collate, cut_to

Row = dict[str, Any]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
MARKS = "Zoë 名前 ☃ İ e\u0301 👩\u200d🍳 Ω"
"""Letters that tokenizers, lower-casing and normal forms are fond of changing."""
BAD_CELLS: tuple[Any, ...] = (
    None,
    "",
    3.5,
    True,
    math.nan,
    [],
    [None],
    [""],
    [[]],
    {},
    {"a": 1},
    "\ud800",
    ["\ud800"],
)


@dataclass(frozen=True)
class Case:
    """A task, the keys it is asked with, and rows that serve as each of its splits (none: it needs none)."""

    task: str
    rows: tuple[Row, ...] = ()
    needed: tuple[str, ...] = ()
    """Columns that every row must have."""
    inputs: int = 0
    """How many different inputs the rows are, which is the number of examples to score."""
    training: int = 0
    """How many examples the rows are in training."""
    own: Mapping[str, Any] = field(default_factory=dict)
    validation: str = "validation"
    """The file of the validation split."""
    test: str = "test"
    """The file of the test split."""
    also: tuple[str, ...] = ()
    """Files that every split needs."""


def table_row(number: int, place: str) -> Row:
    """WikiSQL's layout: a question, its table and the query."""
    return {
        "phase": 1,
        "question": f"Which name has place {place}?",
        "table": {
            "header": ["Name", "Place", "Count"],
            "page_title": "",
            "page_id": "",
            "types": ["text", "text", "real"],
            "id": f"1-{number}",
            "section_title": "",
            "caption": "",
            "rows": [["Zoë", place, "1"], ["Ann", "elsewhere", "2"], ["Bea", "nowhere", "3"]],
            "name": f"table_1_{number}",
        },
        "sql": {
            "human_readable": f"SELECT Name FROM table WHERE Place = {place}",
            "sel": 0,
            "agg": 0,
            "conds": {"column_index": [1], "operator_index": [0], "condition": [place]},
        },
    }


def facts_row(name: str, reference: str) -> Row:
    facts = f"name[{name}], eatType[pub], priceRange[less than £20], near[The Sorrento]"
    return {"meaning_representation": facts, "human_reference": reference}


CASES = {
    "demo": Case("demo"),
    "mnli": Case(
        "mnli",
        (
            {"premise": f"a cook named {MARKS}", "hypothesis": "a cook", "label": 0, "genre": "fiction"},
            {"premise": "it rains", "hypothesis": "it snows", "label": 2, "genre": ""},
            {"premise": "it rains", "hypothesis": "it is late", "label": 1, "genre": "travel"},
        ),
        ("premise", "hypothesis", "label"),
        3,
        3,
        validation="validation_matched",
        test="validation_mismatched",
    ),
    "wikisql": Case(
        "wikisql",
        (table_row(1, MARKS), table_row(2, "a b"), table_row(3, "it's")),
        ("question", "table", "sql"),
        3,
        3,
    ),
    "webnlg": Case(
        "webnlg",
        (
            {
                "category": "Food",
                "seen": True,
                "input": [f"Soup | servedBy | {MARKS}", 'Soup | region | "Upper, Lower"'],
                "references": [f"The soup is served by {MARKS} in town.", "Soup comes from Upper and Lower."],
            },
            {
                "category": "Food",
                "seen": True,
                "input": ["Big_Pie | weight | 12.5"],
                "references": ["The big pie weighs 12.5 in all."],
            },
            {
                "category": "Politician",
                "seen": False,
                "input": ["Ann_Lee_(mayor) | birthPlace | Nowhere"],
                "references": [
                    "The mayor Ann Lee was born in Nowhere.",
                    "Nowhere is where Ann Lee was born.",
                ],
            },
        ),
        ("input", "references"),
        3,
        5,
    ),
    "e2e": Case(
        "e2e",
        (
            facts_row(MARKS, f"The pub {MARKS} is near The Sorrento and cheap."),
            facts_row(MARKS, "Near The Sorrento there is a cheap pub."),
            facts_row("Loch Fyne", "Loch Fyne is a pub near The Sorrento."),
        ),
        ("meaning_representation", "human_reference"),
        2,
        3,
    ),
    "own_data": Case(
        "own_data",
        (
            {"question": f"Who cooks, {{{MARKS}}}?", "year": 1999, "answer": [MARKS, "the cook"], "more": 1},
            {"question": "What is 2 + 2?", "year": 2000, "answer": 4, "more": None},
            {"question": "Where?", "year": 2001.5, "answer": "over there", "more": "x"},
        ),
        ("question", "year", "answer"),
        3,
        4,
        {"prompt": "{{{year}}} Q: {question}\nA: ", "completion": "answer"},
    ),
    "own_data by BLEU": Case(
        "own_data",
        (
            {"title": f"Who cooks, {MARKS}?", "text": f"It is the cook named {MARKS} who does."},
            {"title": "Where?", "text": ["It is far over there.", "Nobody has ever said so."]},
        ),
        ("title", "text"),
        2,
        3,
        {"prompt": "{title}", "completion": "text", "score": "bleu"},
    ),
    "own_data by likelihood": Case(
        "own_data",
        (
            {"text": f"the cook {MARKS} is great", "verdict": f"good {MARKS}"},
            {"text": "the soup is cold", "verdict": "bad"},
            {"text": "the soup is bland", "verdict": "bad"},
        ),
        ("text", "verdict"),
        3,
        3,
        {"prompt": "{text}\nverdict:", "completion": "verdict", "score": "likelihood"},
        also=("train",),
    ),
}
KNOWN = [name for name, case in CASES.items() if case.task in known_tasks()]
WITH_FILES = [name for name in KNOWN if CASES[name].rows]


def folder_of(case: Case, folder: Path, split: Split) -> Path:
    """A folder with the files that a split is read from, and no other that can be read."""
    folder.mkdir(exist_ok=True)
    own = {"validation": case.validation, "test": case.test}.get(split, split)
    names = {own, *case.also}
    for name in names:
        write(folder / f"{name}.jsonl", case.rows)
    for name in {
        "train",
        "validation",
        "validation_matched",
        "validation_mismatched",
        "test",
        "dev",
        "notes",
    } - names:
        (folder / f"{name}.jsonl").write_bytes(b"\xff not to be read")
    return folder


def write(file: Path, rows: tuple[Row, ...]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def task_of(case: Case, folder: Path) -> Task:
    return make_task(case.task, str(folder) if case.rows else None, **case.own)


def read(name: str, folder: Path, split: Split) -> list[Example]:
    case = CASES[name]
    return task_of(case, folder_of(case, folder / split, split)).examples(split)


def prepared(name: str, folder: Path, base: str) -> TaskData:
    """The task's rows, the same in both splits, tokenised for the small base."""
    case = CASES[name]
    for split in (case.validation, "train"):
        write(folder / f"{split}.jsonl", case.rows)
    settings = TaskSettings(name=case.task, data=str(folder) if case.rows else None, **case.own)
    return prepare_data(read_examples(settings), load_tokenizer(base))


def outcome(task: Task, split: Split = "train") -> str | None:
    """What a task refuses its data with; None if it takes them."""
    try:
        task.examples(split)
    except FrontuneError as error:
        return str(error)
    return None


def refusal(task: Task, split: Split = "train") -> str:
    """The one sentence with which a task refuses its data."""
    said = outcome(task, split)
    assert said is not None, "the data were taken"
    assert "\n" not in said
    return said


def test_every_task_has_a_case_here() -> None:
    assert set(known_tasks()) <= {case.task for case in CASES.values()}


@pytest.mark.parametrize("name", known_tasks())
def test_a_task_says_what_it_is(name: str) -> None:
    task = known_tasks()[name]
    assert task.name == name
    assert task.metric
    assert "->" in task.summary
    assert task.prompt.strip()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", KNOWN)
def test_each_split_is_read_from_its_own_file_and_twice_the_same(
    name: str, split: Split, tmp_path: Path
) -> None:
    case, examples = CASES[name], read(name, tmp_path, split)
    assert examples == read(name, tmp_path, split)
    assert examples
    prompts = {example.prompt for example in examples}
    if not case.rows:
        assert len(prompts) == len(examples)
        return
    assert len(prompts) == case.inputs
    assert len(examples) == (case.training if split == "train" else case.inputs)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", KNOWN)
def test_an_example_is_a_prompt_and_a_completion_parted_by_one_space(
    name: str, split: Split, tmp_path: Path
) -> None:
    for example in read(name, tmp_path, split):
        assert example.prompt.strip()
        assert example.prompt == example.prompt.rstrip()
        for text in (example.completion, *example.candidates):
            assert text == f" {text.strip()}"
            assert text.strip()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", KNOWN)
def test_an_example_holds_what_its_score_needs(name: str, split: Split, tmp_path: Path) -> None:
    compared = task_of(CASES[name], tmp_path).decoding is None
    for example in read(name, tmp_path, split):
        assert bool(example.candidates) == compared
        if compared:
            assert example.candidates[example.answer] == example.completion
            assert len(set(example.candidates)) == len(example.candidates)
        elif split != "train":
            assert example.completion[1:] in example.references
            assert all(reference.strip() for reference in example.references)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", KNOWN)
def test_examples_are_plain_values_that_json_keeps(name: str, split: Split, tmp_path: Path) -> None:
    for example in read(name, tmp_path, split):
        values = json.loads(json.dumps(astuple(example), allow_nan=False))
        assert values == json.loads(json.dumps(values))
        assert Example(*values).prompt == example.prompt
        assert values[-1] == example.gold


@pytest.mark.parametrize("name", WITH_FILES)
def test_no_letter_is_changed(name: str, tmp_path: Path) -> None:
    first = read(name, tmp_path, "validation")[0]
    assert MARKS in first.prompt
    if name != "mnli":
        assert MARKS in first.completion


@pytest.mark.parametrize("name", KNOWN)
def test_right_texts_get_the_best_score_and_empty_ones_none_above_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without Java, whose metrics take seconds each and are then missing, on every machine.
    monkeypatch.setenv("PATH", str(tmp_path))
    task, examples = task_of(CASES[name], tmp_path), read(name, tmp_path, "validation")
    if task.decoding is None:
        pytest.skip(f"{name} compares likelihoods")
    right = [example.completion.strip() for example in examples]
    perfect, half, empty = (
        task.score(examples, texts) for texts in (right, [*right[:-1], ""], [""] * len(right))
    )
    assert perfect.metrics[task.metric] == pytest.approx(1)
    assert perfect.metrics[task.metric] > half.metrics[task.metric] > empty.metrics[task.metric]
    assert empty.metrics[task.metric] == pytest.approx(0, abs=0.01)
    for scores in (perfect, half, empty):
        assert all(math.isfinite(value) for value in scores.metrics.values())
        assert (
            scores.metrics.keys() | scores.missing.keys() == perfect.metrics.keys() | perfect.missing.keys()
        )
        assert not scores.metrics.keys() & scores.missing.keys()
        assert all(scores.missing.values())


@pytest.mark.parametrize("name", KNOWN)
def test_a_task_is_tokenised_to_the_same_rows_and_fingerprint_each_time(
    name: str, tmp_path: Path, base: str
) -> None:
    first, second = (prepared(name, tmp_path, base) for _ in range(2))
    assert first == second
    for row in (*first.train, *first.validation):
        assert row.prompt
        assert row.completion
        assert not row.candidates or row.candidates[row.answer] == row.completion


@pytest.mark.parametrize("name", KNOWN)
def test_rows_too_long_lose_their_prompts_left_and_are_counted(name: str, tmp_path: Path, base: str) -> None:
    data = prepared(name, tmp_path, base)
    generated = data.decoding.max_new_tokens if data.decoding else 0
    for rows, free in ((data.train, 0), (data.validation, generated)):
        taken = max(free, *(len(text) for row in rows for text in (row.completion, *row.candidates)))
        cut, count = cut_to(rows, taken + 2, free)
        assert count == sum(short != whole for short, whole in zip(cut, rows, strict=True)) > 0
        for short, whole in zip(cut, rows, strict=True):
            assert short == replace(whole, prompt=whole.prompt[-len(short.prompt) :])
            assert len(short.prompt) + max(free, len(whole.completion)) <= taken + 2
    assert cut_to(data.train, 10_000) == (list(data.train), 0)


@pytest.mark.parametrize("name", KNOWN)
def test_nothing_but_completions_is_learned_and_text_learns_its_end(
    name: str, tmp_path: Path, base: str
) -> None:
    data = prepared(name, tmp_path, base)
    batch = collate(data.train, (2, 1), data.pad_id)
    learned = [batch.targets_N[batch.row_N == number].tolist() for number in range(len(data.train))]
    assert learned == [list(row.completion) for row in data.train]
    assert all((row.completion[-1] == data.eos_id) == (data.decoding is not None) for row in data.train)
    first = [int(batch.column_N[batch.row_N == number][0]) for number in range(len(data.train))]
    assert first == [2 + len(row.prompt) for row in data.train]


@pytest.mark.parametrize(
    ("name", "other"),
    [(a, b) for a in WITH_FILES for b in WITH_FILES if CASES[a].task != CASES[b].task],
)
def test_the_folder_of_another_task_is_refused_by_the_column_that_it_lacks(
    name: str, other: str, tmp_path: Path
) -> None:
    write(tmp_path / "train.jsonl", CASES[other].rows)
    said = refusal(task_of(CASES[name], tmp_path))
    assert str(tmp_path / "train.jsonl") in said
    assert any(f"column '{column}'" in said for column in CASES[name].needed)


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_cell_that_is_no_answer_is_refused_with_its_row(name: str, tmp_path: Path) -> None:
    case, file = CASES[name], tmp_path / "train.jsonl"
    for column in case.rows[1]:
        for bad in BAD_CELLS:
            rows = copy.deepcopy(case.rows)
            rows[1][column] = bad
            write(file, rows)
            if column in case.needed and bad is None:
                assert "row 2" in refusal(task_of(case, tmp_path)), column
            said = outcome(task_of(case, tmp_path))
            assert said is None or ("row 2" in said and "\n" not in said), (column, bad)


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_row_without_a_needed_column_is_refused_with_its_row(name: str, tmp_path: Path) -> None:
    case, file = CASES[name], tmp_path / "train.jsonl"
    for column in case.needed:
        rows = copy.deepcopy(case.rows)
        del rows[1][column]
        write(file, rows)
        said = refusal(task_of(case, tmp_path))
        assert f"'{file}', row 2 lacks {column!r}" in said


@pytest.mark.parametrize(
    ("file", "content", "wanted"),
    [
        ("train.jsonl", b"", "has no rows"),
        ("train.jsonl", b"\n\n", "has no rows"),
        ("train.jsonl", b"[1, 2]\n", "line 1 is no object"),
        ("train.jsonl", b"\xff\xfe", "cannot be read"),
        ("train.jsonl.gz", b"no archive", "cannot be read"),
        ("train.jsonl.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03torn", "cannot be read"),
        ("train.parquet", b"PAR1 torn PAR1", "cannot be read"),
        ("train.csv", b"", "has no rows"),
    ],
)
@pytest.mark.parametrize("name", WITH_FILES)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    name: str, file: str, content: bytes, wanted: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(content)
    said = refusal(task_of(CASES[name], tmp_path))
    assert wanted in said
    assert str(tmp_path / file) in said


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_folder_or_file_that_is_absent_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    for split in SPLITS:
        said = refusal(task_of(CASES[name], tmp_path), split)
        assert f"'{tmp_path}' holds no file for the split" in said
    assert f"'{tmp_path / 'absent'}' is not a folder" in refusal(task_of(CASES[name], tmp_path / "absent"))
