"""A method's block of the sweep file, read into its search space; every value is checked against its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from methods.errors import FrontuneError, unknown_name
from methods.registry import check_value, known_methods, required_fields
from sweeps.point import check_recipe_value, parameter_types
from sweeps.space import Choice, Dimension, Range, SameAs, Space, parse_dimension, shown


def read_space(method: str, block: Mapping[str, Any], *, solved: bool = False) -> Space:
    """Return the search space that a block describes; raises FrontuneError naming the key that is wrong.

    With `solved` (`match_params`) it may leave out sizes that it ties others to, or that the method must
    have: they are searched, until they are solved for.
    """
    where = f"methods.{method}"
    types = _types(method)
    flat = _flat(method, block, where)
    if solved:
        flat = {key: {"low": 1, "high": 2} for key in _left_out(method, flat, types)} | flat
    dimensions: dict[str, Dimension] = {}
    for key, value in flat.items():
        if key not in types:
            raise FrontuneError(f"{where}: {unknown_name('parameter', key, types)}")
        part = key.rpartition(".")[0]
        if isinstance(value, str) and part and f"{part}.{value}" in flat:
            value = f"{part}.{value}"
        if isinstance(value, str) and value == key:
            raise FrontuneError(f"{where}.{key}: it is tied to itself; wanted a value or another parameter")
        dimension = parse_dimension(value, frozenset(flat) - {key}, f"{where}.{key}")
        dimensions[key] = _typed(dimension, f"{where}.{key}", key, types[key])
    for key, dimension in dimensions.items():
        if isinstance(dimension, SameAs):
            _check_tie(key, dimension.key, dimensions, types, where)
    return Space(dimensions)


def _types(method: str) -> dict[str, type]:
    try:
        return parameter_types(method)
    except FrontuneError as error:
        raise FrontuneError(f"methods: {error}") from error


def _flat(method: str, block: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The block with the parts of a sum written out: ``{lora: {r_q: 8}}`` is ``{lora.r_q: 8}``."""
    parts = method.split("+") if "+" in method else []
    flat: dict[str, Any] = {}
    for key, value in block.items():
        if key in parts and not isinstance(value, Mapping | None):
            raise FrontuneError(
                f"{where}.{key}: wanted its parameters as keys and values, got {shown(value)}"
            )
        inner = {f"{key}.{name}": v for name, v in (value or {}).items()} if key in parts else {key: value}
        for name in inner:
            if name in flat:
                raise FrontuneError(f"{where}: the parameter {name!r} stands twice")
        flat |= inner
    return flat


def _left_out(method: str, flat: Mapping[str, Any], types: Mapping[str, type]) -> list[str]:
    """Whole-number parameters that the block names in a tie, or that the method requires, without a value."""
    parts = method.split("+") if "+" in method else [""]
    named = [
        name
        for key, value in flat.items()
        if isinstance(value, str)
        for name in (f"{key.rpartition('.')[0]}.{value}", value)
    ]
    required = [
        f"{part}.{field}".lstrip(".")
        for part in parts
        for field in required_fields(known_methods()[part or method])
    ]
    return [k for k in dict.fromkeys([*named, *required]) if types.get(k) is int and k not in flat]


def _typed(dimension: Dimension, where: str, key: str, wanted: type) -> Dimension:
    """Check every value, so that a wrong one is found before anything runs."""
    if isinstance(dimension, SameAs):
        return dimension
    values = tuple(check_value(where, value, wanted) for value in dimension.corners)
    for value in values:
        check_recipe_value(key, value, where)
    return Choice(values) if isinstance(dimension, Choice) else Range(values[0], values[1], dimension.log)


def _check_tie(
    key: str, other: str, dimensions: Mapping[str, Dimension], types: Mapping[str, type], where: str
) -> None:
    tied = dimensions[other]
    if isinstance(tied, SameAs):
        raise FrontuneError(
            f"{where}.{key}: it is tied to {other}, which is itself tied to {tied.key}; "
            "wanted a parameter with values of its own"
        )
    if types[key] is not types[other] and (types[key], types[other]) != (float, int):
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        got, wanted = names[types[other]], names[types[key]]
        raise FrontuneError(f"{where}.{key}: it is tied to {other}, which is {got}; wanted {wanted}")
