"""Nothing outside the workspace is read, written or removed through a name, a remembered path or a link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from methods.errors import FrontuneError
from storage.kept_adapter import kept_adapter
from storage.ledger import Ledger
from storage.records import Artifact, SweepRecord, TrialOutcome
from storage.tracking import Tracker
from storage.workspace import SWEEP_FOLDERS, Workspace
from sweeps.compare import row_values
from sweeps.doctor.agreement import Sweep
from sweeps.filling import _kept_texts
from sweeps.held_out import _score
from sweeps.told import Told
from tests.conftest import Frontune, SweepFile
from tests.report_pages import NOW
from tests.test_pareto import make_trial

NAMES = ["../x", "..", ".", "/x", "a/b", "a\\b", "x/../../y", "x\0y", "x\ny", ""]
SECRET = "1\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the workspace, with files that look like a sweep's own."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("trial-0000.safetensors", "trial-0000.txt", "report.html", ".draft.tmp"):
        (folder / name).write_text(SECRET)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "runs", create=True)


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Ledger]:
    with closing(Ledger.open(workspace.database_url)) as opened:
        opened.add_sweep(SweepRecord("tiny", "gpt2-medium", "mnli", "accuracy", {}, NOW))
        yield opened


def untouched(folder: Path) -> bool:
    """Whether it holds what it held, and nothing else."""
    return len(list(folder.iterdir())) == 4 and all(file.read_text() == SECRET for file in folder.iterdir())


PLACES: dict[str, Callable[[Workspace, str], object]] = {
    "adapter": lambda at, name: at.adapter_file(name, 0),
    "adapters": lambda at, name: at.sweep_adapters(name),
    "checkpoint": lambda at, name: at.checkpoint_file(name, 0),
    "forgotten": lambda at, name: at.forget_state(name, 0),
    "predictions": lambda at, name: at.predictions_file(name, 0),
    "outcomes": lambda at, name: at.outcomes_file(name, 0),
    "logs": lambda at, name: at.logs(name),
    "reports": lambda at, name: at.sweep_reports(name),
    "directions": lambda at, name: at.directions_file(name, "0.q"),
    "site": lambda at, name: at.directions_file("f", name),
    "folders": lambda at, name: at.make_folders(name),
    "drafts": lambda at, name: at.remove_drafts(name),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_no_place_is_made_of_a_name_that_is_a_path(workspace: Workspace, place: str, name: str) -> None:
    with pytest.raises(FrontuneError):
        PLACES[place](workspace, name)
    assert not list(workspace.root.iterdir())


@pytest.mark.parametrize("kind", SWEEP_FOLDERS)
def test_a_sweeps_folder_that_leads_elsewhere_is_not_used(
    workspace: Workspace, outside: Path, kind: str
) -> None:
    (workspace.root / kind).mkdir()
    (workspace.root / kind / "tiny").symlink_to(outside)
    for each in (workspace.make_folders, workspace.remove_drafts):
        with pytest.raises(FrontuneError, match="leads out of the workspace by a link"):
            each("tiny")
    assert untouched(outside)


def test_a_workspaces_own_folder_may_lie_elsewhere(workspace: Workspace, outside: Path) -> None:
    (workspace.root / "adapters").symlink_to(outside)
    assert (
        workspace.adapter_file("tiny", 0) == workspace.root / "adapters" / "tiny" / "trial-0000.safetensors"
    )


def test_a_report_is_not_written_through_a_link(workspace: Workspace, outside: Path) -> None:
    (workspace.root / "reports" / "tiny").mkdir(parents=True)
    (workspace.root / "reports" / "tiny" / "report.html").symlink_to(outside / "report.html")
    with pytest.raises(FrontuneError, match="leads out of the workspace by a link"):
        workspace.sweep_reports("tiny")


def remembered(workspace: Workspace, outside: Path, how: str) -> str:
    """A path, as a ledger that somebody else wrote may hold it, to a file outside."""
    folder = workspace.root / "adapters"
    folder.mkdir()
    (folder / "file").symlink_to(outside / "trial-0000.txt")
    (folder / "folder").symlink_to(outside)
    paths = {
        "above": "../outside/trial-0000.txt",
        "deeper": "adapters/../../outside/trial-0000.txt",
        "absolute": str(outside / "trial-0000.txt"),
        "a link": "adapters/file",
        "below a link": "adapters/folder/trial-0000.txt",
    }
    return paths[how]


@pytest.mark.parametrize("how", ["above", "deeper", "absolute", "a link", "below a link"])
def test_nobody_follows_a_remembered_path_out(
    workspace: Workspace, ledger: Ledger, outside: Path, frontune: Frontune, how: str
) -> None:
    path = remembered(workspace, outside, how)
    kept = tuple(Artifact("tiny", 0, kind, path) for kind in ("adapter", "outcomes", "predictions"))
    outcome = TrialOutcome(replace(make_trial(), mlflow_run_id="run"), (), kept)
    ledger.save_outcome(outcome)
    trial, nothing = outcome.trial, SimpleNamespace()
    books: Any = SimpleNamespace(workspace=workspace, left_by=lambda sweep, number: ((), kept))
    tracker: Any = SimpleNamespace(start_trial=lambda parent, trial: "run")
    swept = SweepRecord("tiny", "gpt2-medium", "mnli", "accuracy", {}, NOW, "parent")
    anything: Any = nothing
    readers: list[Callable[[], object]] = [
        lambda: kept_adapter(workspace, ledger, "tiny", 0),
        lambda: row_values([trial], ledger, workspace),
        lambda: _score(trial, anything, ledger, workspace),
        lambda: _kept_texts(trial, books),
        lambda: Told.send(books, outcome),
        lambda: Sweep(workspace, ledger, tracker, swept, (trial,)).tell_mlflow([trial]),
    ]
    for read in readers:
        with pytest.raises(FrontuneError, match=r"inside the workspace|out of the workspace by a link"):
            read()
    exported = frontune("export", "tiny", 0, "--to", workspace.root / "new", "--workspace", workspace.root)
    assert exported.exit_code == 2
    assert not (workspace.root / "new").exists()
    found = frontune("doctor", "--repair", "--workspace", workspace.root)
    assert found.exit_code == 1
    assert untouched(outside)


def test_repairing_removes_no_state_and_no_draft_that_lies_elsewhere(
    workspace: Workspace, ledger: Ledger, outside: Path, frontune: Frontune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.doctor.stores.OLD_AFTER_S", -1.0)
    ledger.save_trial(make_trial())
    (workspace.root / "checkpoints").mkdir()
    (workspace.root / "checkpoints" / "tiny").symlink_to(outside)
    found = frontune("doctor", "--repair", "--workspace", workspace.root)
    assert found.exit_code == 1
    assert "leads out of the workspace by a link" in found.stdout
    assert untouched(outside)


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_no_command_takes_a_path_for_a_sweep(
    workspace: Workspace, ledger: Ledger, outside: Path, frontune: Frontune, sweep_file: SweepFile, name: str
) -> None:
    ledger.save_trial(make_trial())
    for command in (
        *(("status", name), ("pareto", name), ("table", name), ("report", name), ("resume", name)),
        *(("export", name, 0, "--to", workspace.root / "new"), ("test", name), ("subspace", name, 0, 0)),
        *(("compare", name, "lora", "adapter_h"), ("run", sweep_file(), "--set", f"name={name}")),
    ):
        said = frontune(*command, "--workspace", workspace.root)
        assert said.exit_code == 2, (command, said.output)
    assert untouched(outside)


def test_a_report_of_a_ledger_whose_sweep_is_named_a_path_stays_inside(
    workspace: Workspace, ledger: Ledger, outside: Path, frontune: Frontune
) -> None:
    ledger.add_sweep(SweepRecord("../../outside", "gpt2-medium", "mnli", "accuracy", {}, NOW))
    ledger.save_trial(make_trial(sweep="../../outside"))
    said = frontune("report", "../../outside", "--workspace", workspace.root)
    assert said.exit_code == 2
    assert "cannot name a sweep's folder" in said.stderr
    assert untouched(outside)


def test_files_of_mlflow_stay_inside(workspace: Workspace, outside: Path, mlflow_store: bytes) -> None:
    (workspace.root / "mlflow.db").write_bytes(mlflow_store)
    workspace.artifact_root.mkdir()
    (workspace.artifact_root / "tiny").symlink_to(outside)
    tracker = Tracker(workspace.tracking_uri, workspace.artifact_root)
    for name in ("tiny", "../outside"):
        with pytest.raises(FrontuneError):
            tracker.start_sweep(name, "note", {})
    assert untouched(outside)
