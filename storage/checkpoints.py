"""Trained tensors in safetensors files: written whole or not at all, checked when read, nothing pickled."""

from __future__ import annotations

import errno
import json
import os
import re
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from methods.errors import FrontuneError

if TYPE_CHECKING:
    from torch import Tensor

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Unwritable(FrontuneError):
    """A file cannot be written, through no fault of what it holds."""


class NoSpace(Unwritable):
    """The disk is full."""


# safetensors checks the length of a file and its header, but not the values.
CHECKSUM = "frontune.crc32"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write `tensors` (moved to the CPU, each on its own memory) and `metadata` to `path` in one step."""
    from safetensors.torch import save_file

    own = _own_memory(tensors)
    marked = {**metadata, CHECKSUM: _checksum(own)}
    with _in_one_step(path) as temporary:
        save_file(own, temporary, marked)
        _sort_metadata(temporary)


def save_content(path: Path, content: bytes) -> None:
    """Write to `path`, in one step, what `save_tensors` wrote on another machine."""
    with _in_one_step(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def _in_one_step(path: Path) -> Iterator[Path]:
    """Give a file to write, which becomes `path` if all goes well."""
    from safetensors import SafetensorError

    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            # Without this a power cut after the rename could leave an empty file under the final name.
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        # safetensors tells the system's error number in its text alone.
        told = re.search(r"os error (\d+)", str(error))
        number = getattr(error, "errno", None) or (int(told[1]) if told else 0)
        kind = NoSpace if number in NO_SPACE else Unwritable
        raise kind(f"cannot write {path}: {os.strerror(number) if number else error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of `path`, on the CPU, and the metadata they were saved with."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
            tensors: dict[str, Tensor] = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise FrontuneError(f"no checkpoint at {path}") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise FrontuneError(f"checkpoint {path} is damaged or no safetensors file: {error}") from error
    wanted = metadata.pop(CHECKSUM, None)
    if wanted is not None and wanted != (found := _checksum(tensors)):
        raise FrontuneError(f"checkpoint {path} is damaged: its values' checksum is {found}, wanted {wanted}")
    return tensors, metadata


def _sort_metadata(path: Path) -> None:
    """safetensors writes metadata in random order, so that two files of the same content would differ."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= size
        file.seek(8)
        file.write(text.ljust(size))


def _own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous CPU copies where needed; safetensors refuses tensors that share memory."""
    seen: set[int] = set()
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != plain.nbytes:
            plain = plain.clone()
        seen.add(storage.data_ptr())
        own[name] = plain
    return own


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    import torch

    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
