"""The figures of `frontune plot --figure KIND`: a module each, named as the kind, with a function `draw`.

A new figure costs one file: its data function, and `draw(source)`, which draws what that returns.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboards.figure_source import Source


def figure_names() -> list[str]:
    """Every kind of figure, sorted; nothing is imported for it."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def draw_figure(kind: str, source: Source) -> go.Figure:
    """Draw one of `figure_names`."""
    return cast("go.Figure", import_module(f"{__name__}.{kind}").draw(source))
