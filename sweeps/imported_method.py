"""Which method a result that was trained elsewhere is of, and whether its count of parameters is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from methods.base import Shape
from methods.errors import FrontuneError
from methods.registry import known_methods
from storage.records import Value
from sweeps.point import RECIPE_KEYS, Point, parameter_types, typed_values
from sweeps.training.recipe import Recipe


@dataclass(frozen=True)
class Described:
    """A method as results are shown with it; `hyperparameters` are all of them where it is known whole."""

    method: str
    title: str
    label: str
    hyperparameters: Mapping[str, Value]


def described(
    written: str, values: Mapping[str, Value], trainable_params: int, shape: Callable[[], Shape]
) -> Described:
    """Return what a method written as ``lora``, ``LoRA`` or ``IA3`` is; one that is not known keeps its name.

    Of one that is known, with its hyperparameters among the `values`, the closed form is held against
    `trainable_params` on the base of this shape. Raises FrontuneError where they differ, or where the values
    cannot be.
    """
    name = known_name(written)
    if name is None:
        return Described(written, written, _listed(values), dict(values))
    typed = typed_values(name, values)
    known = known_methods()
    own = [key for key in parameter_types(name) if key not in RECIPE_KEYS and not key.endswith(".lr")]
    if own and not any(key in typed for key in own):
        parts = [known[part] for part in name.split("+")]
        title = parts[0].title if len(parts) == 1 else "+".join(part.short or part.title for part in parts)
        return Described(name, title, "", typed)
    method, _ = Point(name, typed).build(Recipe())
    method.check(shape())
    count = method.count(shape())
    if count != trainable_params:
        what = f"{name} {method.label()}".rstrip()
        raise FrontuneError(
            f"trainable_params is {trainable_params:,}, but {what} has {count:,} on this base; a method that "
            "counts otherwise takes a name of its own"
        )
    return Described(name, method.title, method.label(), method.hyperparameters() | typed)


def known_name(written: str) -> str | None:
    """Return the name of a registered method, or of a sum of such, that is written as its name or as tables
    print it; None for any other."""
    names: dict[str, str] = {}
    for name, method in known_methods().items():
        names |= {text.lower(): name for text in (name, method.title, method.short) if text}
    parts = [names.get(part.strip().lower()) for part in written.split("+")]
    return None if None in parts else "+".join(filter(None, parts))


def _listed(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in values.items())
