"""The workspace folder: where a ledger, MLflow's store, adapters and reports lie."""

from __future__ import annotations

import errno
import os
import shutil
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from methods.errors import FrontuneError
from storage.stores import DATABASE, LEDGER, remember, stores_of

DRAFTS = ".*.tmp"
"""Files are written under such a name and then moved to their own."""
SWEEP_FOLDERS = ("adapters", "checkpoints", "logs", "outcomes", "predictions", "reports")
"""Folders of the workspace in which each sweep has one of its own."""


class NoWorkspace(FrontuneError):
    """There is no such folder, and no server is named either."""


@dataclass(frozen=True)
class Workspace:
    """A folder that holds all that Frontune remembers; `root` is absolute."""

    root: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool) -> Workspace:
        """Return the workspace at `path`; with `create` its folder is made, otherwise nothing is written.

        Without its folder the sweeps of a database that the environment names can be looked at all the same.
        """
        root = Path(path).expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise FrontuneError(f"the workspace {root} is a file; wanted a folder")
        if not create and not root.exists() and not os.environ.get(DATABASE):
            raise NoWorkspace(f"no workspace at {root}; 'frontune run' makes one")
        if create:
            try:
                root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FrontuneError(f"cannot make the workspace {root}: {error.strerror}") from error
        return cls(root)

    def make_folders(self, sweep: str) -> None:
        """Make the folders that a sweep's trials write to, for a mistake there should not cost a trial.

        Raises FrontuneError also where another of the sweep's folders leads elsewhere.
        """
        for kind in SWEEP_FOLDERS:
            self._folder(kind, sweep)
        self.sweep_reports(sweep)
        for folder in (self.sweep_adapters(sweep), self.checkpoint_file(sweep, 0).parent):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FrontuneError(f"cannot make the folder {folder}: {error.strerror or error}") from error

    def check_space(self, sweep: str, wanted_bytes: int) -> None:
        """Raise an error whose cause is the system's where so much is not free for the sweep's weights, which
        may be on another disk than the rest, or nothing can be written there."""
        folder = self.sweep_adapters(sweep)
        draft = folder / f".space.{os.getpid()}.tmp"
        try:
            # Not written whole: a try that fails would leave no room for anybody else while it lasts.
            draft.write_bytes(bytes(min(wanted_bytes, 2**20)))
            if (free := shutil.disk_usage(folder).free) < wanted_bytes:
                full = f"{free / 1e6:,.0f} MB are free, wanted {wanted_bytes / 1e6:,.0f} MB"
                raise OSError(errno.ENOSPC, full)
        except OSError as error:
            raise FrontuneError(f"cannot write to {folder}: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)

    def remove_drafts(self, sweep: str) -> None:
        """Remove what a killed process of the sweep left half-written; nobody else may be running it."""
        for kind in SWEEP_FOLDERS:
            for draft in self._folder(kind, sweep).glob(DRAFTS):
                draft.unlink(missing_ok=True)

    @property
    def database_url(self) -> str:
        """Where the ledger and Optuna's studies are: in the folder, or on the server of `storage.stores`."""
        return stores_of(self.root).database or _sqlite_url(self.root / LEDGER)

    @property
    def tracking_uri(self) -> str:
        """Where MLflow's store is; not the ledger's database, where Optuna owns `alembic_version` too."""
        return stores_of(self.root).tracking or _sqlite_url(self.root / "mlflow.db")

    def remember_stores(self) -> None:
        """Have every later command find the servers of this one, which must have been reached."""
        remember(self.root, stores_of(self.root))

    @property
    def artifact_root(self) -> Path:
        """Where MLflow keeps files."""
        return self.root / "mlartifacts"

    def adapter_file(self, sweep: str, number: int) -> Path:
        """Return where a trial's trained weights belong; a name that could leave the folder is refused."""
        if number < 0:
            raise FrontuneError(f"a trial's number is {number}; wanted 0 or more")
        return self._file("adapters", sweep, f"trial-{number:04d}.safetensors")

    def predictions_file(self, sweep: str, number: int) -> Path:
        """Return where the texts that a trial generated belong, one a line."""
        return self._file("predictions", sweep, f"trial-{number:04d}.txt")

    def outcomes_file(self, sweep: str, number: int) -> Path:
        """Return where what a trial's score is the mean of belongs, a line for each row."""
        return self._file("outcomes", sweep, f"trial-{number:04d}.outcomes.txt")

    def checkpoint_file(self, sweep: str, number: int) -> Path:
        """Return where the state of a trial that has not ended belongs."""
        return self._file("checkpoints", sweep, f"trial-{number:04d}.safetensors")

    def forget_state(self, sweep: str, number: int) -> None:
        """Remove the state of a trial that has ended; one that cannot be removed is no loss."""
        with suppress(OSError):
            self.checkpoint_file(sweep, number).unlink(missing_ok=True)

    def logs(self, sweep: str) -> Path:
        """Return where a sweep's workers write what they print."""
        return self._folder("logs", sweep)

    def sweep_reports(self, sweep: str) -> Path:
        """Return where a sweep's tables and plots are written; none of the files there may lead elsewhere."""
        folder = self._folder("reports", sweep)
        for file in folder.glob("*"):
            self.inside(str(file.relative_to(self.root)))
        return folder

    def inside(self, relative: str) -> Path:
        """Return a path of the workspace, remembered or made from a name, as `path_inside` does."""
        return path_inside(self.root, relative)

    def directions_file(self, base_fingerprint: str, site: str) -> Path:
        """Return where the singular directions of one of a base's matrices are cached."""
        return self._file("directions", base_fingerprint, f"{folder_name(site)}.safetensors")

    def sweep_adapters(self, sweep: str) -> Path:
        """Return where a sweep's trained weights are kept."""
        return self._folder("adapters", sweep)

    def _folder(self, kind: str, name: str) -> Path:
        return self.inside(f"{kind}/{folder_name(name)}")

    def _file(self, kind: str, name: str, file: str) -> Path:
        return self.inside(f"{kind}/{folder_name(name)}/{file}")


def path_inside(root: Path, relative: str) -> Path:
    """Return `relative` in the folder `root`; raises FrontuneError where it leads out of the folder of `root`
    that it names first, also by a link."""
    path, parts = root / relative, Path(relative).parts
    if Path(relative).is_absolute() or ".." in parts or not parts or "\0" in relative:
        raise FrontuneError(f"{relative!r} is no path inside the workspace {root}")
    # The folder itself may lie elsewhere: whoever made it a link wanted that.
    top, real = os.path.realpath(root / parts[0]), os.path.realpath(path)
    if real != top and not real.startswith(os.path.join(top, "")):
        raise FrontuneError(f"{path} leads out of the workspace by a link")
    return path


def _sqlite_url(path: Path) -> str:
    # A path may hold `?` or `#`, which a URL would take for something else.
    return URL.create("sqlite", database=str(path)).render_as_string()


def folder_name(sweep: str) -> str:
    """Return `sweep` if a folder may bear that name; raise `FrontuneError` otherwise."""
    is_control = any(unicodedata.category(letter).startswith("C") for letter in sweep)
    if not sweep.strip() or sweep == "." or ".." in sweep or "/" in sweep or "\\" in sweep or is_control:
        raise FrontuneError(
            f"{sweep!r} cannot name a sweep's folder;"
            " wanted a name without separators, '..' or control characters"
        )
    return sweep
