"""Files that are whole or absent: written beside their place first, then moved onto it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from methods.errors import FrontuneError


def check_writable(path: Path, what: str) -> None:
    """Raise FrontuneError unless `path` lies in a folder that exists and is not itself a folder."""
    if path.is_dir():
        raise FrontuneError(f"cannot write {what} to '{path}': it is a folder, a file name is wanted")
    if not path.parent.is_dir():
        raise FrontuneError(f"cannot write {what} to '{path}': the folder '{path.parent}' does not exist")


def write_atomically(path: Path, data: bytes, what: str) -> None:
    """Write `data` so that a reader, or a crash, finds the old file or the new one and nothing between."""
    check_writable(path, what)
    try:
        target = path.resolve()
        if path.exists() and not path.is_file():
            # A pipe or a terminal such as /dev/stdout: a rename would put a file in the device's place.
            path.write_bytes(data)
            return
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            draft.write_bytes(data)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise FrontuneError(f"cannot write {what} to '{path}': {error.strerror or error}") from error


def write_lines(path: Path, lines: Iterable[str], what: str) -> None:
    """Write texts, one a line, into a folder that is made if it is not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FrontuneError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode(), what)
