"""The doctor: what is well is called so, each kind of harm is found, and what can be mended is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from storage.lease import Lease, holder, leased
from storage.ledger import Ledger
from storage.models import LeaseRow
from storage.workspace import Workspace
from sweeps.doctor.machine import check_machine
from tests.conftest import Frontune
from tests.sweep_outcomes import ledger_of, runs_of, trials_of

MakeWorkspace = Callable[[], Path]


@pytest.fixture(scope="module")
def sound(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    base: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A workspace with a finished sweep of two points, to be copied."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("doctor") / "small.yaml"
    file.write_text(
        f"base: {base}\ntask: {{name: demo, train_examples: 8, eval_examples: 6}}\n"
        "points: ['lora(r_q=1, lr=1e-2)', 'adapter_l(r=2, lr=1e-2)']\nrecipe: {steps: 2, batch_size: 4}\n"
    )
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return workspace


@pytest.fixture
def workspace(sound: Path, tmp_path: Path) -> Path:
    """A copy to be harmed; MLflow's copies of files go on lying in the first one."""
    return Path(shutil.copytree(sound, tmp_path / "runs"))


def mark_running(workspace: Path) -> None:
    ledger = ledger_of(workspace)
    ledger.save_trial(replace(ledger.trials("small")[1], state="running", score=None))
    forget_told(workspace, 2)


def reopen_run(workspace: Path) -> None:
    _, children = runs_of(workspace)
    client(workspace).update_run(children[0].info.run_id, status="RUNNING")


def reopen_parent(workspace: Path) -> None:
    client(workspace).update_run(runs_of(workspace)[0].info.run_id, status="RUNNING")


def forget_told(workspace: Path, trial: int = 1) -> None:
    with closing(sqlite3.connect(workspace / "frontune.db")) as connection:
        connection.execute("UPDATE trials SET state = 'RUNNING' WHERE trial_id = ?", (trial,))
        connection.commit()


def leave_lease(workspace: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1)
    with ledger_of(workspace).session(write=True) as session:
        session.add(LeaseRow(sweep="small", host="gone", process="1@1", since=long_ago, renewed_at=long_ago))


def leave_files(workspace: Path) -> None:
    draft = workspace / "adapters" / "small" / ".trial-0001.safetensors.abc.tmp"
    draft.touch()
    os.utime(draft, (0, 0))
    state = Workspace.open(workspace, create=False).checkpoint_file("small", 0)
    state.parent.mkdir(parents=True, exist_ok=True)
    state.touch()


def client(workspace: Path) -> MlflowClient:
    return MlflowClient(Workspace.open(workspace, create=False).tracking_uri)


HARM = {
    "a trial left running": (mark_running, "trials 1 are marked as running"),
    "a run left open": (reopen_run, "MLflow does not know how trials 0 ended"),
    "a parent left open": (reopen_parent, "MLflow shows the sweep as running"),
    "a study not told": (forget_told, "1 points have ended, but their studies do not know"),
    "a stale lease": (leave_lease, "a driver that is gone holds it still: process 1 on gone"),
    "files left over": (leave_files, "1 states of trials that have ended are still kept"),
}


def test_a_sound_workspace_is_called_so(workspace: Path, frontune: Frontune) -> None:
    result = frontune("doctor", "--workspace", workspace)
    assert result.exit_code == 0, result.stdout
    assert "ok    small: ledger, studies, MLflow and files agree on 2 trials that ended" in result.stdout
    assert "WRONG" not in result.stdout
    assert "--repair" not in result.stdout


@pytest.mark.parametrize("kind", HARM)
def test_harm_is_found_and_mended(workspace: Path, frontune: Frontune, kind: str) -> None:
    harm, said = HARM[kind]
    harm(workspace)
    found = frontune("doctor", "--workspace", workspace)
    assert said in found.stdout
    assert found.exit_code == int("WRONG" in found.stdout)
    assert "--repair` mends" in found.stdout
    assert frontune("doctor", "--workspace", workspace, "--repair").exit_code == 0
    after = frontune("doctor", "--workspace", workspace)
    assert after.exit_code == 0
    assert said not in after.stdout


def test_a_trial_marked_as_interrupted_by_the_doctor_is_resumed(workspace: Path, frontune: Frontune) -> None:
    before = [t.score for t in trials_of(workspace)]
    mark_running(workspace)
    assert frontune("doctor", "--workspace", workspace, "--repair").exit_code == 0
    assert trials_of(workspace)[1].state == "interrupted"
    assert frontune("resume", "small", "--workspace", workspace).exit_code == 0
    assert [t.score for t in trials_of(workspace)] == before


