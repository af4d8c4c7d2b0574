"""The figures of `frontune plot --figure KIND`: a module each, named as the kind.

A new figure costs one file: `TITLE`, what it shows in plain words, its data function, `draw(source)`, which
draws what that returns, and `in_words(source)`, which says the same to who cannot see it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, cast

from dashboards.figure_layout import say_whose

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboards.figure_source import Source
    from dashboards.text_alternative import TextAlternative


def figure_names() -> list[str]:
    """Every kind of figure, sorted; nothing is imported for it."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def figure_title(kind: str) -> str:
    """Say what one of `figure_names` shows."""
    return cast("str", _module(kind).TITLE)


def draw_figure(kind: str, source: Source) -> go.Figure:
    """Draw it, under its title and whose it is."""
    return say_whose(_module(kind).draw(source), source.whose)


def figure_in_words(kind: str, source: Source) -> TextAlternative:
    """Say what that figure shows; only where it has data, so that `draw_figure` draws something."""
    return cast("TextAlternative", _module(kind).in_words(source))


def _module(kind: str) -> ModuleType:
    return import_module(f"{__name__}.{kind}")
