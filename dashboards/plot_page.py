"""A figure as a page of its own: one file that fetches nothing, light or dark as the reader's system is."""

from __future__ import annotations

import html
import json
from importlib import resources
from typing import TYPE_CHECKING

from dashboards.dark import SURFACE, dark_colors

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ margin: 0; color-scheme: light; }}
#plot {{ height: {height}; }}
@media screen and (prefers-color-scheme: dark) {{ body {{ background: {surface}; color-scheme: dark; }} }}
</style>
</head>
<body>
<div id="plot" role="img" aria-label="{title}" aria-describedby="words"></div>
<p id="words" hidden>{words}</p>
<script type="application/json" id="figure">{figure}</script>
<script type="application/json" id="dark-colors">{colors}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


def plot_page(figure: go.Figure, words: str) -> str:
    """Return the page; it goes dark and light with the system, and is light on paper. `words` say what the
    figure shows, for who cannot see it."""
    from plotly.offline import get_plotlyjs

    text: str = figure.to_json()
    return _PAGE.format(
        title=html.escape(str(figure.layout.meta or "Frontune")),
        words=html.escape(words),
        surface=SURFACE,
        height=f"{figure.layout.height}px" if figure.layout.height else "100vh",
        figure=in_script(text),
        colors=in_script(json.dumps(dark_colors([text]))),
        plotly=get_plotlyjs(),
        script=recolored_js() + _own_file("plot_page.js"),
    )


def in_script(json: str) -> str:
    """Return JSON that nothing in it can end the script element of; as JSON it is the same."""
    return json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def recolored_js() -> str:
    """The script that gives figures the colours of a dark page."""
    return _own_file("recolored.js")


def _own_file(name: str) -> str:
    return (resources.files("dashboards") / name).read_text(encoding="utf-8")
