"""One file, several sweeps: by number of examples, by named changes, and what overrides mean then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from methods.errors import FrontuneError
from sweeps.spec import load_specs
from sweeps.variants import merged, variants_of

FILE: dict[str, Any] = {
    "base": "tiny",
    "task": {"name": "mnli", "train_examples": [100, 1000, None]},
    "points": ["lora(r_q=1)"],
    "recipe": {"epochs": 40, "batch_size": 20},
    "variants": {"all": {"recipe": {"epochs": 2}, "points": ["lora(r_q=8)"]}},
}


def write(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def test_a_list_of_sizes_makes_a_sweep_of_each_and_variants_change_one(tmp_path: Path) -> None:
    specs = load_specs(write(tmp_path, FILE))
    assert [(s.name, s.part_of) for s in specs] == [
        ("study-100", "study"),
        ("study-1000", "study"),
        ("study-all", "study"),
    ]
    assert [s.task.train_examples for s in specs] == [100, 1000, None]
    assert [(s.recipe.epochs, s.recipe.batch_size) for s in specs] == [(40, 20), (40, 20), (2, 20)]
    assert [s.points for s in specs] == [["lora(r_q=1)"], ["lora(r_q=1)"], ["lora(r_q=8)"]]


def test_variants_alone_make_a_sweep_of_each_name(tmp_path: Path) -> None:
    variants = {"small": {"recipe": {"steps": 3}}, "mnli": {"task": {"name": "mnli"}}}
    content = FILE | {"task": "demo", "variants": variants}
    specs = load_specs(write(tmp_path, content))
    assert [(s.name, s.task.name, s.recipe.steps) for s in specs] == [
        ("study-small", "demo", 3),
        ("study-mnli", "mnli", None),
    ]


def test_a_file_without_variants_is_one_sweep_that_is_part_of_nothing(tmp_path: Path) -> None:
    (spec,) = load_specs(write(tmp_path, FILE | {"task": "demo", "variants": None}))
    assert (spec.name, spec.part_of) == ("study", None)


def test_overrides_count_for_every_variant_and_may_choose_the_sizes(tmp_path: Path) -> None:
    file = write(tmp_path, FILE)
    overrides = ("recipe.epochs=1", "name=mine", "task.train_examples=[5, null]", "base=smollm2-135m")
    specs = load_specs(file, overrides)
    assert [s.name for s in specs] == ["mine-5", "mine-all"]
    assert {s.recipe.epochs for s in specs} == {1.0}
    assert {s.base for s in specs} == {"smollm2-135m"}
    assert load_specs(file, ("variants.all.recipe.epochs=7",))[2].recipe.epochs == 7


def test_a_number_is_a_name_whether_quoted_or_not(tmp_path: Path) -> None:
    content = FILE | {"variants": {100: {"recipe": {"batch_size": 4}}}}
    first, *_ = load_specs(write(tmp_path, content), ("variants.100.recipe.steps=7",))
    assert (first.name, first.recipe.batch_size, first.recipe.steps) == ("study-100", 4, 7)


def test_one_size_by_override_is_one_sweep(tmp_path: Path) -> None:
    content = {k: v for k, v in FILE.items() if k != "variants"}
    (spec,) = load_specs(write(tmp_path, content), ("task.train_examples=5",))
    assert (spec.name, spec.task.train_examples) == ("study", 5)


@pytest.mark.parametrize("chosen", ["null", "[null]", "[7, null]"])
def test_sizes_chosen_by_override_leave_out_the_changes_to_other_sizes(tmp_path: Path, chosen: str) -> None:
    content = FILE | {"variants": FILE["variants"] | {100: {"recipe": {"steps": 3}}}}
    *_, last = load_specs(write(tmp_path, content), (f"task.train_examples={chosen}",))
    assert (last.name, last.recipe.epochs, last.recipe.steps) == ("study-all", 2, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": {"1001": {}}}, "unknown number of examples '1001'; did you mean '100'"),
        ({"variants": [1]}, "variants: wanted a name and the keys it changes, got \\[1\\]"),
        ({"variants": {"all": 3}}, "variants: wanted a name and the keys"),
        ({"task": {"name": "mnli", "train_examples": []}}, "wanted different numbers"),
        ({"task": {"name": "mnli", "train_examples": [5, 5]}, "variants": None}, "wanted different numbers"),
        ({"task": {"name": "mnli", "train_examples": [0]}, "variants": None}, "task.train_examples"),
        ({"variants": {"all": {"bas": "x"}}}, "unknown key 'bas'; did you mean 'base'"),
        ({"task": "demo", "variants": {100: {}}}, "'100' names a number of examples"),
    ],
)
def test_wrong_variants_are_refused_in_one_sentence(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(FrontuneError, match=message) as caught:
        load_specs(write(tmp_path, FILE | change))
    assert "\n" not in str(caught.value)


def test_merging_keeps_what_is_not_named_and_replaces_search_spaces_whole() -> None:
    below = {"task": "mnli", "recipe": {"steps": 1, "lr": 2}, "methods": {"lora": {}}}
    above = {"task": {"data": "x"}, "recipe": {"lr": 3}, "methods": {"adapter_h": {}}}
    assert merged(below, above) == {
        "task": {"name": "mnli", "data": "x"},
        "recipe": {"steps": 1, "lr": 3},
        "methods": {"adapter_h": {}},
    }
    assert variants_of({"name": "x"}, "F") == [{"name": "x"}]
