"""One colour, one marker and one place in the order of rows for each method, the same in every picture.

Colours after Okabe and Ito (2008) and Tol's muted scheme, which colour-blind readers can tell apart;
every method has a marker of its own as well, so that a picture reads without colour.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Appearance:
    """How a method is drawn; `symbol` is plotly's name of the marker."""

    color: str
    symbol: str


# In the order of Table 15; ft_top2 and adapter_l, which it does not have, stand beside their kin.
KNOWN: dict[str, Appearance] = {
    "fine_tune": Appearance("#000000", "star"),
    "ft_top2": Appearance("#7F7F7F", "square"),
    "prefix_embed": Appearance("#56B4E9", "triangle-up"),
    "prefix_layer": Appearance("#0072B2", "triangle-down"),
    "adapter_l": Appearance("#E69F00", "diamond"),
    "adapter_h": Appearance("#D55E00", "pentagon"),
    "lora": Appearance("#009E73", "circle"),
    "lora+prefix_embed": Appearance("#CC79A7", "cross"),
    "lora+prefix_layer": Appearance("#882255", "x"),
}
_OTHER_COLORS = ("#332288", "#117733", "#44AA99", "#999933", "#AA4499", "#661100", "#6699CC")
_OTHER_SYMBOLS = tuple(
    "hexagram bowtie hourglass star-diamond star-triangle-up star-triangle-down star-square octagon hexagon"
    " diamond-tall diamond-wide triangle-left triangle-right triangle-ne triangle-sw circle-cross".split()
)

_WITHOUT_DOT = ("bowtie", "hourglass", "circle-cross")
"""Plotly has these without a dot in them."""


def appearance(method: str) -> Appearance:
    """Return how a method is drawn; an unknown one (a plugin) gets the same look in every process."""
    if method in KNOWN:
        return KNOWN[method]
    # Not hash(): Python salts it anew in each process.
    digest = zlib.crc32(method.encode("utf-8"))
    color = _OTHER_COLORS[digest % len(_OTHER_COLORS)]
    return Appearance(color, _OTHER_SYMBOLS[digest // len(_OTHER_COLORS) % len(_OTHER_SYMBOLS)])


def hollow(symbol: str) -> str:
    """Return a marker's outline with a dot in it, the mark of what was trained elsewhere; the paper's points
    are outlines alone."""
    return f"{symbol}-open" if symbol in _WITHOUT_DOT else f"{symbol}-open-dot"


def method_order(method: str) -> tuple[int, str]:
    """Return a sort key: known methods in the paper's order, then unknown ones by name."""
    known = list(KNOWN)
    return (known.index(method) if method in KNOWN else len(known)), method
