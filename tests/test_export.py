"""Results taken elsewhere: what a trial kept, loaded by `methods` alone, by PEFT, and merged."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from methods import load_adapter, load_base, parse_method
from methods.errors import FrontuneError
from methods.expression import format_method
from methods.frozen import FrozenBase
from methods.kept import TENSORS, Kept, read_kept
from methods.merging import save_merged
from methods.peft_form import NoPeftForm, peft_checkpoint
from storage.checkpoints import save_tensors
from sweeps.export_guide import with_frontune, with_peft
from sweeps.training.batches import Row, collate
from sweeps.training.pack import label_states
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import SIX_METHODS, random_base, random_rows
from tests.conftest import Frontune, SweepFile

LORA = "lora(r_q=2, r_k=1, r_v=3, r_o=2, r_up=1, r_down=2, alpha=3)"
PROMPTS = [row.prompt for row in random_rows(5)]


def trained(base: FrozenBase, method: str, file: Path) -> Slot:
    """A slot with tensors of some size, kept in a file as a trial keeps them."""
    slot = Slot(base, parse_method(method), Recipe(steps=1), random_rows(5))
    draw = torch.Generator().manual_seed(5)
    for parameter in slot.parameters.values():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=draw, dtype=parameter.dtype)
    about = {"method": format_method(slot.method), "base": base.name, "base_fingerprint": base.fingerprint}
    save_tensors(file, slot.tensors(), about)
    if slot.masters:
        slot.masters.publish()
    return slot


def next_token_logits(base: FrozenBase, slot: Slot) -> Tensor:
    """What the engine gives for each prompt's first new token."""
    rows = [Row(prompt, (3,)) for prompt in PROMPTS]
    batch = collate(rows, slot.method.virtual_tokens, pad_id=0)
    with torch.no_grad():
        return base.logits(label_states(base, [batch], [slot.place(0, batch)]))


def padded_left(prompts: list[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
    return tokens, torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])


def write_peft(base: FrozenBase, file: Path, folder: Path) -> None:
    checkpoint = peft_checkpoint(base, read_kept(file))
    save_tensors(folder / "adapter_model.safetensors", checkpoint.tensors, {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(checkpoint.config))


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt"])
@pytest.mark.parametrize("method", [*SIX_METHODS, "ft_top2", "lora(r_q=2) + ft_top2"])
def test_load_adapter_gives_the_logits_of_the_slot_and_leaves_the_base_as_it_was(
    family: str, method: str, tmp_path: Path
) -> None:
    base = random_base(family)
    before = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    slot = trained(base, method, tmp_path / "kept.safetensors")
    wanted = next_token_logits(base, slot)
    slot.close()
    tokens, attention = padded_left(PROMPTS)
    plain = base.model(input_ids=tokens, attention_mask=attention).logits[:, -1]
    with load_adapter(base, tmp_path / "kept.safetensors") as adapted:
        found = adapted.logits(tokens, attention)[:, -1]
    assert (found - wanted).abs().max() < 1e-12
    assert (found - plain).abs().max() > 1e-3
    assert all(torch.equal(weight, before[name]) for name, weight in base.model.state_dict().items())


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "opt", "qwen3"])
@pytest.mark.parametrize("method", [LORA, "lora(r_k=2, r_down=1)", "prefix_embed(l_p=3)"])
def test_peft_loads_the_checkpoint_with_equal_logits(family: str, method: str, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    base = random_base(family)
    twin = copy.deepcopy(base.model)
    slot = trained(base, method, tmp_path / "kept.safetensors")
    write_peft(base, tmp_path / "kept.safetensors", tmp_path)
    theirs = peft.PeftModel.from_pretrained(twin, tmp_path, autocast_adapter_dtype=False).double().eval()
    wanted = next_token_logits(base, slot)
    # PEFT holds virtual tokens in float32, also on a float64 base.
    tolerance = 1e-12 if method.startswith("lora") else 1e-7
    for prompt, row in zip(PROMPTS, wanted, strict=True):
        with torch.no_grad():
            logits = theirs(input_ids=torch.tensor([prompt])).logits[0, -1]
        assert (logits - row).abs().max() < tolerance


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("prefix_embed(l_p=3, l_i=2)", "before the prompt alone; got l_i = 2"),
        ("prefix_layer(l_p=2)", "no method that computes the same as prefix_layer"),
        ("adapter_h(r=2)", "no method that computes the same as adapter_h"),
        ("ft_top2", "weights of the base itself"),
        ("lora(r_q=1) + prefix_embed(l_p=2)", "holds one method; lora.prefix_embed is 2"),
    ],
)
def test_what_peft_cannot_compute_is_refused_in_words(method: str, reason: str, tmp_path: Path) -> None:
    base = random_base("llama")
    trained(base, method, tmp_path / "kept.safetensors").close()
    with pytest.raises(NoPeftForm, match=reason):
        peft_checkpoint(base, read_kept(tmp_path / "kept.safetensors"))


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
@pytest.mark.parametrize("method", [LORA, "fine_tune", "ft_top2 + lora(r_v=2)"])
def test_a_merged_model_needs_nothing_of_ours(family: str, method: str, tmp_path: Path) -> None:
    base = random_base(family)
    slot = trained(base, method, tmp_path / "kept.safetensors")
    wanted = next_token_logits(base, slot)
    slot.close()

    class NoTokenizer:
        def save_pretrained(self, folder: Path) -> None:
            pass

    save_merged(base, tmp_path / "kept.safetensors", tmp_path / "merged", NoTokenizer())
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float64)
    for prompt, row in zip(PROMPTS, wanted, strict=True):
        assert (model(input_ids=torch.tensor([prompt])).logits[0, -1] - row).abs().max() < 1e-12


