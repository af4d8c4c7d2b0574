"""What goes wrong in a sweep: each failure is a fact, costs as little as it can, and loses nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch

from methods.errors import FrontuneError
from storage.checkpoints import NoSpace, save_tensors
from storage.ledger import Ledger, LedgerAway
from storage.tracking import Tracker, TrackingAway
from storage.workspace import Workspace
from sweeps.patience import patiently
from sweeps.training.pack import Pack
from sweeps.training.slot import Slot
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, outcome, runs_of, trials_of

MakeWorkspace = Callable[[], Path]
ONE = {"methods": None, "points": ["lora(r_q=2, lr=1e-2)"], "trials": None, "seeds": [0]}
THREE = ONE | {"points": ["lora(r_q=1, lr=1e-2)", "lora(r_q=2, lr=1e-2)", "adapter_l(r=2, lr=1e-2)"]}


@pytest.fixture
def memory_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Lets passes of more than so many rows run out of memory; the sizes that were tried are noted."""

    def limit(rows: int) -> list[int]:
        real = Pack._losses
        tried: list[int] = []

        def losses(pack: Pack, turn: Any) -> Any:
            tried.append(sum(len(one.rows) for _, one in turn))
            if tried[-1] > rows:
                raise torch.OutOfMemoryError("simulated")
            return real(pack, turn)

        monkeypatch.setattr(Pack, "_losses", losses)
        return tried

    return limit