def test_what_cannot_be_mended_is_said_and_ends_with_1(workspace: Path, frontune: Frontune) -> None:
    (workspace / "adapters" / "small" / "trial-0000.safetensors").unlink()
    found = frontune("doctor", "--workspace", workspace, "--repair")
    assert found.exit_code == 1
    assert "1 files of its trials are gone: adapters/small/trial-0000.safetensors" in found.stdout


@pytest.mark.parametrize("name", ["frontune.db", "mlflow.db"])
def test_a_damaged_database_is_found(workspace: Path, frontune: Frontune, name: str) -> None:
    for file in workspace.glob(f"{name}-*"):
        file.unlink()
    content = bytearray((workspace / name).read_bytes())
    content[4096:] = b"\0" * (len(content) - 4096)
    (workspace / name).write_bytes(content)
    found = frontune("doctor", "--workspace", workspace)
    assert found.exit_code == 1
    assert "WRONG" in found.stdout
    assert "Traceback" not in found.stdout


def test_a_sweep_that_is_being_run_is_left_alone(workspace: Path, frontune: Frontune) -> None:
    mark_running(workspace)
    alone = frontune("status", "small", "--workspace", workspace).stdout
    nobody = "nobody runs it; `frontune resume small` goes on"
    assert f", 1 trials\n  1 complete\n  1 running\n  {nobody}\n" in alone
    assert f"1 running ({nobody}), begun " in frontune("list", "--workspace", workspace).stdout
    with leased(ledger_of(workspace), "small"):
        found = frontune("doctor", "--workspace", workspace, "--repair")
        assert "  run by process " in frontune("status", "small", "--workspace", workspace).stdout
        assert "1 running, begun " in frontune("list", "--workspace", workspace).stdout
    assert "small: is being run by process" in found.stdout
    assert trials_of(workspace)[1].state == "running"


def test_a_repair_holds_the_lease_and_reads_anew_once_it_has_it(
    workspace: Path, frontune: Frontune, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trials_of(workspace)
    mark_running(workspace)
    holders: list[str | None] = []

    @contextmanager
    def leased_late(ledger: Ledger, sweep: str) -> Iterator[Lease]:
        # A driver that was not seen ends its trial and goes, just before.
        ledger.save_trial(before[1])
        with leased(ledger, sweep) as lease:
            yield lease
            holders.append(holder(ledger, sweep))

    monkeypatch.setattr("sweeps.doctor.command.leased", leased_late)
    found = frontune("doctor", "--workspace", workspace, "--repair")
    assert found.exit_code == 0, found.stdout
    assert "1 points have ended, but their studies do not know" in found.stdout
    assert trials_of(workspace) == before
    assert [str(each).split(" on ")[0] for each in holders] == [f"process {os.getpid()}"]
    assert holder(ledger_of(workspace), "small") is None


def test_what_may_be_being_written_is_not_taken_for_left_over(workspace: Path, frontune: Frontune) -> None:
    leave_files(workspace)
    old = workspace / "adapters" / "small" / ".trial-0001.safetensors.abc.tmp"
    new = workspace / "checkpoints" / "small" / ".trial-0002.safetensors.def.tmp"
    new.touch()
    found = frontune("doctor", "--workspace", workspace, "--repair")
    assert "files: 1 files of processes that were killed while they wrote" in found.stdout
    assert (old.exists(), new.exists()) == (False, True)


def test_without_a_workspace_the_machine_alone_is_looked_at(frontune: Frontune, tmp_path: Path) -> None:
    found = frontune("doctor", "--workspace", tmp_path / "none")
    assert found.exit_code == 0
    assert "none at" in found.stdout


def test_a_missing_program_is_a_note_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    by_name = {finding.about: finding for finding in check_machine()}
    assert (by_name["Java"].level, by_name["Chrome"].level) == ("note", "note")
    assert by_name["cpu"].level == "ok"


def test_a_store_that_mlflow_has_lost_is_a_note_and_the_next_run_fills_it(
    workspace: Path, frontune: Frontune, make_workspace: MakeWorkspace
) -> None:
    for file in workspace.glob("mlflow.db*"):
        file.unlink()
    found = frontune("doctor", "--workspace", workspace)
    assert "note  MLflow: no store yet; the next run makes it" in found.stdout
    shutil.copy(make_workspace() / "mlflow.db", workspace / "mlflow.db")
    found = frontune("doctor", "--workspace", workspace)
    assert "MLflow has no such experiment; resume sends it the trials" in found.stdout
    assert found.exit_code == 1
    resumed = frontune("resume", "small", "--workspace", workspace)
    assert resumed.exit_code == 0
    assert "MLflow" not in resumed.stdout
    after = frontune("doctor", "--workspace", workspace)
    assert after.exit_code == 0, after.stdout
