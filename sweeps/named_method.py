"""A method as people name it on the command line: by its name, or by the title that tables show."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"(?:^|(?<=\+))\s*([^()+]+?)\s*(?=[(+]|$)")


def with_names(text: str, titles: Iterable[tuple[str, str]]) -> str:
    """Return a method's text with each part's title, in whatever case, replaced by its name.

    `titles` holds names and the title of each, of sums both written with ``+``. What is neither stays.

    >>> with_names("LoRA(r_q=8) + pe", [("lora", "LoRA"), ("prefix_embed", "PE")])
    'lora(r_q=8) +prefix_embed'
    """
    names: dict[str, str] = {}
    for name, title in titles:
        for part, written in zip(name.split("+"), title.split("+"), strict=False):
            names |= {part.casefold(): part, written.casefold(): part}
    return _PART.sub(lambda found: names.get(found[1].casefold(), found[1]), text)
