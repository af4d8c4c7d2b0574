"""A Java program that answers line by line and goes on running, so that what it loads is loaded once."""

from __future__ import annotations

import atexit
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Timer

from sweeps.metrics import jars
from sweeps.metrics.jars import MetricMissing, encoded, failed, hung, java_command

EXIT_TIMEOUT_S = 5.0
"""For a program that ends by itself, having failed or read the end of its input."""


class Dialogue:
    """One running program; it ends with this process, or when it has not answered as it should."""

    def __init__(self, command: Sequence[str]) -> None:
        self._errors = TemporaryFile()  # noqa: SIM115 (open as long as the program runs)
        self._is_late = False
        try:
            # In a session of its own it does not hear the Ctrl-C that a sweep survives for its last trial.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            raise MetricMissing(f"Java cannot be run: {error}") from error
        atexit.register(self.end)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, line: str, answers: int = 1) -> list[str]:
        """Send a line, and return the lines that the program prints for it.

        Raises MetricMissing if it fails or hangs.
        """
        assert self._process.stdin
        assert self._process.stdout
        watch = Timer(jars.TIMEOUT_S, self._be_late)
        watch.start()
        try:
            self._process.stdin.write(encoded(f"{line}\n"))
            self._process.stdin.flush()
            printed = [self._process.stdout.readline() for _ in range(answers)]
        except OSError as error:
            raise self.failure() from error
        except BaseException:
            # The answer that is still to come would be taken for that of the next line.
            self.end()
            raise
        finally:
            watch.cancel()
        if not printed[-1]:
            raise self.failure(b"".join(printed))
        return [answer.decode("utf-8", "replace").strip() for answer in printed]

    def failure(self, printed: bytes = b"") -> MetricMissing:
        """End the program; return why it gave no answer but what it printed."""
        exit_code = self.end()
        self._errors.seek(0)
        said = self._errors.read() + printed
        if self._is_late:
            return MetricMissing(hung())
        if exit_code:
            return MetricMissing(failed(exit_code, said))
        return MetricMissing(f"Java gave no answer but {said.decode('utf-8', 'replace').strip()[:200]!r}")

    def end(self) -> int:
        """End the program, and return its exit code; 0 if it had to be killed."""
        atexit.unregister(self.end)
        with suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()
        try:
            return self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return 0

    def _be_late(self) -> None:
        self._is_late = True
        self._process.kill()


_dialogues: dict[tuple[str, ...], Dialogue] = {}


def dialogue_with(arguments: Sequence[str]) -> Dialogue:
    """Return the program of these arguments, started if it does not run yet.

    Raises MetricMissing if there is no Java.
    """
    command = tuple(java_command(arguments))
    known = _dialogues.get(command)
    if known is None or not known.is_running:
        known = _dialogues[command] = Dialogue(command)
    return known
