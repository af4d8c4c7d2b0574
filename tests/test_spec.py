"""The sweep file: defaults, short forms, overrides, its schema, and one sentence for any nonsense."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from methods.errors import FrontuneError
from methods.registry import known_methods
from sweeps.catalogue import preset_files
from sweeps.cli import main
from sweeps.settings import RecipeSettings, TaskSettings
from sweeps.spec import SweepSpec, check_spec, load_specs
from sweeps.sweep_schema import sweep_schema
from sweeps.tasks import known_tasks
from sweeps.training.recipe import Recipe
from sweeps.yaml_file import parse_yaml
from tests.conftest import Frontune

VALID: dict[str, Any] = {
    "name": "s",
    "base": "tiny",
    "task": {"name": "demo", "train_examples": 100},
    "methods": {
        "lora": {"r_q": {"low": 1, "high": 8, "log": True}, "r_v": "r_q", "lr": [1e-3, 1e-2]},
        "prefix_embed": {"l_p": [1, 2]},
        "lora+prefix_layer": {"lora": {"r_q": 4}, "prefix_layer": {"l_p": 2, "lr": 0.1}, "batch_size": 4},
    },
    "points": ["adapter_h(r=8, lr=1e-3)", "fine_tune"],
    "recipe": {"steps": 10, "schedule": "cosine"},
    "sampler": "tpe",
    "trials": 9,
    "seeds": [0, 1],
}


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def load_spec(file: Path, overrides: tuple[str, ...] = ()) -> SweepSpec:
    (spec,) = load_specs(file, overrides)
    return spec


def test_a_file_of_four_keys_is_a_sweep_named_after_it_with_every_default(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, "base: tiny\ntask: demo\nmethods: {fine_tune: }\ntrials: 1\n"))
    assert (spec.name, spec.task.name, spec.methods) == ("mine", "demo", {"fine_tune": {}})
    assert (spec.sampler, spec.balance, spec.seeds, spec.workspace) == ("random", "equal", [0], "runs")
    assert not spec.trust_remote_code
    assert spec.recipe.recipe(seed=3) == Recipe(seed=3)


def test_every_setting_of_the_recipe_reaches_the_trials_recipe() -> None:
    own = set(RecipeSettings.model_fields) - {"dtype"}
    assert own == set(Recipe().without("part_lr", "seed"))


def test_a_point_may_stand_outside_every_search_space() -> None:
    spec = check_spec(VALID | {"points": ["lora(r_q=500, r_v=1, lr=3)"]}, "F")
    assert spec.explicit_points()[0].values == {"r_q": 500, "r_v": 1, "lr": 3.0}


@pytest.mark.parametrize(
    ("override", "key", "wanted"),
    [
        ("recipe.steps=7", "recipe.steps", 7),
        ("recipe.lr=1e-3", "recipe.lr", 1e-3),
        ("seeds=[3, 4]", "seeds", [3, 4]),
        ("trials=null", "trials", None),
        ("methods.fine_tune.lr=[1e-4, 1e-3]", "methods.fine_tune.lr", [1e-4, 1e-3]),
        ("methods.lora={r_q: 2}", "methods.lora", {"r_q": 2}),
        ("workspace=some/folder", "workspace", "some/folder"),
        ("name=other", "name", "other"),
        ("workspace=a=b", "workspace", "a=b"),
    ],
)
def test_an_override_sets_one_key(tmp_path: Path, override: str, key: str, wanted: Any) -> None:
    file = write(tmp_path, "base: tiny\ntask: demo\npoints: [fine_tune]\nmethods:\nrecipe:\n")
    earlier = ("recipe.epochs=1", "methods.fine_tune.lr=1", "trials=2", "sampler=grid")
    value: Any = load_spec(file, (*earlier, override)).model_dump()
    for step in key.split("."):
        value = value[step]
    assert value == wanted


def test_a_task_given_as_a_name_may_get_settings_by_override(tmp_path: Path) -> None:
    file = write(tmp_path, "base: tiny\ntask: mnli\npoints: [fine_tune]\n")
    task = load_spec(file, ("task.data=here", "task.train_examples=5")).task
    assert (task.name, task.data, task.train_examples) == ("mnli", "here", 5)
    assert load_spec(file, ("task=demo",)).task.name == "demo"


@pytest.mark.parametrize(
    "override",
    ["", "=1", "trials", ".x=1", "recipe.=1", "recipe..steps=1", "trials.x=1", "trials=[", "a: b=1"],
)
def test_a_wrong_override_is_refused_in_one_sentence(tmp_path: Path, override: str) -> None:
    file = write(tmp_path, "base: tiny\ntask: demo\npoints: [fine_tune]\ntrials: 2\n")
    with pytest.raises(FrontuneError) as caught:
        load_spec(file, (override,))
    assert len(str(caught.value).splitlines()) == 1


def test_yaml_numbers_are_numbers_and_merge_keys_may_be_overridden() -> None:
    assert parse_yaml("[1e-3, 1E5, -2e+1, 1_0, .5]", "x") == [1e-3, 1e5, -20.0, 10, 0.5]
    text = "a: &a {r_q: 1, lr: 2}\nb: {<<: *a, lr: 3}"
    assert parse_yaml(text, "x")["b"] == {"r_q": 1, "lr": 3}


@pytest.mark.parametrize("name", preset_files())
def test_every_preset_is_a_sweep_file(name: str) -> None:
    for spec in load_specs(preset_files()[name]):
        assert name in (spec.name, spec.part_of)
        assert spec.methods or spec.points


def test_the_schema_knows_every_key_task_and_method_and_what_may_be_left_out() -> None:
    schema = sweep_schema()
    assert set(schema["properties"]) == set(SweepSpec.model_fields) - {"part_of"} | {"variants"}
    assert set(schema["required"]) == {"base", "task"}
    assert set(schema["$defs"]["TaskSettings"]["properties"]) == set(TaskSettings.model_fields)
    assert schema["properties"]["task"]["anyOf"][0]["enum"] == list(known_tasks())
    blocks = schema["properties"]["methods"]["properties"]
    assert set(blocks) == set(known_methods())
    assert {"r_q", "alpha", "lr", "batch_size"} <= set(blocks["lora"]["properties"])
    for properties in (schema["properties"], *(d["properties"] for d in schema["$defs"].values())):
        assert all("description" in entry for entry in properties.values())


def test_the_command_prints_the_schema_as_json(frontune: Frontune) -> None:
    assert json.loads(frontune("schema").stdout) == sweep_schema()
    assert "schema" in main.commands


def test_any_mutation_of_a_sweep_file_is_a_sweep_or_one_sentence() -> None:
    draw = random.Random(0)
    outcomes = {"sweep": 0, "error": 0}
    for _ in range(600):
        content = copy.deepcopy(VALID)
        for _ in range(draw.randint(1, 3)):
            mutate(content, draw)
        said = ""
        try:
            check_spec(content, "F")
        except FrontuneError as error:
            said = str(error)
        outcomes["error" if said else "sweep"] += 1
        assert not said or (said.startswith("F: ") and len(said.splitlines()) == 1)
    assert min(outcomes.values()) > 50


def test_any_mutation_of_a_sweep_files_text_is_a_sweep_or_one_sentence(tmp_path: Path) -> None:
    draw = random.Random(1)
    text = yaml.safe_dump(VALID)
    for _ in range(150):
        letters = list(text)
        for _ in range(draw.randint(1, 6)):
            letters[draw.randrange(len(letters))] = draw.choice(
                [*"\t\n:-[]{}&*!#'\"%@`|>,?0aé", "\x00", "<<: ", "!!x "]
            )
        file = write(tmp_path, "".join(letters))
        said = str(file)
        try:
            load_spec(file)
        except FrontuneError as error:
            said = str(error)
        assert str(file) in said


ODD: list[Any] = [
    None, True, 0, -1, 1, 2.5, 1e400, float("nan"), 10**30, 10**400, 10**5000, "", " ", "r_q", "é\n",
    "lora", "\x00", "~/x", "a/../b", [], [[]], [1, 1], [1, "x"], [None], {}, {"low": 1}, {"low": 3,
    "high": 1}, {1: 2}, {None: None}, {"low": 0, "high": 4, "log": True}, {"low": "a", "high": "b"},
    {"lora": {}}, {"": 1}, "lora(r_q=1)+lora(r_q=2)", "lora(", "tpe", b"bytes", {1, 2}, (1, 2),
    object(), "x" * 500,
]  # fmt: skip


def mutate(content: dict[Any, Any], draw: random.Random) -> None:
    """Replace, remove or rename one key or one item somewhere, or add one."""
    holder, key = draw.choice(list(places(content)))
    action = draw.choice(["replace", "replace", "replace", "remove", "rename", "add"])
    if action == "replace":
        holder[key] = copy.deepcopy(draw.choice(ODD)) if draw.random() < 0.8 else holder[key]
    elif action == "remove":
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(draw.choice(ODD)))
    else:
        name = draw.choice(
            ["lr", "r_v", "x", "fine_tune", "lora+lora", "+", "steps", 3, "base", "data", "log"]
        )
        holder[name] = holder.pop(key) if action == "rename" else copy.deepcopy(draw.choice(ODD))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of nested dicts and lists."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in list(entries):
        yield value, key
        yield from places(inner)
