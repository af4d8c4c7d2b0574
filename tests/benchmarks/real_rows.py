"""Real MNLI rows for benchmarks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sweeps.data import encode, sample
from sweeps.tasks.mnli import MNLI
from sweeps.training.batches import Row


def mnli_folder() -> Path:
    """Real MNLI rows: in $FRONTUNE_DATA, or beside the checkout in shared/data."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("FRONTUNE_DATA") or beside) / "mnli"


def mnli_rows(tokenizer: Any, n: int) -> list[Row]:
    """n real training rows of MNLI, as a sweep would draw and tokenise them."""
    return list(encode(sample(MNLI(str(mnli_folder())).examples("train"), n, 0, "train"), tokenizer))
