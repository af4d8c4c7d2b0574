"""Every model family: an update at a site is the same as changing the model's own weight there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

import methods.arch
from methods.arch import family_of, known_families
from methods.base import MATRICES, Rows, Site
from methods.editing import Placed
from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.frozen import FrozenBase
from methods.injected import count_elements
from methods.lora import LowRank
from methods.start import BaseStart
from sweeps.training.batches import collate
from sweeps.training.pack import Pack, label_states
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, LLAMA, SIX_METHODS, VOCABULARY, random_base, random_rows

LLAMA_WEIGHTS = {
    **{m: f"model.layers.{{layer}}.self_attn.{m}_proj" for m in ("q", "k", "v", "o")},
    **{m: f"model.layers.{{layer}}.mlp.{m}_proj" for m in ("up", "down")},
}
GPT2_WEIGHTS = {
    **dict.fromkeys(("q", "k", "v"), "transformer.h.{layer}.attn.c_attn"),
    "o": "transformer.h.{layer}.attn.c_proj",
    "up": "transformer.h.{layer}.mlp.c_fc",
    "down": "transformer.h.{layer}.mlp.c_proj",
}
NEOX_WEIGHTS = {
    **dict.fromkeys(("q", "k", "v"), "gpt_neox.layers.{layer}.attention.query_key_value"),
    "o": "gpt_neox.layers.{layer}.attention.dense",
    "up": "gpt_neox.layers.{layer}.mlp.dense_h_to_4h",
    "down": "gpt_neox.layers.{layer}.mlp.dense_4h_to_h",
}
OPT_WEIGHTS = {
    **{m: f"model.decoder.layers.{{layer}}.self_attn.{m}_proj" for m in ("q", "k", "v")},
    "o": "model.decoder.layers.{layer}.self_attn.out_proj",
    "up": "model.decoder.layers.{layer}.fc1",
    "down": "model.decoder.layers.{layer}.fc2",
}
PHI3_WEIGHTS = LLAMA_WEIGHTS | {
    **dict.fromkeys(("q", "k", "v"), "model.layers.{layer}.self_attn.qkv_proj"),
    "up": "model.layers.{layer}.mlp.gate_up_proj",
}
WEIGHTS = {
    "gpt2": GPT2_WEIGHTS,
    "gpt_neox": NEOX_WEIGHTS,
    "opt": OPT_WEIGHTS,
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), LLAMA_WEIGHTS),
}


@pytest.fixture(params=CONFIGS)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def documented_family(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The example of docs/adding-a-family.md, as if its file lay in methods/arch."""
    page = Path(__file__).parents[1] / "docs" / "adding-a-family.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    file = tmp_path / "phi3.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location("phi3_from_the_docs", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    families = known_families() | dict.fromkeys(module.FAMILY.model_types, module.FAMILY)
    monkeypatch.setattr(methods.arch, "known_families", lambda: families)
    return module


def all_logits(base: FrozenBase, edits: dict[Site, Any]) -> Tensor:
    """The logits of every real position of a padded batch."""
    batch = collate(random_rows(5), (0, 0), pad_id=0)
    with torch.no_grad(), base.edited([Placed(edits, 0, 5, Rows())]):
        hidden_BTD = base.hidden(batch.tokens_BT, batch.attention_BT)
    return base.logits(hidden_BTD[batch.attention_BT.bool()])


def own_weight(base: FrozenBase, weights: dict[str, str], layer: int, matrix: str) -> Tensor:
    """A view (out, in) of the model's own weight; (heads, head, in) where q, k and v are interleaved."""
    module = base.model.get_submodule(weights[matrix].format(layer=layer))
    weight: Tensor = module.weight.T if type(module).__name__ == "Conv1D" else module.weight
    if matrix in ("q", "k", "v") and weights is NEOX_WEIGHTS:
        n_heads = base.model.config.num_attention_heads
        return weight.view(n_heads, 3, -1, weight.shape[-1])[:, "qkv".index(matrix)]
    if matrix in ("q", "k", "v") and weights[matrix] == weights.get("k"):
        widths = [base.shape.matrices[m][1] for m in ("q", "k", "v")]
        if sum(widths) == len(weight):
            return list(torch.split(weight, widths))["qkv".index(matrix)]
    if matrix == "up" and "gate_up" in weights[matrix]:
        return weight.chunk(2)[1]
    return weight


def check_every_matrix(base: FrozenBase, weights: dict[str, str]) -> None:
    start = BaseStart(base, torch.Generator().manual_seed(1))
    plain = all_logits(base, {})
    for matrix in MATRICES:
        edits: dict[Site, LowRank] = {
            site: LowRank(start, base.shape.matrices[matrix], r=3, scale=1.5, dropout=0.0)
            for site in base.shape.layer_sites(matrix)
        }
        for edit in edits.values():
            nn.init.normal_(edit.B, std=0.5)
        edited = all_logits(base, edits)
        before = {name: p.clone() for name, p in base.model.state_dict().items()}
        with torch.no_grad():
            for layer, edit in enumerate(edits.values()):
                weight = own_weight(base, weights, layer, matrix)
                weight += (1.5 * edit.B @ edit.A).reshape(weight.shape)
        merged = all_logits(base, {})
        base.model.load_state_dict(before)
        assert (edited - merged).abs().max() < 1e-12, matrix
        assert (edited - plain).abs().max() > 1e-6, matrix


def test_an_update_of_each_matrix_equals_the_same_change_of_the_models_own_weight(family: str) -> None:
    check_every_matrix(random_base(family), WEIGHTS[family])


def test_the_matrices_have_the_sizes_of_the_models_own_weights(family: str) -> None:
    base = random_base(family)
    for matrix in MATRICES:
        n_in, n_out = base.shape.matrices[matrix]
        assert own_weight(base, WEIGHTS[family], 0, matrix).numel() == n_in * n_out


@pytest.mark.parametrize("name", ["llama", "mistral", "qwen2", "qwen3"])
def test_grouped_query_attention_makes_k_and_v_narrower(name: str) -> None:
    shape = random_base(name).shape
    assert shape.matrices["k"] == shape.matrices["v"]
    assert shape.matrices["k"][1] * 2 == shape.matrices["q"][1]
    method = parse_method("lora(r_k=2)")
    assert method.count(shape) == 3 * 2 * sum(shape.matrices["k"])


def test_the_sublayers_outputs_are_what_enters_the_residual_sum(family: str) -> None:
    """Taking `attention` and `mlp` away in every layer leaves the token's own embedding in the stream."""

    class Nothing(LowRank):
        def forward(self, x_BTI: Tensor, y_BTO: Tensor, rows: Rows) -> Tensor:
            return torch.zeros_like(y_BTO)

    base = random_base(family)
    # A fresh model's biases are zero, which would hide a tap on the wrong matrix.
    for name, parameter in base.model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    start = BaseStart(base, torch.Generator())
    sites = base.shape.layer_sites("attention") + base.shape.layer_sites("mlp")
    edits = {site: Nothing(start, (1, 1), 1, 1.0, 0.0) for site in sites}
    tokens_BT = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), base.edited([Placed(edits, 0, 1, Rows())]):
        seen = base.residual_stream(tokens_BT)
    for layer in range(2, len(seen)):
        assert torch.equal(seen[layer], seen[1])