def test_a_trial_out_of_memory_is_tried_with_half_the_micro_batch_and_the_same_result(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    memory_for: Callable[[int], list[int]],
) -> None:
    enough, little = make_workspace(), make_workspace()
    assert frontune("run", sweep_file(**ONE), "--workspace", enough).exit_code == 0
    tried = memory_for(1)
    result = frontune("run", sweep_file(**ONE), "--workspace", little)
    assert result.exit_code == 0
    assert "out of memory; again with micro_batch 2" in result.stdout
    assert "out of memory; again with micro_batch 1" in result.stdout
    assert tried[:3] == [4, 2, 1]
    (wanted,), (found,) = trials_of(enough), trials_of(little)
    assert (found.state, found.config_hash, found.batch_size) == ("complete", wanted.config_hash, 4)
    losses = [
        [m.value for m in ledger_of(where).measurements("small", 0) if m.metric == "loss"]
        for where in (enough, little)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_does_not_fit_at_all_is_infeasible_for_the_sampler_and_the_sweep_goes_on(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    memory_for: Callable[[int], list[int]],
) -> None:
    workspace = make_workspace()
    memory_for(0)
    result = frontune("run", sweep_file(**THREE), "--workspace", workspace)
    assert result.exit_code == 1
    assert {t.state for t in trials_of(workspace)} == {"infeasible"}
    assert all(str(t.reason).startswith("out of memory with one row at a time") for t in trials_of(workspace))
    url = Workspace.open(workspace, create=False).database_url
    study = optuna.load_study(study_name="small/lora", storage=url)
    assert [t.state.name for t in study.trials] == ["PRUNED", "PRUNED"]
    assert [t.constraints for t in study.trials] == [{"trainable": 1.0}] * 2
    assert {run.data.tags["state"] for run in runs_of(workspace)[1]} == {"infeasible"}


@pytest.fixture
def failing_places(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the first so many passes through the base raise an error."""

    def fail(times: int) -> None:
        real, calls = Slot.place, []

        def place(slot: Slot, *arguments: Any) -> Any:
            calls.append(1)
            if len(calls) <= times:
                raise ValueError("bad luck")
            return real(slot, *arguments)

        monkeypatch.setattr(Slot, "place", place)

    return fail


def test_an_error_that_may_be_chance_is_tried_again(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    failing_places: Callable[[int], None],
) -> None:
    workspace = make_workspace()
    failing_places(2)
    result = frontune("run", sweep_file(**ONE, max_retries=2), "--workspace", workspace)
    assert result.exit_code == 0
    assert "ValueError: bad luck; again (1 of 2)" in result.stdout
    assert [t.state for t in trials_of(workspace)] == ["complete"]


def test_an_error_that_stays_is_recorded_with_its_traceback_and_the_sweep_goes_on(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    failing_places: Callable[[int], None],
) -> None:
    workspace = make_workspace()
    failing_places(2)
    assert frontune("run", sweep_file(**THREE), "--workspace", workspace).exit_code == 0
    states = [t.state for t in trials_of(workspace)]
    assert states == ["failed", "complete", "complete"]
    reason = str(trials_of(workspace)[0].reason)
    assert reason.startswith("ValueError: bad luck\nTraceback")
    assert "in place" in reason


def test_what_failed_is_trained_after_all_where_that_is_asked_for(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, workspace = make_workspace(), make_workspace()
    points = [f"lora(r_q={r}, lr=1e-2)" for r in (1, 2)] + ["adapter_l(r=2, lr=1e-2)", "lora(r_q=1, lr=1e30)"]
    file = sweep_file(**ONE | {"points": points, "seeds": [0, 1]})
    assert frontune("run", file, "--workspace", plain).exit_code == 0
    real = Slot.place

    def place(slot: Slot, *arguments: Any) -> Any:
        if slot.method.name == "adapter_l" or slot.recipe.seed == 1:
            raise ValueError("no driver for this card")
        return real(slot, *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(Slot, "place", place)
        assert frontune("run", file, "--workspace", workspace).exit_code == 0
    assert [t.state for t in trials_of(workspace)] == ["complete", "failed"] * 2 + ["failed"] * 4
    unaware = frontune("resume", "small", "--workspace", workspace)
    assert [t.state for t in trials_of(workspace)].count("failed") == 6, unaware.stdout
    again = frontune("resume", "small", "--workspace", workspace, "--retry-failed")
    assert again.exit_code == 0
    assert "to be trained again, having failed: 5 trials" in again.stdout
    assert [t.state for t in trials_of(workspace)] == ["complete"] * 6 + ["failed"] * 2
    assert outcome(workspace) == outcome(plain)
    assert [r.data.tags["state"] for r in runs_of(workspace)[1]] == ["complete"] * 6 + ["failed"] * 2


def test_a_broken_sweep_stops_at_max_failures_and_ends_with_1(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    failing_places: Callable[[int], None],
) -> None:
    workspace = make_workspace()
    failing_places(10**6)
    file = sweep_file(**THREE, max_failures=2, max_retries=0)
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 1
    assert "2 trials failed, max_failures is 2: ValueError: bad luck" in result.stdout
    assert [t.state for t in trials_of(workspace)] == ["failed", "failed"]
    assert runs_of(workspace)[0].info.status == "FAILED"


def test_divergence_is_not_tried_again_and_does_not_count_as_a_broken_sweep(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    workspace = make_workspace()
    points = ["lora(r_q=1, lr=1e30)", "lora(r_q=1, lr=1e-2)"]
    file = sweep_file(**ONE | {"points": points}, max_failures=1)
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 0
    assert "again" not in result.stdout
    assert [t.state for t in trials_of(workspace)] == ["failed", "complete"]


def test_a_full_disk_is_waited_for(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, full = make_workspace(), make_workspace()
    assert frontune("run", sweep_file(**THREE), "--workspace", plain).exit_code == 0
    waits: list[float] = []
    monkeypatch.setattr("sweeps.patience.time", SimpleNamespace(sleep=waits.append, monotonic=monotonic))
    monkeypatch.setattr("sweeps.training.trial_run.save_tensors", full_at_first(2, save_tensors))
    space = full_at_first(3, Workspace.check_space)
    monkeypatch.setattr(Workspace, "check_space", lambda *arguments: space(*arguments))
    result = frontune("run", sweep_file(**THREE), "--workspace", full)
    assert result.exit_code == 0
    assert "No space left on device; again once 1 MB are free (1 of 3)" in result.stdout
    assert "waiting: " in result.stdout
    assert waits == [1.0, 2.0, 4.0]
    assert outcome(full) == outcome(plain)


def test_a_disk_on_which_nothing_finds_room_ends_the_sweep_after_a_few_tries(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, wanted = make_workspace(), list[int]()
    monkeypatch.setattr("sweeps.training.trial_run.save_tensors", full_at_first(10**6, save_tensors))
    monkeypatch.setattr(Workspace, "check_space", lambda workspace, sweep, room: wanted.append(room))
    result = frontune("run", sweep_file(**THREE, max_failures=2), "--workspace", workspace)
    assert result.exit_code == 1
    assert [t.state for t in trials_of(workspace)] == ["failed", "failed"]
    said = "cannot write: No space left on device, 3 times again after there had been room for its files"
    assert {t.reason for t in trials_of(workspace)} == {said}
    assert f"2 trials failed, max_failures is 2: {said[:37]}" in result.stdout
    needed = 3 * 4 * trials_of(workspace)[0].trainable_params + 2**20
    assert wanted[:3] == [needed, 2 * needed, 4 * needed]


def test_room_is_what_the_disk_of_the_weights_has_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, other = Workspace.open(tmp_path / "runs", create=True), tmp_path / "other-disk" / "small"
    other.mkdir(parents=True)
    (tmp_path / "runs" / "adapters").symlink_to(other.parent)
    workspace.check_space("small", 2**20)

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=3_000_000 if path.resolve() == other.resolve() else 10**12)

    monkeypatch.setattr("shutil.disk_usage", usage)
    workspace.check_space("small", 3_000_000)
    waits: list[float] = []

    def less() -> None:
        workspace.check_space("small", 3_000_001 if len(waits) < 2 else 3_000_000)

    patiently(less, print, waits.append)
    assert waits == [1.0, 2.0]
    with pytest.raises(FrontuneError, match=r"cannot write to .*small: 3 MB are free, wanted 9 MB"):
        workspace.check_space("small", 9_000_000)
    assert list(other.iterdir()) == []


def test_weights_that_cannot_be_written_for_once_are_written_at_the_next_try(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    workspace, calls = make_workspace(), list[int]()

    def failing(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise SafetensorError("Error while serializing: I/O error: Input/output error (os error 5)")
        save_file(*arguments)

    monkeypatch.setattr("safetensors.torch.save_file", failing)
    monkeypatch.setattr("sweeps.trial_records.rung_steps", lambda *arguments: ())
    result = frontune("run", sweep_file(**ONE), "--workspace", workspace)
    assert result.exit_code == 0
    assert "Input/output error; again (1 of 1)" in result.stdout
    assert [t.state for t in trials_of(workspace)] == ["complete"]


def test_a_disk_that_can_only_be_read_ends_the_sweep_at_max_failures(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def replace(*arguments: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    workspace = make_workspace()
    monkeypatch.setattr("storage.checkpoints.os.replace", replace)
    result = frontune("run", sweep_file(**THREE, max_failures=2), "--workspace", workspace)
    assert result.exit_code == 1
    assert "2 trials failed, max_failures is 2: cannot write " in result.stdout
    assert "Read-only file system; again (1 of 1)" in result.stdout


def full_at_first(times: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that finds the disk full for its first so many calls."""
    calls: list[int] = []

    def action(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise NoSpace("cannot write: No space left on device") from cause
        return real(*arguments)

    return action


def test_safetensors_word_for_a_full_disk_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def full(*arguments: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(NoSpace, match="No space left on device"):
        save_tensors(tmp_path / "x", {}, {})


def test_a_ledger_that_is_locked_is_waited_for_and_nothing_is_lost(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, locked = make_workspace(), make_workspace()
    assert frontune("run", sweep_file(**THREE), "--workspace", plain).exit_code == 0
    real, calls = Ledger.save_outcome, []

    def save(ledger: Ledger, saved: Any) -> None:
        calls.append(1)
        if len(calls) in (2, 3):
            raise LedgerAway("the ledger cannot be used now: database is locked")
        real(ledger, saved)

    monkeypatch.setattr(Ledger, "save_outcome", save)
    monkeypatch.setattr(
        "sweeps.patience.time", SimpleNamespace(sleep=lambda seconds: None, monotonic=monotonic)
    )
    result = frontune("run", sweep_file(**THREE), "--workspace", locked)
    assert result.exit_code == 0
    assert result.stdout.count("waiting: the ledger cannot be used now") == 1
    assert outcome(locked) == outcome(plain)


def test_waiting_grows_up_to_half_a_minute_and_is_said_once() -> None:
    waits: list[float] = []
    said: list[str] = []

    def action() -> str:
        if len(waits) < 7:
            raise LedgerAway("away")
        return "done"

    assert patiently(action, said.append, waits.append) == "done"
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert said == ["waiting: away"]


def test_other_errors_are_not_waited_for() -> None:
    def action() -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        patiently(action, print, lambda seconds: None)


@pytest.mark.parametrize("until", ["the middle", "the next run"])
def test_an_mlflow_that_is_away_gets_everything_when_it_is_back(
    make_workspace: MakeWorkspace,
    frontune: Frontune,
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
    until: str,
) -> None:
    workspace = make_workspace()
    real, calls = Tracker.start_sweep, []

    def start_sweep(tracker: Tracker, *arguments: Any) -> str:
        calls.append(1)
        if until == "the next run" or len(calls) < 3:
            raise TrackingAway("MLflow could not start the sweep: connection refused")
        return real(tracker, *arguments)

    monkeypatch.setattr("sweeps.mirror.RETRY_AFTER_S", 0.0)
    monkeypatch.setattr("sweeps.mirror.RETRY_AFTER_TIMES", 0)
    with monkeypatch.context() as away:
        away.setattr(Tracker, "start_sweep", start_sweep)
        result = frontune("run", sweep_file(**THREE), "--workspace", workspace)
    assert result.exit_code == 0
    assert "results are kept in the ledger and sent when it is back" in result.stdout
    assert [t.state for t in trials_of(workspace)] == ["complete"] * 3
    if until == "the next run":
        assert "MLflow has not been told of 3 trials" in result.stdout
        assert not any(t.mirrored for t in trials_of(workspace))
        assert frontune("resume", "small", "--workspace", workspace).exit_code == 0
    else:
        assert "MLflow is back" in result.stdout
    parent, children = runs_of(workspace)
    assert [run.data.metrics["score"] for run in children] == [t.score for t in trials_of(workspace)]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert all(t.mirrored for t in trials_of(workspace))
