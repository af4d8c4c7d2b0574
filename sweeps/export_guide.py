"""How what was exported is loaded: what the command prints, and the README of the folder says."""

from __future__ import annotations

from pathlib import Path

from dashboards.printing import print_score, score_title
from methods.catalog import named_folders
from methods.kept import Kept
from methods.loading import base_folder
from storage.records import TrialRecord

README = "README.md"


def with_frontune(kept: Kept, to: Path, trust: bool) -> list[str]:
    """Return the lines of Python that need Frontune's `methods`; `load_base` takes float32 by itself."""
    dtype = "" if _dtype(kept) == "float32" else f", torch.{_dtype(kept)}"
    return [
        *(["import torch"] if dtype else []),
        "from methods import load_adapter, load_base",
        f"base = load_base({kept.about['base']!r}{dtype}{_trusting(trust)})",
        f"with load_adapter(base, {str(to)!r}) as adapted: logits = adapted.logits(tokens)",
    ]


def with_peft(kept: Kept, to: Path, trust: bool) -> list[str]:
    """Return the lines of Python that need PEFT, which finds the base by the folder's own configuration."""
    return [
        "from peft import AutoPeftModelForCausalLM",
        f"model = AutoPeftModelForCausalLM.from_pretrained({str(to)!r}{_as_trained(kept, trust)})",
    ]


def readme(kept: Kept, trial: TrialRecord, to: Path, trust: bool, no_peft: str) -> str:
    """Return the README; `no_peft` says why there is no PEFT checkpoint, and is empty where there is one."""
    place, base = place_of(kept.about["base"]), kept.about["base"]
    score = "" if trial.score is None else print_score(trial.score, None, trial.metric)
    if no_peft:
        peft = f"There is no PEFT checkpoint: {no_peft}."
    else:
        loaded = f"AutoModelForCausalLM.from_pretrained({place!r}{_as_trained(kept, trust)})"
        peft = (
            f"With PEFT:\n\n{_code(with_peft(kept, to, trust))}\n\n"
            "It finds the base by `adapter_config.json`. Where that lies elsewhere, load it first, here by\n"
            f"`base = {loaded}`, and then `PeftModel.from_pretrained(base, {str(to)!r})`."
        )
    return f"""# Trial {trial.number} of {trial.sweep}: {f"{trial.title} {trial.label}".rstrip()}

{score_title(trial.task, trial.metric)} {score} with {trial.trainable_params:,} trainable parameters.

The base is `{base}`{"" if place == base else f", whose files lie in `{place}`"}.

With Frontune's `methods`, torch, transformers and safetensors (`tokens` holds prompts' numbers, (B, T)):

{_code(with_frontune(kept, to, trust))}

{peft}
"""


def place_of(base: str) -> str:
    """Return what transformers and PEFT find a base by: its folder on this machine, else its hub id."""
    known = named_folders()
    here = known[base][0] / "config.json" if base in known else Path(base).expanduser()
    return str(base_folder(base, weights=False).absolute()) if here.exists() else base


def _code(lines: list[str]) -> str:
    return "\n".join(["```python", *lines, "```"])


def _as_trained(kept: Kept, trust: bool) -> str:
    """What transformers is told besides, which takes the dtype of the file by itself."""
    return f", dtype={_dtype(kept)!r}{_trusting(trust)}"


def _dtype(kept: Kept) -> str:
    """What the base was held in while the trial trained."""
    return kept.about.get("dtype", "float32")


def _trusting(trust: bool) -> str:
    return ", trust_remote_code=True" if trust else ""
