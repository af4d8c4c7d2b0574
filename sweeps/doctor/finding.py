"""What the doctor finds: a fact that is well, worth knowing, or wrong, and how it could be mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """`repair` mends it; only what is wrong or left over has one."""

    level: Literal["ok", "note", "wrong"]
    about: str
    said: str
    repair: Callable[[], object] | None = None
