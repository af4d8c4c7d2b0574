"""A point of a search space: a method's hyperparameters and what it changes of the recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from methods.base import Method
from methods.errors import FrontuneError, unknown_name
from methods.expression import Parts, build_method
from methods.registry import check_value, field_types, known_methods
from sweeps.training.recipe import Recipe

RECIPE_KEYS = {
    "lr": float,
    "schedule": str,
    "warmup_tokens": int,
    "warmup_steps": int,
    "epochs": float,
    "steps": int,
    "batch_size": int,
    "micro_batch": int,
    "weight_decay": float,
    "grad_clip": float,
    "label_smoothing": float,
}
"""What a method's block may set of the recipe, for itself, and search."""


@dataclass(frozen=True)
class Point:
    """`values` are all parameters by name (``r_q``, ``lr``; in a sum ``lora.r_q``, ``lora.lr``)."""

    method: str
    values: Mapping[str, Any]

    def build(self, recipe: Recipe) -> tuple[Method, Recipe]:
        """Return the method and the recipe of this point; raises FrontuneError if a value cannot be."""
        names = self.method.split("+")
        parts: dict[str, dict[str, Any]] = {name: {} for name in names}
        changes: dict[str, Any] = {}
        part_lr: dict[str, float] = {}
        for key, value in self.values.items():
            part, _, inner = key.rpartition(".")
            if not part and key in RECIPE_KEYS:
                changes[key] = value
            elif inner == "lr":
                part_lr[part] = value
            else:
                parts[part or names[0]][inner] = value
        return build_method(list(parts.items())), dataclasses.replace(recipe, part_lr=part_lr, **changes)


def check_all_count(method: str, keys: Collection[str], recipe: Recipe, where: str) -> None:
    """Raise FrontuneError if one of these parameters of a method changes nothing: searched, it would give one
    configuration many names."""
    if "epochs" in keys and (recipe.steps is not None or "steps" in keys):
        of = "beside it" if "steps" in keys else "in the recipe"
        raise FrontuneError(f"{where}.epochs: the length is given as 'steps' {of}, which counts instead")
    parts = method.split("+")
    if "lr" in keys and len(parts) > 1 and all(f"{part}.lr" in keys for part in parts):
        raise FrontuneError(f"{where}.lr: each part has a learning rate of its own, which counts instead")


def point_of(parts: Parts) -> Point:
    """Return the point that a written method such as ``lora(r_q=8, lr=1e-3)`` describes."""
    if len(parts) == 1:
        name, values = parts[0]
        return Point(name, typed_values(name, values))
    flat = {f"{name}.{key}": value for name, values in parts for key, value in values.items()}
    method = "+".join(name for name, _ in parts)
    return Point(method, typed_values(method, flat))


def typed_values(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check each parameter's name and type; whole floats become ints where ints are wanted."""
    types = parameter_types(method)
    typed = {}
    for key, value in values.items():
        if key not in types:
            raise FrontuneError(unknown_name(f"parameter of {method}", key, types))
        typed[key] = check_value(f"{method}: {key}", value, types[key])
        check_recipe_value(key, typed[key], method)
    return typed


def check_recipe_value(key: str, value: Any, where: str) -> None:
    """Raise FrontuneError, which starts with `where`, if no recipe can have this value."""
    name = key.rpartition(".")[2]
    if key not in RECIPE_KEYS and name != "lr":
        return
    try:
        dataclasses.replace(Recipe(), **{name: value})
    except FrontuneError as error:
        raise FrontuneError(f"{where}: {str(error).removeprefix('recipe: ')}") from error


def parameter_types(method: str) -> dict[str, type]:
    """Every parameter that a method's block may name, with its type. Raises for an unknown method."""
    known = known_methods()
    names = method.split("+")
    for number, name in enumerate(names):
        if name not in known:
            raise FrontuneError(unknown_name("method", name, known))
        if name in names[:number]:
            raise FrontuneError(f"{method}: {name!r} stands in the sum twice")
    if len(names) == 1:
        return field_types(known[method]) | RECIPE_KEYS
    types: dict[str, type] = {}
    for name in names:
        types |= {f"{name}.{key}": wanted for key, wanted in field_types(known[name]).items()}
        types[f"{name}.lr"] = float
    return types | RECIPE_KEYS
