"""The Java programs that ship in pycocoevalcap's folder, and running one to its end."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from methods.errors import FrontuneError

TIMEOUT_S = 3600.0
"""METEOR takes about ten seconds to load its paraphrases, then about a second for 100 rows."""
MEMORY = "-Xmx1g"
"""METEOR, the larger of the two, runs in half of it."""


class MetricMissing(FrontuneError):
    """Why a metric cannot be computed here, and how to get it."""


def pycocoevalcap_file(name: str) -> Path:
    """Return a file of pycocoevalcap, which has no `__init__.py` that could be imported.

    Raises MetricMissing if the extra is not installed.
    """
    found = importlib.util.find_spec("pycocoevalcap")
    for folder in (found and found.submodule_search_locations) or ():
        if (file := Path(folder) / name).is_file():
            return file
    raise MetricMissing(
        "needs pycocoevalcap, Frontune's extra nlg, which is not installed: pip install pycocoevalcap"
    )


def java_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a Java program. Raises MetricMissing if there is no Java."""
    java = shutil.which("java")
    if java is None:
        raise MetricMissing(
            "needs Java, and there is no `java` on the PATH: install a Java runtime, "
            "on Debian default-jre-headless"
        )
    return [java, MEMORY, "-Dfile.encoding=UTF-8", *arguments]


def run_java(arguments: Sequence[str], text: str) -> str:
    """Run `java` with arguments and text on its standard input; return what it prints.

    Raises MetricMissing if there is no Java, or it fails or hangs.
    """
    command = java_command(arguments)
    try:
        # Whatever ends this call, an interruption too, ends the process.
        done = subprocess.run(command, input=encoded(text), capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise MetricMissing(hung()) from error
    except OSError as error:
        raise MetricMissing(f"Java cannot be run: {error}") from error
    if done.returncode:
        raise MetricMissing(failed(done.returncode, done.stderr + done.stdout))
    return done.stdout.decode("utf-8", "replace")


def hung() -> str:
    """Why a metric is missing whose program was ended."""
    return f"Java was ended, having printed no result for {TIMEOUT_S:g} s"


def failed(exit_code: int, printed: bytes) -> str:
    """Why a metric is missing whose program failed; a JVM that cannot start prints that as a result."""
    said = printed.decode("utf-8", "replace").strip() or "nothing"
    return f"Java failed with exit code {exit_code}, saying: {said.splitlines()[0]}"


def one_line(text: str) -> str:
    """Join a text's words by single spaces: a line break in it would shift all rows after it."""
    return " ".join(text.split())


def encoded(text: str) -> bytes:
    """As Java programs read and print texts here."""
    return text.encode("utf-8", "replace")
