"""Figures on a dark page: for each colour that they are drawn in, the one that takes its place there."""

from __future__ import annotations

import colorsys
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

SURFACE = "#1c1c1c"
"""What dark figures stand on; the style sheets say the same."""
_LEAST_CONTRAST = 4.5
_GREY = 0.12
"""With less saturation a colour is a grey, which is turned over; others keep their hue."""
_ONE = r"#[0-9A-Fa-f]{6}|white|black|rgba?\([\d., ]+\)"
_COLOUR, _QUOTED = re.compile(_ONE), re.compile(f'"({_ONE})"')
_HEAT_MAPS = "coloraxis"
"""Neighbours in a heat map stand out from each other, so that its scale stays; lines stand on the surface."""
_NAMED = {"white": "#ffffff", "black": "#000000"}
Rgb = tuple[float, float, float]


def dark_colors(texts: list[str]) -> dict[str, str]:
    """Return what to draw each colour with that stands in these JSON texts."""
    found = sorted({colour for text in texts for colour in _QUOTED.findall(text)})
    return {colour: dark_color(colour) for colour in found}


def dark_figure(figure: go.Figure) -> dict[str, Any]:
    """Return a figure, as plotly's JSON has it, in the colours that it has on a dark page.

    `recolored.js` does the same in the browser, for files that nobody serves.
    """
    content: dict[str, Any] = _recolored(figure.to_plotly_json(), is_color=False)
    return content


def _recolored(value: Any, is_color: bool) -> Any:
    """Only under keys that hold colours: a method may be called "white"."""
    if isinstance(value, str):
        return dark_color(value) if is_color and _COLOUR.fullmatch(value) else value
    if isinstance(value, dict):
        return {
            key: each if key == _HEAT_MAPS else _recolored(each, "color" in key.lower())
            for key, each in value.items()
        }
    if isinstance(value, list | tuple) and (is_color or any(isinstance(each, dict) for each in value[:1])):
        return [_recolored(each, is_color) for each in value]
    return value


@lru_cache(maxsize=1024)
def dark_color(colour: str) -> str:
    """Return the colour that stands out from a dark surface as this one does from white."""
    rgb, alpha = _parse(colour)
    hue, light, saturation = colorsys.rgb_to_hls(*rgb)
    low = _parse(SURFACE)[0][0]
    if saturation < _GREY or light > 0.9:
        grey = low + (1 - light) * (1 - low) * 0.9
        return _written((grey, grey, grey), alpha)
    surface = _parse(SURFACE)[0]
    while contrast(rgb, surface) < _LEAST_CONTRAST and light < 1:
        light = min(1.0, light + 0.02)
        rgb = colorsys.hls_to_rgb(hue, light, saturation)
    return _written(rgb, alpha)


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast of two colours (WCAG 2.2, success criterion 1.4.3)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: Rgb) -> float:
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _parse(colour: str) -> tuple[Rgb, float]:
    text = _NAMED.get(colour, colour)
    if text.startswith("#"):
        r, g, b = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return (r, g, b), 1.0
    numbers = [float(part) for part in text[text.index("(") + 1 : -1].split(",")]
    return (numbers[0] / 255, numbers[1] / 255, numbers[2] / 255), (*numbers, 1.0)[3]


def _written(rgb: Rgb, alpha: float) -> str:
    r, g, b = (round(255 * part) for part in rgb)
    return f"#{r:02x}{g:02x}{b:02x}" if alpha == 1 else f"rgba({r}, {g}, {b}, {alpha:g})"
