"""Several continuations of one prompt in one row: each sees the prompt and itself, at the positions that it
would have there alone.

Shapes: B rows, T columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PADDING, TRUNK = 0, 1
"""Segments of a row; each branch has a number of its own above them."""


@dataclass(frozen=True)
class Branches:
    """Where the columns of a batch stand in their sequences, and which segment each belongs to.

    Where no row `forks`, a causal mask says the same.
    """

    position_BT: Tensor
    segment_BT: Tensor
    forks: bool

    def to(self, device: torch.device) -> Branches:
        """The same on another device."""
        return Branches(self.position_BT.to(device), self.segment_BT.to(device), self.forks)

    def attention(self, config: Any, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
        """Return what a transformers model takes as its mask: added to the scores, (B, 1, T, T).

        A mask of four axes is used as it is, so that a sliding window is cut out here, too; a model that
        slides in some of its layers takes a mask for each kind.
        """
        window = getattr(config, "sliding_window", None)
        if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
            return {
                "full_attention": self._mask(None, dtype),
                "sliding_attention": self._mask(window, dtype),
            }
        return self._mask(window, dtype)

    def _mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        seen_BT1, seer_B1T = self.segment_BT.unsqueeze(1), self.segment_BT.unsqueeze(2)
        back_BTT = self.position_BT.unsqueeze(2) - self.position_BT.unsqueeze(1)
        sees_BTT = (back_BTT >= 0) & ((seen_BT1 == TRUNK) | ((seen_BT1 == seer_B1T) & (seen_BT1 != PADDING)))
        if window is not None:
            sees_BTT &= back_BTT < window
        # Not infinite: padding sees nothing, and a softmax over nothing is not a number.
        hidden = torch.zeros_like(sees_BTT, dtype=dtype).masked_fill(~sees_BTT, torch.finfo(dtype).min)
        return hidden.unsqueeze(1)


def joined(parts: list[Branches]) -> Branches | None:
    """The branches of batches of one length, run as one; None where no row forks."""
    if not any(part.forks for part in parts):
        return None
    return Branches(
        torch.cat([part.position_BT for part in parts]), torch.cat([part.segment_BT for part in parts]), True
    )
