"""A method of one's own costs one file: from a plugin folder, from an entry point, and when it is broken."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from methods import registry
from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.injected import count_elements
from methods.registry import known_methods, plugin_fingerprint
from storage.ledger import Ledger
from storage.records import SweepRecord
from storage.workspace import Workspace
from sweeps.provenance import collect_provenance
from sweeps.running import check_sweep
from sweeps.training.pack import Pack
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, random_base, random_rows
from tests.test_plan import plan_of

PAGE = Path(__file__).parents[1] / "docs" / "adding-a-method.md"
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is forgotten after it."""
    monkeypatch.delenv("FRONTUNE_PLUGINS", raising=False)
    known_methods()
    registered, modules = dict(registry._registered), set(sys.modules)
    yield
    monkeypatch.undo()
    registry._registered.clear()
    registry._registered.update(registered)
    for name in set(sys.modules) - modules:
        if name.startswith(("frontune_plugin_", "my_plugin")):
            del sys.modules[name]
    registry._load_folder.cache_clear()
    registry._load_built_ins.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONTUNE_PLUGINS", str(tmp_path))
    return tmp_path


def offer_entry_point(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = importlib.metadata.EntryPoint("mine", value, "frontune.methods")

    def entry_points(group: str) -> list[importlib.metadata.EntryPoint]:
        assert group == "frontune.methods"
        return [point]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    registry._load_built_ins.cache_clear()


def check_trains(text: str, family: str) -> None:
    base, rows = random_base(family), random_rows(12)
    recipe = Recipe(lr=1e-2, steps=2, batch_size=4)
    slots = [
        Slot(base, parse_method(t), recipe, rows) for t in (text, "lora(r_q=2)", f"{text} + lora(r_v=1)")
    ]
    for slot in slots:
        assert slot.trainable_params == slot.method.count(base.shape) == count_elements(slot.method, base)
    start = {name: p.detach().clone() for name, p in slots[0].parameters.items()}
    pack = Pack(base, slots, 0)
    assert not pack.step()
    assert not pack.step()
    assert not any(torch.equal(p, start[name]) for name, p in slots[0].parameters.items())


@pytest.mark.parametrize("family", CONFIGS)
def test_the_method_in_the_docs_works_from_a_plugin_folder(folder: Path, family: str) -> None:
    (folder / "attention_factors.py").write_text(EXAMPLE)
    assert "ia3" in known_methods()
    assert parse_method("ia3(keys=False)").label() == "keys = False, values = True"
    assert parse_method("ia3 + lora(r_q=1)").title == "IA3+LoRA"
    check_trains("ia3", family)


def test_the_method_in_the_docs_works_through_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_plugin.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    assert "ia3" not in known_methods()
    offer_entry_point(monkeypatch, "my_plugin:IA3")
    assert "ia3" in known_methods()
    check_trains("ia3()", "llama")


def test_tests_before_this_one_left_no_plugin_behind() -> None:
    assert "ia3" not in known_methods()


def test_two_folders_may_each_have_a_file_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(EXAMPLE.replace('"ia3"', f'"ia3_{name}"'))
    monkeypatch.setenv("FRONTUNE_PLUGINS", f"{tmp_path / 'one'}:{tmp_path / 'other'}")
    assert {"ia3_one", "ia3_other"} <= set(known_methods())


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_module_at_all\n", "no_such_module_at_all"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_broken_plugin_file_is_named_in_one_sentence(folder: Path, source: str, why: str) -> None:
    file = folder / "broken.py"
    file.write_text(source)
    with pytest.raises(FrontuneError) as caught:
        known_methods()
    message = str(caught.value)
    assert message.startswith(f"plugin {file} cannot be loaded: ")
    assert why in message
    assert "\n" not in message
    file.write_text(EXAMPLE)
    assert "ia3" in known_methods()


def test_a_name_that_is_taken_is_refused_with_both_places(folder: Path) -> None:
    file = folder / "clash.py"
    file.write_text(EXAMPLE.replace('"ia3"', '"lora"'))
    for _ in range(2):
        with pytest.raises(FrontuneError, match="'lora' is registered twice") as caught:
            known_methods()
        assert f"{file}:IA3" in str(caught.value)
        assert "lora.py:LoRA" in str(caught.value)
    assert not [name for name in sys.modules if name.startswith("frontune_plugin_")]
    file.unlink()
    assert known_methods()["lora"].__module__ == "methods.lora"


def test_a_broken_entry_point_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    offer_entry_point(monkeypatch, "no_such_module_at_all:Method")
    with pytest.raises(FrontuneError, match="plugin 'no_such_module_at_all:Method' cannot be loaded"):
        known_methods()


def test_a_plugin_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTUNE_PLUGINS", str(tmp_path / "absent"))
    with pytest.raises(FrontuneError, match=r"FRONTUNE_PLUGINS: .*absent' is not a folder"):
        known_methods()


def test_a_plugins_code_is_part_of_its_fingerprint_and_built_ins_have_none(folder: Path) -> None:
    file = folder / "mine.py"
    file.write_text(EXAMPLE)
    before = plugin_fingerprint(parse_method("ia3 + lora(r_q=1)"))
    file.write_text(EXAMPLE + "# another\n")
    assert plugin_fingerprint(parse_method("ia3 + lora(r_q=1)")) not in (before, "")
    assert plugin_fingerprint(parse_method("lora(r_q=1) + prefix_embed(l_p=1)")) == ""


def test_a_sweep_is_not_gone_on_with_once_the_code_of_its_plugin_has_changed(folder: Path, base: str) -> None:
    file, workspace = folder / "mine.py", Workspace.open(folder / "runs", create=True)
    file.write_text(EXAMPLE)
    plan = plan_of(base, methods={"ia3+lora": {"lora.r_q": 1}}, workspace=str(workspace.root))
    spec, provenance = plan.spec, collect_provenance(plan, "cpu")
    content = spec.model_dump(mode="json")
    with closing(Ledger.open(workspace.database_url)) as ledger:
        ledger.add_sweep(SweepRecord(spec.name, base, "demo", "accuracy", content, provenance.created_at))
        ledger.add_provenance(spec.name, provenance)
    check_sweep(spec)
    file.write_text(EXAMPLE + "# another\n")
    with pytest.raises(FrontuneError, match=r"begun with another code of the method ia3: it was \w+, is \w+"):
        check_sweep(spec)


def test_a_plugin_that_raises_when_it_is_made_is_named_in_one_sentence(folder: Path) -> None:
    own = "    def __post_init__(self) -> None:\n        raise ZeroDivisionError('oh')\n\n    def count("
    (folder / "mine.py").write_text(EXAMPLE.replace("    def count(", own))
    with pytest.raises(FrontuneError, match=r"ia3 refused \{\}: ZeroDivisionError\('oh'\)"):
        parse_method("ia3")


def test_a_closed_form_that_is_wrong_shows_itself(folder: Path) -> None:
    (folder / "wrong.py").write_text(EXAMPLE.replace("shape.n_layers * sum(", "sum("))
    method, base = parse_method("ia3"), random_base("llama")
    assert method.count(base.shape) == 2 * 12
    assert count_elements(method, base) == 3 * 2 * 12
