"""Where the stores are: said by the environment, remembered without passwords, never mixed up."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from methods.errors import FrontuneError
from storage.stores import DATABASE, TRACKING, Stores, remember, shown, stores_of
from storage.workspace import NoWorkspace, Workspace
from tests.conftest import Frontune, SweepFile

URL = "postgresql://me:s%40crt@db.lan/frontune"
WHOLE = "postgresql+psycopg://me:s%40crt@db.lan/frontune"


@pytest.fixture(autouse=True)
def _driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server nothing here needs it."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: "here" if name == "psycopg" else real(name, *rest)
    )


def test_without_a_word_both_stores_are_files_in_the_workspace(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path, create=False)
    assert workspace.database_url == f"sqlite:///{tmp_path / 'frontune.db'}"
    assert workspace.tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    workspace.remember_stores()
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_servers_and_they_are_remembered_without_passwords(tmp_path: Path) -> None:
    found = stores_of(tmp_path, {DATABASE: URL, TRACKING: "http://lan:5000/"})
    assert found == Stores(WHOLE, "http://lan:5000")
    remember(tmp_path, found)
    assert stores_of(tmp_path, {}) == Stores("postgresql+psycopg://me@db.lan/frontune", "http://lan:5000")
    (file,) = tmp_path.iterdir()
    assert "crt" not in file.read_text()
    assert "crt" not in repr(found)
    assert shown(WHOLE) == "postgresql://me:***@db.lan/frontune"


def test_a_password_of_the_environment_is_used_with_the_place_that_is_remembered(tmp_path: Path) -> None:
    remember(tmp_path, Stores(WHOLE, WHOLE.replace("/frontune", "/mlflow")))
    found = stores_of(tmp_path, {DATABASE: URL.replace("me:s", "you:s").replace("lan/", "lan:5432/")})
    assert found.database == "postgresql+psycopg://you:s%40crt@db.lan:5432/frontune"
    assert found.tracking == "postgresql+psycopg://me@db.lan/mlflow"


def test_mlflow_may_move_to_another_server(tmp_path: Path) -> None:
    remember(tmp_path, Stores(None, "http://old:5000"))
    assert stores_of(tmp_path, {TRACKING: "https://new"}).tracking == "https://new"


def test_a_ledger_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "frontune.db").touch()
    assert stores_of(tmp_path, {DATABASE: URL}).database == WHOLE
    (tmp_path / "frontune.db").write_text("a ledger")
    with pytest.raises(
        FrontuneError, match=r"but the sweeps of this workspace are in .*/frontune\.db; unset"
    ):
        stores_of(tmp_path, {DATABASE: URL})
    remember(tmp_path, Stores(WHOLE))
    assert stores_of(tmp_path, {DATABASE: URL}).database == WHOLE
    with pytest.raises(
        FrontuneError, match=r"are in postgresql://me@db\.lan/frontune .*stores\.json"
    ) as caught:
        stores_of(tmp_path, {DATABASE: URL.replace("db.lan", "other.lan")})
    assert "crt" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:secret@host/db", "is no PostgreSQL URL; wanted postgresql://USER@HOST/DATABASE"),
        ("me:secret", "is no PostgreSQL URL"),
        ("postgresql://me:secret@host:port/db", "cannot be read as a URL"),
        ("postgresql://me:sec@ret@host/db", "a password stands between ':' and '@', with %40"),
        ("postgresql://me@host/db?password=secret", "a password stands between ':' and '@'"),
        ("postgresql://me:secret@host", "names no database"),
    ],
)
def test_what_is_no_database_is_refused_without_its_password(tmp_path: Path, url: str, said: str) -> None:
    for variable in (DATABASE, TRACKING):
        with pytest.raises(FrontuneError) as caught:
            stores_of(tmp_path, {variable: url})
        assert f"${variable}" in str(caught.value)
        assert "sec" not in str(caught.value)
    with pytest.raises(FrontuneError, match=said):
        stores_of(tmp_path, {DATABASE: url})


@pytest.mark.parametrize("uri", ["./mlruns", "file:///mlruns", "http:///x", "http://me:secret@host:5000"])
def test_what_is_no_server_of_mlflow_is_refused_without_its_password(tmp_path: Path, uri: str) -> None:
    with pytest.raises(
        FrontuneError, match=r"\$FRONTUNE_TRACKING_URI (is no server|holds a password)"
    ) as caught:
        stores_of(tmp_path, {TRACKING: uri})
    assert "secret" not in str(caught.value)


def test_one_database_for_both_is_refused(tmp_path: Path) -> None:
    same = URL.replace("me:s%40crt", "mlflow").replace("db.lan", "db.lan:5432")
    with pytest.raises(FrontuneError, match=r"give \$FRONTUNE_TRACKING_URI a database of its own"):
        stores_of(tmp_path, {DATABASE: URL, TRACKING: same})


def test_without_the_driver_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FrontuneError, match=r"needs a driver: pip install 'frontune\[postgres\]'"):
        stores_of(tmp_path, {DATABASE: URL})


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"databse": ""}', '"x"'])
def test_a_file_that_does_not_say_where_they_are_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "stores.json").write_text(text)
    with pytest.raises(FrontuneError, match=r"stores\.json does not say where the stores are"):
        stores_of(tmp_path, {})


def test_a_database_can_be_looked_at_from_where_there_is_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoWorkspace):
        Workspace.open(tmp_path / "none", create=False)
    monkeypatch.setenv(DATABASE, URL)
    assert Workspace.open(tmp_path / "none", create=False).database_url == WHOLE
    assert not (tmp_path / "none").exists()


def test_a_bad_url_ends_a_run_before_anything_is_written(
    tmp_path: Path, frontune: Frontune, sweep_file: SweepFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, "postgres://me:secret@host")
    result = frontune("run", sweep_file(), "--workspace", tmp_path / "none")
    assert result.exit_code == 2
    assert "$FRONTUNE_DATABASE_URL names no database" in result.stderr
    assert "secret" not in result.output
    assert not (tmp_path / "none").exists()


def test_ui_of_a_server_says_where_it_is(
    tmp_path: Path, frontune: Frontune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRACKING, "http://lan:5000")
    result = frontune("ui", "--workspace", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith("MLflow's UI is at http://lan:5000")
