"""Documentation that fails: what exists stands in the docs, and what the README says can be run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from methods.registry import known_methods
from sweeps.catalogue import preset_files
from sweeps.cli import main
from sweeps.settings import DecodingSettings, PruningSettings, RecipeSettings, TaskSettings
from sweeps.spec import SweepSpec, check_spec, load_specs
from sweeps.tasks import known_tasks
from sweeps.variants import variants_of
from sweeps.yaml_file import parse_yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SWEEP_FILE = (ROOT / "docs" / "sweep-file.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of a page in one language ("" for none)."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


@pytest.mark.parametrize(
    "model", [SweepSpec, TaskSettings, DecodingSettings, RecipeSettings, PruningSettings]
)
def test_every_key_of_a_sweep_file_stands_in_its_page(model: type[BaseModel]) -> None:
    for key, field in model.model_fields.items():
        if key == "part_of":
            continue  # set by a file that makes several sweeps, never written in one
        assert re.search(rf"^ *{key}:", SWEEP_FILE, flags=re.MULTILINE), key
        assert field.description, key


def test_every_method_task_and_command_stands_in_the_readme() -> None:
    for name in [*known_methods(), *known_tasks()]:
        assert f"`{name}`" in README, name
    for command in main.commands:
        if command not in ("schema", "version"):
            assert f"frontune {command}" in README, command
    assert "frontune schema" in SWEEP_FILE


@pytest.mark.parametrize("text", [*blocks(README, "yaml"), *blocks(SWEEP_FILE, "yaml")])
def test_every_sweep_file_in_the_docs_is_valid(text: str) -> None:
    content = {"name": "study"} | parse_yaml(text, "the page")
    assert [check_spec(variant, "the page") for variant in variants_of(content, "the page")]


@pytest.mark.parametrize("name", preset_files())
def test_every_preset_is_valid_and_keeps_its_file_name(name: str) -> None:
    assert {spec.part_of or spec.name for spec in load_specs(preset_files()[name])} == {name}


def test_every_command_in_the_readme_exists_with_its_options() -> None:
    (commands,) = [block for block in blocks(README, "") if "frontune run" in block]
    for line in commands.splitlines():
        _, name, *arguments = shlex.split(line, comments=True)
        command = main.commands[name]
        command.make_context(name, arguments, resilient_parsing=False)


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_makefile_and_ci_run_the_one_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("ruff format --check", "ruff check", "mypy", "lint-imports", "pytest"):
        assert command in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["check"]["steps"]
    assert any(step.get("run") == "make test" for step in steps)