def test_an_adapter_of_another_base_or_another_shape_is_refused(tmp_path: Path) -> None:
    base = random_base("llama")
    trained(base, "lora(r_q=2)", tmp_path / "kept.safetensors")
    other = random_base("gpt2")
    other.fingerprint = "another"
    with (
        pytest.raises(FrontuneError, match="fingerprint"),
        load_adapter(other, tmp_path / "kept.safetensors"),
    ):
        pass
    save_tensors(tmp_path / "odd.safetensors", {"0.q/A": torch.ones(2, 3)}, {"method": "lora(r_q=2)"})
    with (
        pytest.raises(FrontuneError, match="do not fit lora"),
        load_adapter(base, tmp_path / "odd.safetensors"),
    ):
        pass
    save_tensors(tmp_path / "none.safetensors", {"x": torch.ones(2)}, {})
    for file, reason in (("none.safetensors", "which method"), ("absent.safetensors", "cannot read")):
        with pytest.raises(FrontuneError, match=reason):
            read_kept(tmp_path / file)


def test_the_lines_load_the_base_in_the_dtype_of_the_trial_and_trust_what_it_trusted() -> None:
    kept = Kept(parse_method("lora(r_q=1)"), {}, {"base": "b", "dtype": "bfloat16"})
    ours, theirs = with_frontune(kept, Path("to"), trust=True), with_peft(kept, Path("to"), trust=True)
    assert ours[0] == "import torch"
    assert ours[2] == "base = load_base('b', torch.bfloat16, trust_remote_code=True)"
    assert theirs[1].endswith(".from_pretrained('to', dtype='bfloat16', trust_remote_code=True)")


def test_the_command_writes_a_folder_that_peft_and_methods_load_or_a_model(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile, tmp_path: Path, base: str
) -> None:
    peft = pytest.importorskip("peft")
    workspace, points = make_workspace(), ["lora(r_q=2, r_v=1, lr=1e-2)", "adapter_h(r=1, lr=1e-2)"]
    file = sweep_file(methods=None, points=points, trials=2, seeds=[0])
    assert frontune("run", file, "--workspace", workspace).exit_code == 0

    def export(number: int, to: str, *options: object) -> Any:
        return frontune("export", "small", number, "--to", tmp_path / to, *options, "--workspace", workspace)

    done = export(0, "lora")
    assert done.exit_code == 0, done.output
    assert f"AutoPeftModelForCausalLM.from_pretrained({str(tmp_path / 'lora')!r}, dtype=" in done.stdout
    about = json.loads((tmp_path / "lora" / "frontune.json").read_text())
    assert (about["sweep"], about["number"], about["base"], about["dtype"]) == ("small", 0, base, "float32")
    loaded, tokens = load_base(base), torch.tensor([[5, 6, 7]])
    with load_adapter(loaded, tmp_path / "lora") as adapted:
        ours = adapted.logits(tokens)
    model = AutoModelForCausalLM.from_pretrained(base)
    theirs = peft.PeftModel.from_pretrained(model, tmp_path / "lora").eval()
    assert (theirs(input_ids=tokens).logits - ours).abs().max() < 1e-5
    names: dict[str, Any] = {}
    written = (tmp_path / "lora" / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", written, flags=re.MULTILINE | re.DOTALL):
        exec(block, names | {"tokens": tokens}, names)
    assert torch.equal(names["logits"], ours)
    assert (names["model"].eval()(input_ids=tokens).logits - ours).abs().max() < 1e-5
    assert export(0, "merged", "--merged").exit_code == 0
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert (merged(input_ids=tokens).logits - ours).abs().max() < 1e-5
    assert load_base(str(tmp_path / "merged")).shape == loaded.shape

    plain = export(1, "adapter")
    assert "no PEFT checkpoint: PEFT has no method that computes the same as adapter_h" in plain.stdout
    assert {f.name for f in (tmp_path / "adapter").iterdir()} == {TENSORS, "frontune.json", "README.md"}
    for number, to, options, reason in (
        (0, "lora", [], "it is there already"),
        (0, "no/such", [], "does not exist"),
        (1, "m", ["--merged"], "adapter_h cannot be merged"),
        (7, "m", [], "has no trial 7"),
    ):
        refused = export(number, to, *options)
        assert (refused.exit_code, reason in refused.stderr) == (2, True), refused.stderr
    assert {f.name for f in tmp_path.iterdir()} == {"small.yaml", "lora", "merged", "adapter"}
