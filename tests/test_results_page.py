"""What the page on taking results elsewhere says of Python runs as it stands there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.test_docs import ROOT, blocks

PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_python_of_the_page_runs_a_sweep_and_prints_its_front(
    make_workspace: Callable[[], Path],
    small_sweep: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A file of this name comes before the preset, which would train for half a minute.
    small = {"name": "demo", "seeds": [0], "recipe": {"steps": 1, "batch_size": 2}}
    (tmp_path / "demo").write_text(yaml.safe_dump(small_sweep | small))
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(PAGE, "python")
    names: dict[str, Any] = {"WORKSPACE": str(make_workspace())}
    exec(compile(block, "docs/results.md", "exec"), names)
    assert len(names["results"].trials) == 9
    frame, front = names["frame"], names["results"].front
    assert len(frame) == 9
    printed = capsys.readouterr().out.rpartition("trainable_params")[2].splitlines()[1:]
    assert [line.split()[2] for line in printed] == [str(trial.trainable_params) for trial in front]
