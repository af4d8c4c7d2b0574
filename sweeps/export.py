"""`frontune export`: what a trial trained, in a folder of its own, for PEFT, for `methods`, or merged."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from methods.errors import FrontuneError
from methods.kept import ABOUT, TENSORS, Kept, read_kept
from methods.loading import load_base, load_tokenizer, meta_base
from methods.merging import check_mergeable, save_merged
from methods.peft_form import CONFIG, peft_checkpoint
from methods.peft_form import TENSORS as PEFT_TENSORS
from storage.checkpoints import load_tensors, save_tensors
from storage.kept_adapter import kept_adapter
from storage.ledger import Ledger
from storage.records import TrialRecord
from storage.workspace import Workspace
from sweeps.export_guide import README, place_of, readme, with_frontune, with_peft
from sweeps.running import quiet_libraries
from sweeps.shown import find

ABOUT_THE_TRIAL = ("sweep", "number", "title", "label", "task", "metric", "score", "trainable_params")


def export_command(name: str, number: int, to: Path, merged: bool, workspace_path: str) -> None:
    """Write the folder `to`, whole or not at all, and say how it is loaded."""
    quiet_libraries()
    workspace = Workspace.open(workspace_path, create=False)
    with closing(Ledger.open(workspace.database_url, create=False)) as ledger:
        sweep = find(ledger, name).only
        file = kept_adapter(workspace, ledger, sweep.name, number)
        trial = ledger.trial(sweep.name, number)
    assert trial is not None
    # Its checksum is verified here.
    load_tensors(file)
    kept, trust = read_kept(file), bool(sweep.spec.get("trust_remote_code"))
    with _new_folder(to) as draft:
        if merged:
            check_mergeable(kept.method)
            base = load_base(kept.about["base"], trust_remote_code=trust)
            save_merged(base, file, draft, load_tokenizer(kept.about["base"], trust))
            says = [f"AutoModelForCausalLM.from_pretrained({str(to)!r}) loads it"]
        else:
            says = _write_adapter(kept, trial, draft, to, trust)
    click.echo(f"wrote {to}")
    for line in says:
        click.echo(line)


def _write_adapter(kept: Kept, trial: TrialRecord, draft: Path, to: Path, trust: bool) -> list[str]:
    """Write Frontune's two files, PEFT's two where PEFT can compute the same, and a README; return what to
    say."""
    described = {key: value for key, value in kept.about.items() if not key.startswith("frontune.")}
    save_tensors(draft / TENSORS, kept.tensors, described)
    about = described | {key: getattr(trial, key) for key in ABOUT_THE_TRIAL}
    (draft / ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    no_peft = _write_peft(kept, draft, trust)
    guide = readme(kept, trial, to.absolute(), trust, no_peft)
    (draft / README).write_text(guide, encoding="utf-8")
    peft = [f"no PEFT checkpoint: {no_peft}"] if no_peft else ["or with PEFT:", *with_peft(kept, to, trust)]
    return [*with_frontune(kept, to, trust), *peft]


def _write_peft(kept: Kept, draft: Path, trust: bool) -> str:
    """Write PEFT's two files; return why not where PEFT has no such method."""
    try:
        checkpoint = peft_checkpoint(meta_base(kept.about["base"], trust), kept)
    except FrontuneError as error:
        return str(error)
    config = {**checkpoint.config, "base_model_name_or_path": place_of(kept.about["base"])}
    (draft / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_tensors(draft / PEFT_TENSORS, checkpoint.tensors, {"format": "pt"})
    return ""


@contextmanager
def _new_folder(to: Path) -> Iterator[Path]:
    """A folder beside `to` that takes its place once all is written; raises FrontuneError if it holds
    anything."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise FrontuneError(f"cannot export to '{to}': it is there already; wanted a new or an empty folder")
    if not to.absolute().parent.is_dir():
        raise FrontuneError(f"cannot export to '{to}': the folder '{to.parent}' does not exist")
    draft = to.absolute().with_name(f".{to.name}.{uuid.uuid4().hex}.tmp")
    try:
        draft.mkdir()
        yield draft
        os.replace(draft, to)
    except OSError as error:
        raise FrontuneError(f"cannot export to '{to}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
