"""An MLflow server that a test starts on the loopback address, with a SQLite file and one worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_S = 120
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Jobs, which nothing of ours has, take half a dozen processes that load all of MLflow."""


class MlflowServer:
    """Keeps its place over a restart; `folder` holds all it knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._placeholder = _bound(0)
        self._port = int(self._placeholder.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def start(self) -> None:
        """Return once it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.artifacts)]
        self._placeholder.close()
        with (self.folder / "log").open("ab") as log:
            # A session of its own: its workers are processes, too, and end with it.
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | QUIET,
            )
        latest = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > latest:
                raise RuntimeError(f"no MLflow server: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and its workers at once, as when its machine fails."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._placeholder = _bound(self._port)

    def close(self) -> None:
        """Give the port back."""
        self._placeholder.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _bound(port: int) -> socket.socket:
    """Keeps the port while no server does: who asks there is refused, and nobody else is given it."""
    placeholder = socket.socket()
    placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    latest = time.monotonic() + START_S
    while True:
        try:
            placeholder.bind(("127.0.0.1", port))
            return placeholder
        except OSError:
            # A worker that was killed holds it for a moment longer than its parent.
            if time.monotonic() > latest:
                raise
            time.sleep(0.02)
