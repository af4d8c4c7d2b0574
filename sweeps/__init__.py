"""What is run: sweep files, studies, trials, and the training of packs.

The names below are imported when first used, so that the training layer loads without optuna.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.from_python import Results, load_sweep, run

__all__ = ["Results", "load_sweep", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    from sweeps import from_python

    return getattr(from_python, name)
