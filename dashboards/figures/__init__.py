"""The figures of `frontune plot --figure KIND`: a module each, named as the kind, with two functions.

A new figure costs one file: its data function, `draw(source)`, which draws what that returns, and
`in_words(source)`, which says the same to who cannot see it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dashboards.figure_source import Source
    from dashboards.text_alternative import TextAlternative


def figure_names() -> list[str]:
    """Every kind of figure, sorted; nothing is imported for it."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def draw_figure(kind: str, source: Source) -> go.Figure:
    """Draw one of `figure_names`."""
    return cast("go.Figure", import_module(f"{__name__}.{kind}").draw(source))


def figure_in_words(kind: str, source: Source) -> TextAlternative:
    """Say what that figure shows; only where it has data, so that `draw_figure` draws something."""
    return cast("TextAlternative", import_module(f"{__name__}.{kind}").in_words(source))
