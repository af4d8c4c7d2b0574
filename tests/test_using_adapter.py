"""The page on using an adapter: its code runs on what a sweep left and gives what the trial generated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Frontune, SweepFile

PAGE = Path(__file__).parents[1] / "docs" / "using-an-adapter.md"
THREE_LINES, CODE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
WORDS = ("long", "short", "round")


@pytest.mark.parametrize("point", ["fine_tune(lr=1e-2)", "prefix_layer(l_p=2, lr=1e-2)"])
def test_the_code_of_the_page_generates_what_the_trial_did(
    point: str,
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    sweep_file: SweepFile,
    tmp_path: Path,
    base: str,
) -> None:
    for split in ("train", "validation"):
        lines = [json.dumps({"word": word, "answer": word}) for word in WORDS]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    task = {"name": "own_data", "data": str(tmp_path), "prompt": "{word} ,", "completion": "answer"}
    task |= {"decoding": {"max_new_tokens": 8}}  # type: ignore[dict-item]
    recipe = {"steps": 12, "batch_size": 3}
    file = sweep_file(task=task, methods=None, points=[point], trials=1, seeds=[0], recipe=recipe)
    workspace = make_workspace()
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    names: dict[str, Any] = {
        "BASE": base,
        "ADAPTER": str(workspace / "adapters" / "small" / "trial-0000.safetensors"),
        "TEXTS": [f"{word} ," for word in WORDS],
    }
    exec(CODE, names)
    generated = names["tokens"]
    row = names["tokenizer"](names["TEXTS"], return_tensors="pt")
    names |= {"tokens": row["input_ids"], "attention": row["attention_mask"]}
    exec(THREE_LINES, names)
    first = names["logits"][:, -1].argmax(-1)
    assert [tokens[0] for tokens in generated] == first.tolist()
    kept = (workspace / "predictions" / "small" / "trial-0000.txt").read_text().splitlines()
    assert [" ".join(answer.split()) for answer in names["answers"]] == kept
    assert any(kept)
