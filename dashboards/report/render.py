"""The report as one HTML file: plotly.js in it once, nothing fetched, and all that users wrote escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dashboards.dark import dark_colors
from dashboards.plot_page import in_script, recolored_js
from dashboards.points import with_subscripts
from dashboards.report.drawn import DrawnFigure
from dashboards.report.page import Report

SECTIONS = (
    ("answer", "Answer"),
    ("figures", "Figures"),
    ("configurations", "Configurations"),
    ("searched", "Search and effort"),
    ("failures", "Failures"),
    ("provenance", "Provenance"),
    ("rerun", "Running it again"),
)
"""What the contents of a single sweep's report lead to."""


def render(report: Report, version: str) -> str:
    """Return the page; a browser runs no script in it but its own two, whatever escaping may have missed."""
    environment = Environment(
        loader=PackageLoader("dashboards", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["method"] = _as_printed
    plotly, script = get_plotlyjs(), recolored_js() + _own_file("figures.js")
    texts = [figure.json for figure in _figures(report)]
    return environment.get_template("page.html.j2").render(
        report=report,
        version=version,
        sections=[each for each in SECTIONS if _has(report, each[0])],
        style=Markup(_own_file("style.css")),
        plotly=Markup(plotly),
        script=Markup(script),
        script_hashes=Markup(" ".join(map(_source_of, (plotly, script)))),
        dark_colors=Markup(in_script(json.dumps(dark_colors(texts)))),
        as_json=Markup,
    )


def _as_printed(text: str) -> Markup:
    """Escaped, with raised and lowered letters as the paper prints them; for the inside of elements alone."""
    return Markup(with_subscripts(text))


def _has(report: Report, section: str) -> bool:
    part = report.parts[0]
    return {"figures": bool(part.figures), "configurations": part.configurations is not None}.get(
        section, True
    )


def _figures(report: Report) -> Iterator[DrawnFigure]:
    if report.sizes:
        yield report.sizes
    for part in report.parts:
        yield from part.figures


def _source_of(script: str) -> str:
    """How a Content-Security-Policy names an inline script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _own_file(name: str) -> str:
    return (resources.files("dashboards.report") / name).read_text(encoding="utf-8")
