"""What is trained: methods, their edits, and the frozen base they share.

The names below are imported when first used, so that `methods.errors` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from methods.base import Edit, Method, Shape, Site
    from methods.errors import FrontuneError
    from methods.expression import parse_method
    from methods.frozen import FrozenBase
    from methods.kept import load_adapter
    from methods.loading import load_base
    from methods.registry import known_methods, register

_HOMES = {
    "Edit": "base",
    "Method": "base",
    "Shape": "base",
    "Site": "base",
    "FrontuneError": "errors",
    "parse_method": "expression",
    "FrozenBase": "frozen",
    "load_adapter": "kept",
    "load_base": "loading",
    "known_methods": "registry",
    "register": "registry",
}

__all__ = [
    "Edit",
    "FrontuneError",
    "FrozenBase",
    "Method",
    "Shape",
    "Site",
    "known_methods",
    "load_adapter",
    "load_base",
    "parse_method",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'methods' has no attribute {name!r}")
    return getattr(importlib.import_module(f"methods.{_HOMES[name]}"), name)
