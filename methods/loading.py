"""From a base's name to its shape, its tokenizer and the frozen base itself; remote code only on demand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import torch

from methods.arch import supported_family
from methods.catalog import NAMED_SHAPES, named_folders
from methods.errors import FrontuneError, unknown_name
from methods.frozen import FrozenBase
from methods.gguf import converted_gguf

SMALL_FILES = {".json", ".txt", ".model", ".jinja", ".py"}
"""Configuration, tokenizer, and code that comes with a base; the code runs only where it is trusted."""
WEIGHTS = ".safetensors"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What a frozen base may be held in, by name."""


def base_folder(name: str, weights: bool = True) -> Path:
    """Return the local folder of a base: a known name, a folder (with a GGUF file, too), or a hub id.

    Without `weights` only the small files are fetched from the hub.
    Raises FrontuneError if it is none of them, or the hub cannot be reached.
    """
    known = named_folders()
    if name in known:
        folder, remedy = known[name]
        if not (folder / "config.json").exists():
            raise FrontuneError(f"base {name!r} is not on this machine; {remedy}")
        return folder
    path = Path(name).expanduser()
    if path.is_dir():
        ggufs = sorted(path.glob("*.gguf"))
        if ggufs and not (path / "config.json").exists():
            return converted_gguf(ggufs[0])
        if not (path / "config.json").exists():
            raise FrontuneError(f"base {name!r}: the folder has neither config.json nor a .gguf file")
        return path
    return _from_hub(name, SMALL_FILES | ({WEIGHTS} if weights else set()))


def _from_hub(name: str, suffixes: set[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[f"*{suffix}" for suffix in sorted(suffixes)]))
    except Exception as error:  # the hub client's errors share no root
        why = f"it is no folder, and the hub did not give it ({type(error).__name__})"
        if name in NAMED_SHAPES:
            raise FrontuneError(f"base {name!r} is known by its shape alone, to be counted; {why}") from error
        known = [*named_folders(), *NAMED_SHAPES]
        raise FrontuneError(f"{unknown_name('base', name, known)}; {why}") from error


def base_config(name: str, trust_remote_code: bool = False) -> Any:
    """Return the model's configuration; named shapes need neither files nor the hub."""
    if name in NAMED_SHAPES:
        return NAMED_SHAPES[name]()
    return _read_config(name, base_folder(name, weights=False), trust_remote_code)


def _read_config(name: str, folder: Path, trust_remote_code: bool) -> Any:
    """Refuse what is not supported here, before a model is built or weights are read."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # transformers raises ValueError, OSError, KeyError and its own
        raise FrontuneError(f"base {name!r}: config.json cannot be used: {_first_line(error)}") from error
    supported_family(config, name)
    return config


def meta_base(name: str, trust_remote_code: bool = False, dtype: torch.dtype = torch.float32) -> FrozenBase:
    """Return the base on the `meta` device: every shape, no weights, no memory."""
    from transformers import AutoModelForCausalLM

    config = base_config(name, trust_remote_code)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=trust_remote_code)
    return FrozenBase(model, name)


def load_tokenizer(name: str, trust_remote_code: bool = False) -> Any:
    """Return the base's tokenizer; what it lacks for padding is taken from its end token."""
    from transformers import AutoTokenizer

    try:
        folder = base_folder(name, weights=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except FrontuneError:
        raise
    except Exception as error:
        raise FrontuneError(f"base {name!r} has no usable tokenizer: {_first_line(error)}") from error
    # Without tokenizer files transformers returns some families' tokenizer with an empty vocabulary.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise FrontuneError(f"base {name!r} has no usable tokenizer: its vocabulary is empty")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(
    name: str,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    trust_remote_code: bool = False,
) -> FrozenBase:
    """Load a base's weights; `dtype` is that of the frozen weights."""
    from transformers import AutoModelForCausalLM

    folder = base_folder(name)
    _read_config(name, folder, trust_remote_code)
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise FrontuneError(f"base {name!r}: its weights cannot be loaded: {_first_line(error)}") from error
    # transformers would draw them at random and go on.
    if missing := sorted(found["missing_keys"]):
        raise FrontuneError(
            f"base {name!r}: {len(missing)} weights are not in its files, such as {missing[0]}"
        )
    return FrozenBase(model.to(device), name, fingerprint(folder, trust_remote_code))


def fingerprint(folder: Path, trust_remote_code: bool = False) -> str:
    """A hash over a base's files: configuration, tokenizer, weights, and code if it is run."""
    digest = hashlib.sha256()
    suffixes = (SMALL_FILES | {WEIGHTS}) - (set() if trust_remote_code else {".py"})
    for file in sorted(folder.iterdir()):
        if file.suffix in suffixes:
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def default_device() -> str:
    """The first GPU where there is one, else the CPU; $FRONTUNE_DEVICE overrides."""
    return os.environ.get("FRONTUNE_DEVICE") or ("cuda:0" if torch.cuda.is_available() else "cpu")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
