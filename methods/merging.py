"""What a trial kept, multiplied into the base's weights: a model that needs nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from methods.base import Method
from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from methods.kept import load_adapter, read_kept
from methods.lora import LoRA
from methods.lora_updates import low_rank_updates
from methods.weights import add_to_weights


def check_mergeable(method: Method) -> None:
    """Raise FrontuneError where a method does more than change weights."""
    others = [part.name for part in method.parts if not (isinstance(part, LoRA) or part.exclusive)]
    if others:
        raise FrontuneError(
            f"{others[0]} cannot be merged: it is no change of weights; wanted lora, ft_top2 or fine_tune"
        )


def save_merged(base: FrozenBase, adapter: Path, folder: Path, tokenizer: Any) -> None:
    """Write a folder that `from_pretrained` loads; the base is another one afterwards."""
    from transformers import GenerationConfig

    kept = read_kept(adapter)
    check_mergeable(kept.method)
    with load_adapter(base, adapter):
        if any(isinstance(part, LoRA) for part in kept.method.parts):
            updates = low_rank_updates(kept.method, kept.tensors)
            add_to_weights(base, {update.site: update.delta() for update in updates})
        # A frozen base has no taste in decoding; a model that is given away has its configuration's.
        base.model.generation_config = GenerationConfig.from_model_config(base.model.config)
        base.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
