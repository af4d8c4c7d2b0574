"""Rows of a split, from a local folder (JSONL, CSV or Parquet, also .gz) or from the hub, and their cells."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from pathlib import Path
from reprlib import repr as short
from typing import Any

from methods.errors import FrontuneError
from sweeps.tasks.base import Example, Split

Rows = list[dict[str, Any]]
SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")


def read_rows(data: str | None, hub_id: str, split: str, columns: set[str]) -> Rows:
    """Return the rows of `data`'s file for the split, or of the hub's data set if `data` is None.

    Raises FrontuneError if the folder or file is absent or damaged, or a column is missing.
    """
    rows, where = read_source(data, hub_id, split)
    check_columns(rows, where, columns)
    return rows


def read_source(data: str | None, hub_id: str, split: str) -> tuple[Rows, str]:
    """Return a split's rows, whatever their columns, and the name of their source for error messages.

    `hub_id` may be an address of Parquet files, ``hf://datasets/...``, in which ``{split}`` is replaced:
    `datasets` no longer runs a data set's own script, but the hub keeps such data sets as Parquet.
    """
    rows, where = _from_folder(Path(data).expanduser(), split) if data else _from_hub(hub_id, split)
    if not rows:
        raise FrontuneError(f"{where} has no rows")
    return rows, where


def has_split(data: str, split: str) -> bool:
    """Whether a folder has a file for the split."""
    return any((Path(data).expanduser() / f"{split}{suffix}").exists() for suffix in SUFFIXES)


def check_columns(rows: Rows, where: str, columns: set[str]) -> None:
    """Refuse rows that lack a column."""
    missing = sorted(columns - rows[0].keys())
    if missing:
        got = ", ".join(map(str, rows[0]))
        raise FrontuneError(
            f"{where} lacks the column {missing[0]!r}; wanted: {', '.join(sorted(columns))}; got: {got}"
        )
    for number, row in enumerate(rows):
        if not columns <= row.keys():
            absent = sorted(columns - row.keys())[0]
            raise FrontuneError(f"{where}, row {number + 1} lacks {absent!r}")


def text_of(row: dict[str, Any], column: str, where: str) -> str:
    """Return a cell that must be a text, without the white space around it."""
    return clean_text(row[column], column, where)


def texts_of(row: dict[str, Any], column: str, where: str) -> tuple[str, ...]:
    """Return a cell that must be a list of at least one text, none of them empty."""
    cell = row[column]
    if not isinstance(cell, list):
        raise FrontuneError(f"{where}: {column} must be a list of texts, got {short(cell)}")
    return full_texts(cell, column, where)


def full_texts(cells: list[Any], what: str, where: str) -> tuple[str, ...]:
    """Return texts without the white space around them; refuse none, no text and empty ones."""
    texts = tuple(clean_text(cell, what, where) for cell in cells)
    if not texts or not all(texts):
        raise FrontuneError(f"{where}: {what} must not be empty, got {short(cells)}")
    return texts


def clean_text(text: Any, what: str, where: str) -> str:
    """Return a text without the white space around it; refuse what is no text."""
    if not isinstance(text, str):
        raise FrontuneError(f"{where}: {what} must be a text, got {short(text)}")
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise FrontuneError(f"{where}: {what} holds half a surrogate pair, which is no letter: {text!r}")
    return text.strip()


def answered(split: Split, prompt: str, references: tuple[str, ...], group: str = "") -> list[Example]:
    """An input with several right answers: in training once for each of them, else once with all."""
    if split == "train":
        return [Example(prompt, f" {text}", group=group) for text in references]
    return [Example(prompt, f" {references[0]}", group=group, references=references)]


def _from_folder(folder: Path, split: str) -> tuple[Rows, str]:
    if not folder.is_dir():
        raise FrontuneError(f"task.data: '{folder}' is not a folder")
    for suffix in SUFFIXES:
        file = folder / f"{split}{suffix}"
        if file.exists():
            try:
                return _read(file), f"'{file}'"
            except (OSError, EOFError, ValueError, RecursionError, csv.Error, zlib.error) as error:
                raise FrontuneError(f"'{file}' cannot be read: {error}") from error
    wanted = ", ".join(f"{split}{suffix}" for suffix in SUFFIXES)
    raise FrontuneError(
        f"task.data: '{folder}' holds no file for the split {split!r}; wanted one of: {wanted}"
    )


def _read(file: Path) -> Rows:
    if file.suffix == ".parquet":
        import pyarrow.parquet

        rows: Rows = pyarrow.parquet.read_table(file).to_pylist()
        return rows
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    text = content.decode("utf-8-sig")
    if ".csv" in file.suffixes:
        return [_numbered(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    rows = []
    for number, line in enumerate(text.split("\n")):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number + 1} is no object")
            rows.append(row)
    return rows


def _numbered(row: dict[str, Any]) -> dict[str, Any]:
    """CSV knows only texts; whole numbers in a `label` column are what JSON would have given.

    A number that JSON would not write so, such as 007, stays the text that it is.
    """
    label = row.get("label")
    if isinstance(label, str) and re.fullmatch(r"0|-?[1-9][0-9]*", label.strip()):
        return row | {"label": int(label)}
    return row


def _from_hub(hub_id: str, split: str) -> tuple[Rows, str]:
    import datasets
    from huggingface_hub.utils import logging

    # Its retries are warnings line by line; the error that follows says what failed.
    logging.set_verbosity_error()
    try:
        if hub_id.startswith("hf://"):
            files = hub_id.replace("{split}", split)
            rows = datasets.load_dataset("parquet", data_files=files, split="train")
        else:
            rows = datasets.load_dataset(hub_id, split=split)
        return rows.to_list(), f"hub data set {hub_id!r}, {split}"
    except Exception as error:  # the hub's and datasets' errors share no root
        first = (str(error).strip().splitlines() or [""])[0]
        raise FrontuneError(
            f"the hub did not give {hub_id!r}, {split} ({type(error).__name__}: {first}); "
            "set task.data to a local folder"
        ) from error
