"""Figures as files: HTML that needs no network, or PNG, SVG and PDF drawn by kaleido in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.files import check_writable, write_atomically
from dashboards.plot_page import plot_page
from methods.errors import FrontuneError

if TYPE_CHECKING:
    import plotly.graph_objects as go

STATIC_SUFFIXES = (".png", ".svg", ".pdf")
WIDTH_PX, HEIGHT_PX = 1000, 620


def write_plot(figure: go.Figure, path: Path, words: str = "") -> None:
    """Write a figure; the suffix says how: .html, .png, .svg or .pdf. A page says `words` to who cannot see.

    Raises FrontuneError for another suffix, a missing folder, or a static picture without a browser.
    """
    suffix = path.suffix.lower()
    if suffix != ".html" and suffix not in STATIC_SUFFIXES:
        known = ", ".join((".html", *STATIC_SUFFIXES))
        raise FrontuneError(f"cannot write a plot to '{path}': got suffix {suffix!r}, known: {known}")
    check_writable(path, "the plot")
    is_page = suffix == ".html"
    data = plot_page(figure, words).encode("utf-8") if is_page else _static(figure, suffix.removeprefix("."))
    write_atomically(path, data, "the plot")


def _static(figure: go.Figure, kind: str) -> bytes:
    import kaleido
    from kaleido.errors import ChromeNotFoundError

    size = {"width": figure.layout.width or WIDTH_PX, "height": figure.layout.height or HEIGHT_PX}
    options = {"format": kind, **size, "scale": 2 if kind == "png" else 1}
    # Without mathjax=False every picture asks a CDN for it. kaleido starts the browser with --no-sandbox
    # by default, which root in a container needs.
    try:
        data = kaleido.calc_fig_sync(figure, opts=options, kopts={"mathjax": False})
    except ChromeNotFoundError as error:
        raise FrontuneError(
            f"cannot draw a .{kind} without Chrome or Chromium: install one with `apt install chromium` or "
            "`plotly_get_chrome`, or set BROWSER_PATH to one; .html always works"
        ) from error
    except Exception as error:
        # A browser that does not start or dies shows as one of a dozen classes of three packages.
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise FrontuneError(f"the browser did not draw a .{kind}: {reason}; .html always works") from error
    return bytes(data)
