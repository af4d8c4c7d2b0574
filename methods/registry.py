"""Methods by name: the package's own modules, the entry points `frontune.methods`, and plugin folders.

A plugin folder is a folder of Python files named in $FRONTUNE_PLUGINS (several, parted as in $PATH).
All three roads end in `register`; adding a method costs one file.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import typing
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import methods
from methods.base import InvalidConfig, Method
from methods.errors import FrontuneError, unknown_name

M = TypeVar("M", bound=type[Method])
_registered: dict[str, type[Method]] = {}


class UnknownMethod(FrontuneError):
    """There is no method of that name where it was looked for."""


def register(method: M) -> M:
    """Class decorator: make a method known by its `name`; a name can be taken only once."""
    taken = _registered.get(method.name)
    if taken is not None and _origin(taken) != _origin(method):
        raise FrontuneError(
            f"method {method.name!r} is registered twice: by {_origin(taken)} and by {_origin(method)}"
        )
    _registered[method.name] = method
    return method


def known_methods() -> dict[str, type[Method]]:
    """Every registered method by name, built-ins and plugins, sorted by name."""
    _load_built_ins()
    for folder in filter(None, os.environ.get("FRONTUNE_PLUGINS", "").split(os.pathsep)):
        _load_folder(folder)
    return dict(sorted(_registered.items()))


def make_method(name: str, /, **hyperparameters: Any) -> Method:
    """Make a method from its name and hyperparameters; both are checked against the known ones."""
    known = known_methods()
    if name not in known:
        raise UnknownMethod(unknown_name("method", name, known))
    method = known[name]
    types = field_types(method)
    for key, value in hyperparameters.items():
        if key not in types:
            raise InvalidConfig(unknown_name(f"hyperparameter of {name}", key, types))
        hyperparameters[key] = check_value(f"{name}: {key}", value, types[key])
    missing = [key for key in required_fields(method) if key not in hyperparameters]
    if missing:
        raise InvalidConfig(f"{name}: {missing[0]} is missing; wanted: {', '.join(types)}")
    try:
        return method(**hyperparameters)
    except FrontuneError:
        raise
    except Exception as error:  # a plugin's own
        raise InvalidConfig(f"{name} refused {hyperparameters}: {error!r}") from error


@cache
def field_types(method: type[Method]) -> dict[str, type]:
    """The hyperparameters of a method and their types (int, float, str or bool)."""
    hints = typing.get_type_hints(method)
    return {name: hints[name] for name in inspect.signature(method).parameters}


def check_value(what: str, value: Any, wanted: type) -> Any:
    """Return the value in the wanted type, or raise InvalidConfig; `what` names it."""
    if wanted is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise InvalidConfig(f"{what} must be {names.get(wanted, wanted.__name__)}, got {value!r}")
    return value


def plugin_fingerprint(method: Method) -> str:
    """A hash over the files of a method's parts that are plugins; empty where all are built in."""
    return _fingerprint(map(type, method.parts))


def plugin_fingerprints(names: Iterable[str]) -> dict[str, str]:
    """The same of each of these methods, or parts of sums, that is a plugin, by its name."""
    known = known_methods()
    parts = sorted({part for name in names for part in name.split("+")})
    return {part: found for part in parts if (found := _fingerprint([known[part]]))}


@cache
def required_fields(method: type[Method]) -> list[str]:
    """The hyperparameters without a default."""
    parameters = inspect.signature(method).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty]


def _fingerprint(methods: Iterable[type[Method]]) -> str:
    digest = hashlib.sha256()
    plugins = [method for method in methods if not method.__module__.startswith("methods.")]
    for method in plugins:
        file = inspect.getsourcefile(method)
        digest.update(Path(file).read_bytes() if file else method.__qualname__.encode())
    return digest.hexdigest()[:16] if plugins else ""


def _origin(method: type[Method]) -> str:
    return f"{inspect.getsourcefile(method)}:{method.__qualname__}"


@cache
def _load_built_ins() -> None:
    for module in pkgutil.iter_modules(methods.__path__):
        if not module.ispkg:
            importlib.import_module(f"methods.{module.name}")
    for point in entry_points(group="frontune.methods"):
        try:
            point.load()
        except FrontuneError:
            raise
        except Exception as error:
            raise FrontuneError(f"plugin {point.value!r} cannot be loaded: {error!r}") from error


@cache
def _load_folder(folder: str) -> None:
    if not Path(folder).is_dir():
        raise FrontuneError(f"FRONTUNE_PLUGINS: {folder!r} is not a folder")
    for file in sorted(Path(folder).glob("*.py")):
        # The name holds the path, so that two folders may each have a file of one name.
        name = f"frontune_plugin_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            if isinstance(error, FrontuneError):
                raise
            raise FrontuneError(f"plugin {file} cannot be loaded: {error!r}") from error
