"""Two sweeps in one workspace at once: neither waits for the other, and each finds what it finds alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Frontune, SweepFile
from tests.sweep_outcomes import outcome, runs_of, trials_of

MakeWorkspace = Callable[[], Path]


def test_two_sweeps_in_one_workspace_do_not_disturb_each_other(
    make_workspace: MakeWorkspace, frontune: Frontune, sweep_file: SweepFile
) -> None:
    alone, shared = make_workspace(), make_workspace()
    # Different learning rates: what one has trained is not taken over by the other.
    points = {
        name: [f"lora(r_q={rank}, lr={lr})" for rank in (1, 2, 3, 4)] + [f"adapter_l(r=2, lr={lr})"]
        for name, lr in (("one", 1e-2), ("two", 2e-2))
    }
    files = [
        sweep_file(name, name=name, methods=None, trials=None, points=points[name], sampler_seed=3)
        for name in points
    ]
    for file in files:
        assert frontune("run", file, "--workspace", alone).exit_code == 0
    command = [sys.executable, "-m", "sweeps.cli", "run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "FRONTUNE_DEVICE": "cpu"}
    running = [
        subprocess.Popen(
            [*command, str(file), "--workspace", str(shared)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for file in files
    ]
    said = [process.communicate(timeout=300)[0] for process in running]
    # One string: pytest shortens a list, and the reason with it.
    assert [process.returncode for process in running] == [0, 0], "\n".join(said)
    for name in points:
        assert outcome(shared, name) == outcome(alone, name)
        assert {t.state for t in trials_of(shared, name)} == {"complete"}
        parent, children = runs_of(shared, name)
        assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
        assert len(children) == 10
    doctor = frontune("doctor", "--workspace", shared)
    assert "WRONG" not in doctor.stdout
