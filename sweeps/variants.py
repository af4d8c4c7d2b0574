"""One sweep file, several sweeps: a list of `train_examples`, or `variants` that each change some keys.

``task.train_examples: [100, 1000]`` in the file ``study`` makes the sweeps ``study-100`` and ``study-1000``;
``variants: {medium: {base: gpt2-medium}}`` makes ``study-medium``. With both, a variant named 100 changes
the sweep of 100 examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from methods.errors import FrontuneError, unknown_name
from sweeps.space import shown

ALL = "all"
"""The name of the variant that trains on every example."""


def variants_of(
    content: Mapping[str, Any], where: str, *, sizes_are_chosen: bool = False
) -> list[dict[str, Any]]:
    """Return the content of each sweep of a file; a file without variants is one sweep.

    Where the sizes were chosen from outside the file, its changes to other sizes do not count.
    """
    content = dict(content)
    changes = _changes(content.pop("variants", None), where)
    sized = [name for name in changes if name.isdigit() or name == ALL]
    if sizes_are_chosen and sized:
        content["task"] = _with_a_list_of_sizes(content["task"])
        chosen = map(_size_name, _sizes(content) or [])
        changes = {name: changes[name] for name in chosen if name in changes}
    sizes = _sizes(content)
    if sizes is None:
        names = list(changes)
        if sized:
            raise FrontuneError(
                f"{where}: variants: {sized[0]!r} names a number of examples, but task.train_examples is no "
                "list; wanted one with it"
            )
    else:
        names = list(map(_size_name, sizes))
        _check_sizes(sizes, names, changes, where)
        by_size = dict(zip(names, sizes, strict=True))
        changes = {
            name: merged({"task": {"train_examples": by_size[name]}}, changes.get(name, {})) for name in names
        }
    if not names:
        return [content]
    named = {"part_of": content["name"]}
    return [merged(content, changes[name]) | named | {"name": f"{content['name']}-{name}"} for name in names]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the keys of `above`; where both hold keys and values, these are merged alike."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if key == "task" and isinstance(old, str):
            old = {"name": old}
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        # A search space is replaced whole: half of each would be nobody's.
        result[key] = merged(old or {}, value) if both and key != "methods" else value
    return result


def _changes(variants: Any, where: str) -> dict[str, Mapping[str, Any]]:
    if variants is None:
        return {}
    if not isinstance(variants, Mapping) or not all(isinstance(v, Mapping) for v in variants.values()):
        raise FrontuneError(
            f"{where}: variants: wanted a name and the keys it changes, got {shown(variants)}"
        )
    return {str(name): changes for name, changes in variants.items()}


def _sizes(content: Mapping[str, Any]) -> list[Any] | None:
    task = content.get("task")
    sizes = task.get("train_examples") if isinstance(task, Mapping) else None
    return sizes if isinstance(sizes, list) else None


def _with_a_list_of_sizes(task: Mapping[str, Any]) -> dict[str, Any]:
    """One size is a list of one: the sweep keeps the size's name and the file's changes to it."""
    size = task["train_examples"]
    return {**task, "train_examples": size if isinstance(size, list) else [size]}


def _size_name(size: Any) -> str:
    return ALL if size is None else str(size)


def _check_sizes(sizes: list[Any], names: list[str], changes: Mapping[str, Any], where: str) -> None:
    if not sizes or len(set(names)) < len(names):
        raise FrontuneError(
            f"{where}: task.train_examples: wanted different numbers (null for all), got {shown(sizes)}"
        )
    for name in changes:
        if name not in names:
            raise FrontuneError(f"{where}: variants: {unknown_name('number of examples', name, names)}")
