"""`frontune test`: the front is scored once on the test split, and remembered."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from storage.workspace import Workspace
from sweeps.tasks.base import Example, Split
from sweeps.tasks.demo import Demo
from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import ledger_of, runs_of, trials_of


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished sweep's workspace that may be written to."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))


def test_the_front_is_scored_on_the_test_split_and_remembered(workspace: Path, frontune: Frontune) -> None:
    result = frontune("test", "small", "--workspace", workspace)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].endswith("test split")
    assert all("(validation " in line and "2 seeds)" in line for line in lines[1::2])
    assert all(re.match(r"  trials \d+-\d+: ", line) for line in lines[1::2])
    assert all(line.strip().startswith("loss ") for line in lines[2::2])
    ledger = ledger_of(workspace)
    tested = {
        t.number: m.value
        for t in trials_of(workspace)
        for m in ledger.measurements("small", t.number)
        if (m.metric, m.split) == ("accuracy", "test")
    }
    assert len(tested) == len(lines) - 1
    metrics = {int(r.data.tags["number"]): r.data.metrics for r in runs_of(workspace)[1]}
    assert {n: metrics[n]["test/accuracy"] for n in tested} == tested
    assert all("test/accuracy" not in metrics[n] for n in metrics if n not in tested)


def test_a_second_time_reads_the_ledger_and_not_the_test_split(
    workspace: Path, frontune: Frontune, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = frontune("test", "small", "--workspace", workspace)
    monkeypatch.setattr(Demo, "examples", lambda self, split: pytest.fail("read again"))
    # The scores are shown also where MLflow has lost a run.
    lost = next(run for run in runs_of(workspace)[1] if "test/accuracy" in run.data.metrics)
    MlflowClient(Workspace.open(workspace, create=False).tracking_uri).delete_run(lost.info.run_id)
    again = frontune("test", "small", "--workspace", workspace)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert f"lost the runs of trials {lost.data.tags['number']}; `frontune doctor`" in again.stderr


def test_an_adapter_that_is_gone_is_named_and_nothing_is_remembered(
    workspace: Path, frontune: Frontune
) -> None:
    shutil.rmtree(workspace / "adapters")
    result = frontune("test", "small", "--workspace", workspace)
    assert result.exit_code == 2
    assert "is not in the workspace any more" in result.stderr


def test_a_sweep_file_that_this_version_does_not_read_is_said_to_be_so(
    workspace: Path, frontune: Frontune
) -> None:
    ledger = ledger_of(workspace)
    (sweep,) = ledger.sweeps()
    ledger.set_sweep_spec("small", {**sweep.spec, "sampler": "cmaes"})
    result = frontune("test", "small", "--workspace", workspace)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "sweep 'small' cannot go on with this version: " in line


def test_a_run_never_reads_the_test_split(
    frontune: Frontune,
    make_workspace: Callable[[], Path],
    sweep_file: SweepFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    real = Demo.examples

    def examples(self: Demo, split: Split) -> list[Example]:
        asked.append(split)
        return real(self, split)

    monkeypatch.setattr(Demo, "examples", examples)
    file = sweep_file(methods=None, points=["lora(r_q=1)"], trials=2)
    assert frontune("run", file, "--workspace", make_workspace()).exit_code == 0
    assert sorted(asked) == ["train", "validation"]
