"""A base for MNLI that learning curves can be recorded with on a laptop: `tiny` knows too few words for it.

``python -m tests.benchmarks.nli_base ROWS FOLDER`` pretrains the GPT-2 of ``curves/mnli-base`` on the pairs
in ROWS (JSONL with premise, hypothesis, label), in a form that the task's prompt never has:
``PREMISE ; HYPOTHESIS : follows`` (or ``open``, ``clashes``). So adapting it is to ask what it knows in a new
form and with words that it has not seen.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from tests.benchmarks.curve_table import FOLDER

MARKS = ("<pad>", "<eos>", "<unk>")
PROMPT_WORDS = ("true", "false", "neither", "question", "answer", "or", ":", ",", "?", ";")
RELATIONS = ("follows", "open", "clashes")
"""What a pair ends with, by its label."""
LENGTH, BATCH, STEPS = 40, 32, 2000
PEAK_LR, WARMUP_STEPS, RELATION_WEIGHT = 4e-3, 100, 10.0


def main(rows: Path, folder: Path) -> None:
    """Pretrain and write model and tokenizer."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with gzip.open(rows, "rt", encoding="utf-8") as file:
        pairs = [json.loads(line) for line in file]
    config = GPT2Config.from_pretrained(FOLDER / "mnli-base")
    tokenizer = build_tokenizer(pairs, config.vocab_size)
    prompts = tokenizer([f"{pair['premise']} ; {pair['hypothesis']} :" for pair in pairs])["input_ids"]
    relations = tokenizer.convert_tokens_to_ids(list(RELATIONS))
    texts = [[*p[1 - LENGTH :], relations[pair["label"]]] for p, pair in zip(prompts, pairs, strict=True)]
    pretrained(GPT2LMHeadModel(config), texts).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_tokenizer(pairs: list[dict[str, Any]], vocabulary: int) -> Any:
    """One token for each of the commonest words and marks; anything else is `<unk>`."""
    lower, split = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    counted = Counter(
        word
        for pair in pairs
        for text in (pair["premise"], pair["hypothesis"])
        for word, _ in split.pre_tokenize_str(lower.normalize_str(text))
    )
    own = [*MARKS, *PROMPT_WORDS, *RELATIONS]
    words = list(dict.fromkeys([*own, *(word for word, _ in counted.most_common(vocabulary))]))
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(words[:vocabulary])}, unk_token="<unk>")
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = lower, split
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def pretrained(model: Any, texts: list[list[int]]) -> Any:
    """Return the model, trained on all tokens of the texts, most of all on the last."""
    optimiser, started = (
        torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05),
        time.time(),
    )
    model.train()
    for step in range(STEPS):
        rows = [torch.tensor(texts[i]) for i in torch.randint(len(texts), (BATCH,)).tolist()]
        # On the left, so that every row ends with its relation.
        tokens_BT = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left")
        mask_BT = tokens_BT != 0
        places_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        logits = model(input_ids=tokens_BT, attention_mask=mask_BT.long(), position_ids=places_BT).logits
        weight_BT = mask_BT[:, :-1].float()
        weight_BT[:, -1] = RELATION_WEIGHT
        losses = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens_BT[:, 1:].flatten(), reduction="none")
        loss = (losses * weight_BT.flatten()).sum() / weight_BT.sum()
        ramp = min(1.0, (step + 1) / WARMUP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS))
        for group in optimiser.param_groups:
            group["lr"] = PEAK_LR * ramp
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 100 == 0:
            right = (logits[:, -2].argmax(-1) == tokens_BT[:, -1]).float().mean()
            spent = time.time() - started
            print(f"step {step + 1}: loss {loss.item():.3f}, right {right:.3f}, {spent:.0f} s", flush=True)
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