def test_every_tap_of_every_family_splits_and_joins_to_the_same(family: str) -> None:
    base = random_base(family)
    for tap in base.family.taps(base.model.config):
        n_out = sum(base.shape.matrices[site][1] for site in tap.sites if site in MATRICES) or 24
        y_BTO = torch.randn(2, 3, n_out)
        parts = tap.split(y_BTO)
        assert len(parts) == len(tap.sites)
        assert torch.equal(tap.join(parts), y_BTO)


def test_every_supported_model_type_is_tried_in_these_tests() -> None:
    assert set(CONFIGS) == set(known_families()) == set(WEIGHTS)


@pytest.mark.parametrize("model_type", ["bloom", "t5", "mamba"])
def test_an_unsupported_family_is_refused_with_the_list_and_the_way_to_add_it(model_type: str) -> None:
    with pytest.raises(FrontuneError) as caught:
        family_of(model_type)
    message = str(caught.value)
    assert f"model family '{model_type}' is not supported" in message
    assert ", ".join(known_families()) in message
    assert "docs/adding-a-family.md" in message
    assert (Path(__file__).parents[1] / "docs" / "adding-a-family.md").exists()


@pytest.mark.parametrize(
    ("model_type", "changed", "why"),
    [
        ("opt", {"word_embed_proj_dim": 12}, "projects its embeddings"),
        ("opt", {"do_layer_norm_before": False}, "normalises after the residual sum"),
        ("gpt2", {"add_cross_attention": True}, "cross-attention"),
    ],
)
def test_a_variant_whose_sites_mean_something_else_is_refused(
    model_type: str, changed: dict[str, Any], why: str
) -> None:
    config = AutoConfig.for_model(
        model_type, vocab_size=VOCABULARY, pad_token_id=0, **CONFIGS[model_type] | changed
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(FrontuneError, match=f"base 'mine' cannot be used: .*{why}"):
        FrozenBase(model, "mine")


def test_the_family_in_the_docs_passes_the_contract(documented_family: ModuleType) -> None:
    config = AutoConfig.for_model("phi3", vocab_size=VOCABULARY, pad_token_id=0, eos_token_id=2, **LLAMA)
    torch.manual_seed(7)
    base = FrozenBase(AutoModelForCausalLM.from_config(config).to(torch.float64), "phi3")
    check_every_matrix(base, PHI3_WEIGHTS)
    rows, recipe = random_rows(8), Recipe(steps=1, batch_size=4)
    slots = [Slot(base, parse_method(text), recipe, rows) for text in SIX_METHODS]
    for slot in slots:
        assert slot.trainable_params == slot.method.count(base.shape) == count_elements(slot.method, base)
    assert not Pack(base, slots, 0).step()
    assert all(slot.finished for slot in slots)


def test_padding_on_the_right_changes_no_label(family: str) -> None:
    base = random_base(family)
    rows = random_rows(3)
    short, long = collate(rows, (0, 0), 0), collate(rows, (0, 0), 0, length=40)
    with torch.no_grad():
        a, b = (label_states(base, [batch], [Placed({}, 0, 3)]) for batch in (short, long))
    assert (a - b).abs().max() < 1e-12
