"""Text from slots: batched greedy and beam decoding through transformers' `generate`, every edit active.

The prompt is laid out as in training, ``[l_p placeholders][prompt][l_i placeholders]``, padded on its left;
the first pass fills the cache with it, and each later one sees one token, where no virtual rows are.
Shapes: B rows, K beams of each, T positions, V virtual tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from methods.base import Rows
from methods.editing import Placed
from methods.frozen import FrozenBase
from sweeps.training.batches import Row, no_prompt
from sweeps.training.decoding import Decoding
from sweeps.training.parts import in_parts
from sweeps.training.scorable import Scorable

GENERATED_POSITIONS = {"cpu": 8192, "cuda": 131072}
"""Positions, over all beams, that the cache of one batch may hold, by device."""
Tokens = tuple[int, ...]
Asked = tuple[int, int]
"""The number of a slot and of one of its rows."""


def texts_at_once(positions: int, device: str) -> int:
    """How many texts are generated together, of so many positions each over all of its beams."""
    return max(1, GENERATED_POSITIONS.get(device, GENERATED_POSITIONS["cuda"]) // positions)


def generate(
    base: FrozenBase,
    prompts: Sequence[tuple[Scorable, Sequence[Row]]],
    decoding: Decoding,
    pad_id: int,
    eos_id: int,
) -> list[list[Tokens]]:
    """Return what each slot makes of each of its prompts, without the end token; slots may share a batch.

    Raises FrontuneError where a prompt is empty.
    """
    for _, rows in prompts:
        _refuse_empty(rows)
    found: dict[Asked, Tokens] = {}
    with torch.inference_mode():

        def run(batch: Sequence[Asked]) -> Tensor:
            return _generate_batch(base, prompts, batch, decoding, pad_id, eos_id)

        for batch, rows_BT in in_parts(_batches(prompts, decoding, base.device.type), run, base.device):
            found |= {
                asked: _until(line, eos_id) for asked, line in zip(batch, rows_BT.tolist(), strict=True)
            }
    return [[found[slot, row] for row in range(len(rows))] for slot, (_, rows) in enumerate(prompts)]


def _refuse_empty(rows: Sequence[Row]) -> None:
    """A first pass over one virtual token alone could not be told from a later pass, where there are none."""
    for number, row in enumerate(rows):
        if not row.prompt:
            raise no_prompt(number)


def _batches(
    prompts: Sequence[tuple[Scorable, Sequence[Row]]], decoding: Decoding, device: str
) -> list[list[Asked]]:
    """Prompts of like length together, longest first; within a batch a slot's rows are neighbours."""
    cost = {
        (number, row): (_length(slot, rows[row]) + decoding.max_new_tokens) * decoding.beams
        for number, (slot, rows) in enumerate(prompts)
        for row in range(len(rows))
    }
    batches: list[list[Asked]] = []
    room = 0
    for asked in sorted(cost, key=lambda each: (-cost[each], each)):
        if room <= 0:
            batches.append([])
            room = texts_at_once(cost[asked], device)
        batches[-1].append(asked)
        room -= 1
    return [sorted(batch) for batch in batches]


def _length(slot: Scorable, row: Row) -> int:
    return len(row.prompt) + sum(slot.method.virtual_tokens)


def _generate_batch(
    base: FrozenBase,
    prompts: Sequence[tuple[Scorable, Sequence[Row]]],
    batch: Sequence[Asked],
    decoding: Decoding,
    pad_id: int,
    eos_id: int,
) -> Tensor:
    """Return the generated tokens (B, up to max_new_tokens), padded on the right."""
    length = max(_length(prompts[slot][0], prompts[slot][1][row]) for slot, row in batch)
    tokens_BT = torch.full((len(batch), length), pad_id)
    attention_BT = torch.zeros_like(tokens_BT)
    placed: list[Placed] = []
    for number in dict.fromkeys(slot for slot, _ in batch):
        slot, rows = prompts[number]
        mine = [at for at, (owner, _) in enumerate(batch) if owner == number]
        virtual = [_lay_out(tokens_BT, attention_BT, at, slot, rows[batch[at][1]]) for at in mine]
        placed.append(_place(slot, mine, virtual, decoding.beams, base.device))
    with base.edited(placed):
        sequences_BT: Tensor = base.model.generate(
            input_ids=tokens_BT.to(base.device),
            attention_mask=attention_BT.to(base.device),
            generation_config=_config(decoding, pad_id, eos_id),
            logits_processor=_processors(decoding, length),
        )
    return sequences_BT[:, length:]


def _lay_out(tokens_BT: Tensor, attention_BT: Tensor, at: int, slot: Scorable, row: Row) -> list[int]:
    """Write a prompt into its row of the batch; return the columns of its virtual tokens."""
    l_p, l_i = slot.method.virtual_tokens
    length = tokens_BT.shape[1]
    infix = length - l_i
    first = infix - len(row.prompt)
    tokens_BT[at, first:infix] = torch.tensor(row.prompt)
    attention_BT[at, first - l_p :] = 1
    return [*range(first - l_p, first), *range(infix, length)]


def _place(
    slot: Scorable, mine: Sequence[int], virtual: list[list[int]], beams: int, device: torch.device
) -> Placed:
    """transformers runs the beams of a row as neighbouring rows, so that a slot's range grows with them."""
    columns_BV = torch.tensor(virtual, device=device).repeat_interleave(beams, 0) if virtual[0] else None
    return Placed(slot.edits, mine[0] * beams, (mine[-1] + 1) * beams, Rows(columns_BV))


def _config(decoding: Decoding, pad_id: int, eos_id: int) -> Any:
    from transformers import GenerationConfig

    # transformers warns where a penalty is given to a single beam.
    beams = {"length_penalty": decoding.length_penalty} if decoding.beams > 1 else {}
    return GenerationConfig(
        do_sample=False,
        num_beams=decoding.beams,
        **beams,
        max_new_tokens=decoding.max_new_tokens,
        pad_token_id=pad_id,
        eos_token_id=eos_id,
    )


def _processors(decoding: Decoding, prompt_length: int) -> list[Any]:
    if decoding.no_repeat_ngram == 0:
        return []

    def forbid_repeats(tokens_BT: Tensor, scores_BV: Tensor) -> Tensor:
        return without_repeats(tokens_BT[:, prompt_length:], scores_BV, decoding.no_repeat_ngram)

    return [forbid_repeats]


def without_repeats(generated_BT: Tensor, scores_BV: Tensor, n: int) -> Tensor:
    """Return the scores with -inf for every token that would end an n-gram for the second time.

    transformers' own processor counts the prompt too, which forbids to copy names from the input; the
    paper counts generated tokens only (Hu et al. 2021, appendix D.3).
    """
    scores_BV = scores_BV.clone()
    for row, tokens in enumerate(generated_BT.tolist()):
        start = tuple(tokens[len(tokens) - n + 1 :])
        grams = (tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1))
        if forbidden := [gram[-1] for gram in grams if gram[:-1] == start]:
            scores_BV[row, forbidden] = -torch.inf
    return scores_BV


def _until(tokens: list[int], eos_id: int) -> Tokens:
    return tuple(tokens[: tokens.index(eos_id)]) if eos_id in tokens else tuple(tokens)
