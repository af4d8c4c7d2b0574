"""The ledger: what is saved comes back, and nothing else is touched."""

from __future__ import annotations

import hashlib
import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest

from methods.errors import FrontuneError
from storage import models, schema
from storage.curves import metric_names
from storage.imported import add_imported
from storage.ledger import Ledger, LedgerError
from storage.migrations import HEAD, REVISIONS, VERSION_TABLE
from storage.progress import progress_of, save_progress
from storage.records import (
    Artifact,
    Measurement,
    Provenance,
    Refusal,
    RungScore,
    SweepRecord,
    TrialOutcome,
    TrialProgress,
    TrialRecord,
)
from storage.rungs import add_rung, rung_scores
from storage.untrained import save_untrained, untrained_scores
from tests.schemas import schema_differences

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SWEEP = SweepRecord("démo", "gpt2", "mnli", "accuracy", {"budget": {"trials": 3}, "note": "naïve ≥ 名"}, NOON)
TRIAL = TrialRecord(
    sweep="démo",
    study="démo/lora",
    number=0,
    state="complete",
    method="lora",
    title="LoRA",
    label="r_q = r_v = 2",
    hyperparameters={"r_q": 2, "lr": 1e-3, "gate": True, "kind": "é", "none": None},
    config_hash="abc",
    seed=2**40,
    base="gpt2",
    task="mnli",
    metric="accuracy",
    trainable_params=175_000_000_000,
    stored_params=8,
    base_params=10**12,
    point=0,
    created_at=NOON,
    score=0.5,
)
FULL_TRIAL = replace(
    TRIAL,
    number=1,
    state="failed",
    lr=1e-4,
    batch_size=8,
    steps=100,
    train_seconds=1.5,
    eval_seconds=0.5,
    wall_seconds=2.5,
    tokens_per_second=1e4,
    peak_memory_bytes=2**35,
    device="cuda:0",
    mlflow_run_id="f" * 32,
    git_commit="0" * 40,
    reason="diverged: loss is NaN at step 3 — « halt »",
    reused_from="other/3",
)
PROVENANCE = Provenance(NOON, {"torch": "2.13.0"}, None, True, "b1", "d1", "p1", "cpu")


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    Ledger.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def url(empty_file: Path, tmp_path: Path) -> str:
    (tmp_path / "frontune.db").write_bytes(empty_file.read_bytes())
    return f"sqlite:///{tmp_path / 'frontune.db'}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger.open(url)
    opened.add_sweep(SWEEP)
    yield opened
    opened.close()


def test_a_sweep_comes_back_as_it_was_saved(ledger: Ledger) -> None:
    assert ledger.sweep("démo") == SWEEP
    assert ledger.sweeps() == [SWEEP]
    assert ledger.sweep("other") is None


@pytest.mark.parametrize("trial", [TRIAL, FULL_TRIAL])
def test_a_trial_comes_back_as_it_was_saved(ledger: Ledger, trial: TrialRecord) -> None:
    ledger.save_trial(trial)
    assert ledger.trial("démo", trial.number) == trial
    assert ledger.trials("démo") == [trial]


def test_provenance_comes_back_oldest_first(ledger: Ledger) -> None:
    second = replace(PROVENANCE, git_commit="a" * 40, git_dirty=False)
    assert ledger.add_provenance("démo", PROVENANCE) < ledger.add_provenance("démo", second)
    assert ledger.provenance("démo") == [PROVENANCE, second]


def test_every_field_of_a_record_has_a_column_of_its_name() -> None:
    pairs: list[tuple[type, type[models.Base]]] = [
        (SweepRecord, models.SweepRow),
        (TrialRecord, models.TrialRow),
        (Measurement, models.MeasurementRow),
        (Artifact, models.ArtifactRow),
        (Provenance, models.ProvenanceRow),
        (Refusal, models.RefusalRow),
    ]
    for record, row in pairs:
        assert {each.name for each in fields(record)} <= set(row.__table__.columns.keys())


def test_times_come_back_in_utc_and_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    ledger.save_trial(replace(TRIAL, created_at=tokyo))
    saved = ledger.trials("démo")[0].created_at
    assert saved == NOON
    assert saved.tzinfo is UTC
    with pytest.raises(LedgerError, match="time without a zone"):
        ledger.save_trial(replace(TRIAL, created_at=NOON.replace(tzinfo=None)))


def test_the_names_of_what_a_sweeps_trials_measured_come_by_split(ledger: Ledger) -> None:
    curve = (Measurement("loss", "train", 1, 2.0), Measurement("loss", "train", 2, 1.0))
    scores = (Measurement("bleu", "validation", 2, 0.5), Measurement("loss", "validation", 2, 1.5))
    ledger.save_outcome(TrialOutcome(TRIAL, curve + scores))
    ledger.save_outcome(TrialOutcome(FULL_TRIAL, curve))
    assert metric_names(ledger, "démo", "validation") == {0: {"bleu", "loss"}}
    assert metric_names(ledger, "démo", "train") == {0: {"loss"}, 1: {"loss"}}
    assert metric_names(ledger, "other", "train") == {}


def test_saving_a_trial_again_updates_it(ledger: Ledger) -> None:
    ledger.save_trial(FULL_TRIAL)
    again = replace(FULL_TRIAL, state="complete", reason=None, score=0.75)
    ledger.save_trial(again)
    assert ledger.trials("démo") == [again]


@pytest.mark.parametrize("other", [{"study": "démo/other"}, {"point": 99}, {"seed": 99}])
def test_a_number_never_passes_to_another_point_or_seed(ledger: Ledger, other: dict[str, Any]) -> None:
    ledger.save_trial(FULL_TRIAL)
    for save in (ledger.save_trial, lambda trial: ledger.save_outcome(TrialOutcome(trial))):
        with pytest.raises(LedgerError, match=f"^trial démo/{FULL_TRIAL.number} is .+ and cannot become"):
            save(replace(FULL_TRIAL, **other))
    assert ledger.trials("démo") == [FULL_TRIAL]


def test_trials_are_ordered_by_number(ledger: Ledger) -> None:
    for number in (2, 0, 1):
        ledger.save_trial(replace(TRIAL, number=number))
    assert [trial.number for trial in ledger.trials("démo")] == [0, 1, 2]


def test_an_outcome_is_saved_whole_and_replaces_the_earlier_one(ledger: Ledger) -> None:
    curve = tuple(Measurement("loss", "train", step, 1.0 / (step + 1)) for step in range(3))
    adapter = Artifact("démo", 0, "adapter", "adapters/démo/trial-0000.safetensors")
    ledger.save_outcome(TrialOutcome(TRIAL, curve[:1], (adapter,)))
    ledger.save_outcome(TrialOutcome(TRIAL, curve, (adapter, adapter)))
    assert ledger.trial("démo", 0) == TRIAL
    assert ledger.measurements("démo", 0) == list(curve)
    assert ledger.artifacts("démo", 0) == [adapter]
    assert ledger.artifacts("démo") == [adapter]


def test_an_outcome_that_cannot_be_saved_changes_nothing(ledger: Ledger) -> None:
    good = Measurement("loss", "train", 0, 2.0)
    running = replace(TRIAL, state="running", score=None)
    ledger.save_outcome(TrialOutcome(running, (good,)))
    bad = Measurement("loss", "train", cast(int, None), 1.0)
    with pytest.raises(LedgerError, match="refused: NOT NULL"):
        ledger.save_outcome(TrialOutcome(TRIAL, (replace(good, value=1.0), bad)))
    assert ledger.trial("démo", 0) == running
    assert ledger.measurements("démo", 0) == [good]


def test_an_outcome_with_another_trials_artifact_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match=r"belongs to démo/5, not to the trial démo/0"):
        ledger.save_outcome(TrialOutcome(TRIAL, (), (Artifact("démo", 5, "adapter", "x"),)))
    assert ledger.trials("démo") == []


def test_a_measurement_that_is_not_a_number_comes_back_as_one(ledger: Ledger) -> None:
    values = (math.nan, math.inf, -0.5)
    points = tuple(Measurement("loss", "train", step, value) for step, value in enumerate(values))
    ledger.save_outcome(TrialOutcome(TRIAL, points))
    first, second, third = ledger.measurements("démo", 0)
    assert math.isnan(first.value)
    assert (second.value, third.value) == values[1:]


def test_of_two_measurements_at_one_step_the_later_counts(ledger: Ledger) -> None:
    points = tuple(Measurement("accuracy", "validation", 10, value) for value in (0.1, 0.2))
    ledger.save_outcome(TrialOutcome(TRIAL, points))
    assert ledger.measurements("démo", 0) == [points[1]]


def test_find_complete_returns_the_earliest_trained_trial_of_any_sweep(ledger: Ledger) -> None:
    ledger.add_sweep(replace(SWEEP, name="later"))
    wanted = replace(TRIAL, sweep="later", number=4)
    for trial in (
        replace(TRIAL, number=0, created_at=NOON + timedelta(hours=1)),
        replace(TRIAL, number=1, created_at=NOON - timedelta(hours=1), reused_from="later/4"),
        replace(TRIAL, number=2, created_at=NOON - timedelta(hours=1), state="pruned"),
        replace(TRIAL, number=3, created_at=NOON - timedelta(hours=1), seed=1),
        wanted,
    ):
        ledger.save_trial(trial)
    assert ledger.find_complete("abc", TRIAL.seed) == wanted
    assert ledger.find_complete("other", TRIAL.seed) is None


def test_a_refusal_is_kept_once(ledger: Ledger) -> None:
    refusal = Refusal("démo", "fine_tune", "all", "over max_trainable_params")
    ledger.add_refusal(refusal)
    ledger.add_refusal(refusal)
    assert ledger.refusals("démo") == [refusal]


def test_the_mlflow_run_of_a_sweep_is_remembered(ledger: Ledger) -> None:
    ledger.set_sweep_run("démo", "abc")
    assert ledger.sweep("démo") == replace(SWEEP, mlflow_run_id="abc")


def test_an_unknown_sweep_is_answered_with_the_known_ones(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="unknown sweep 'demo'; did you mean 'démo'"):
        ledger.save_trial(replace(TRIAL, sweep="demo"))
    with pytest.raises(LedgerError, match="unknown sweep"):
        ledger.add_refusal(Refusal("demo", "lora", "", ""))
    with pytest.raises(LedgerError, match="already"):
        ledger.add_sweep(SWEEP)


@pytest.mark.parametrize("broken", [{"seed": 2**70}, {"label": "\ud800"}, {"hyperparameters": {"x": {1}}}])
def test_what_no_column_can_hold_is_a_ledger_error(ledger: Ledger, broken: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="refused"):
        ledger.save_trial(replace(TRIAL, **broken))  # type: ignore[arg-type]
    assert ledger.trials("démo") == []


def test_a_second_open_does_not_migrate(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_upgrade", lambda engine: pytest.fail("migrated again"))
    for create in (True, False):
        Ledger.open(url, create=create).close()


def test_models_and_migrations_describe_the_same_tables(url: str) -> None:
    ledger = Ledger.open(url)
    assert schema_differences(ledger.engine) == []
    ledger.close()


def test_the_listed_revisions_are_the_scripts_in_order() -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS
    assert scripts.get_current_head() == HEAD


def test_a_ledger_of_the_first_schema_is_brought_up_to_date_with_all_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    file.write_bytes((Path(__file__).parent / "golden" / "ledger-0001.db").read_bytes())
    with closing(Ledger.open(f"sqlite:///{file}")) as ledger:
        trials = ledger.trials("old")
        assert [(t.state, t.score, t.mlflow_run_id) for t in trials] == [
            ("complete", 0.5, "run-0"),
            ("failed", None, "run-1"),
            ("interrupted", None, "run-2"),
        ]
        assert all(t.mirrored and t.train_tokens is None for t in trials)
        assert ledger.measurements("old", 0) == [Measurement("loss", "train", 1, 2.0)]
        add_rung(ledger, "old", RungScore(0, 0, 3, 0.25))
        assert len(rung_scores(ledger, "old")) == 1


def test_a_ledger_of_the_second_schema_learns_how_far_running_trials_are(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    file.write_bytes((Path(__file__).parent / "golden" / "ledger-0002.db").read_bytes())
    with closing(Ledger.open(f"sqlite:///{file}")) as ledger:
        assert [(t.state, t.score, t.train_tokens) for t in ledger.trials("old")] == [
            ("complete", 0.5, 99),
            ("running", None, None),
        ]
        assert rung_scores(ledger, "old") == [RungScore(1, 0, 3, 0.25, 1.5)]
        assert progress_of(ledger, "old") == []
        save_progress(ledger, "old", [TrialProgress(1, 4, 9, NOON, 1, NOON)])
        assert [each.step for each in progress_of(ledger, "old")] == [4]


def test_a_ledger_of_the_third_schema_has_no_score_of_an_untrained_base_yet(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    file.write_bytes((Path(__file__).parent / "golden" / "ledger-0003.db").read_bytes())
    with closing(Ledger.open(f"sqlite:///{file}")) as ledger:
        assert [(t.state, t.score) for t in ledger.trials("old")] == [("complete", 0.5), ("running", None)]
        assert [each.losses for each in progress_of(ledger, "old")] == [((1, 2.5),)]
        assert untrained_scores(ledger, "old") == {}
        save_untrained(ledger, "old", "identity", {"accuracy": 0.25})
        assert untrained_scores(ledger, "old") == {"accuracy": 0.25}


def test_a_ledger_of_the_fourth_schema_takes_imported_results(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    file.write_bytes((Path(__file__).parent / "golden" / "ledger-0004.db").read_bytes())
    with closing(Ledger.open(f"sqlite:///{file}")) as ledger:
        assert [(t.state, t.score, t.imported_from) for t in ledger.results("old")] == [
            ("complete", 0.5, None),
            ("running", None, None),
        ]
        assert untrained_scores(ledger, "old") == {"accuracy": 0.25}
        add_imported(ledger, "old", [replace(TRIAL, sweep="old", imported_from="x.csv")])
        assert [t.number for t in ledger.results("old")] == [0, 1, -1]


def test_imported_results_follow_the_trials_and_are_none_of_them(ledger: Ledger) -> None:
    ledger.save_trial(TRIAL)
    brought = [replace(TRIAL, number=7, imported_from=name, seed=0) for name in ("a.csv", "a.csv", "b.csv")]
    add_imported(ledger, "démo", brought)
    ledger.save_trial(replace(TRIAL, number=1))
    assert [(t.number, t.imported_from) for t in ledger.results("démo")] == [
        (0, None),
        (1, None),
        (-1, "a.csv"),
        (-2, "a.csv"),
        (-3, "b.csv"),
    ]
    assert [t.number for t in ledger.trials("démo")] == [0, 1]
    assert ledger.find_complete(TRIAL.config_hash, 0) is None


def test_imported_results_are_replaced_all_or_none_and_trials_never(ledger: Ledger) -> None:
    ledger.save_trial(TRIAL)
    first = replace(TRIAL, imported_from="a.csv")
    add_imported(ledger, "démo", [first, first])
    with pytest.raises(LedgerError):
        add_imported(ledger, "démo", [first, replace(first, trainable_params=2**70)], [-1, -2])
    assert [t.number for t in ledger.results("démo")] == [0, -1, -2]
    add_imported(ledger, "démo", [replace(first, score=0.25)], [-1, 0])
    assert [(t.number, t.score) for t in ledger.results("démo")] == [(0, 0.5), (-2, 0.5), (-3, 0.25)]
    with pytest.raises(LedgerError, match="unknown sweep 'other'"):
        add_imported(ledger, "other", [replace(first, sweep="other")])


def test_progress_is_that_of_running_trials_and_the_last_that_was_told(ledger: Ledger) -> None:
    for number in (0, 1, 2):
        ledger.save_trial(replace(TRIAL, number=number, state="running", score=None))
    second = TrialProgress(2, 3, 100, NOON + timedelta(seconds=9), 1, NOON, ((1, 2.5), (3, 1.25)))
    first = [TrialProgress(number, 1, 100, NOON, 1, NOON, ((1, 2.5),)) for number in (1, 2)]
    save_progress(ledger, "démo", [*first, TrialProgress(9, 1, 100, NOON, 1, NOON)])
    save_progress(ledger, "démo", [second])
    save_progress(ledger, "démo", [])
    assert progress_of(ledger, "démo") == [first[0], second]
    ledger.save_outcome(TrialOutcome(replace(TRIAL, number=2)))
    save_progress(ledger, "démo", [second])
    assert progress_of(ledger, "démo") == [first[0]]
    assert progress_of(ledger, "another") == []


def test_rungs_come_back_in_the_order_in_which_they_were_reached(ledger: Ledger) -> None:
    for number in (0, 1):
        ledger.save_trial(replace(TRIAL, number=number))
    reached = [RungScore(1, 0, 3, 0.5, 1.5), RungScore(0, 0, 4, 0.25), RungScore(1, 1, 9, 0.75, 0.125)]
    for each in reached:
        add_rung(ledger, "démo", each)
    add_rung(ledger, "démo", RungScore(1, 0, 3, 0.125))
    ledger.save_outcome(TrialOutcome(TRIAL))
    assert rung_scores(ledger, "démo") == reached
    assert rung_scores(ledger, "another") == []
    with pytest.raises(LedgerError, match="has no trial 9"):
        add_rung(ledger, "démo", RungScore(9, 0, 3, 0.5))


def test_two_first_opens_at_once_make_one_ledger(tmp_path: Path) -> None:
    url, errors = f"sqlite:///{tmp_path / 'new.db'}", []

    def open_it() -> None:
        try:
            Ledger.open(url).close()
        except FrontuneError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Ledger.open(url, create=False).sweeps() == []


def test_a_write_waits_for_another_writer_of_the_file(ledger: Ledger, url: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=ledger.save_trial, args=(TRIAL,))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        other.execute("COMMIT")
        thread.join()
    assert ledger.trials("démo") == [TRIAL]


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("create", [True, False])
def test_a_newer_schema_is_refused_and_the_file_left_as_it_is(url: str, journal: str, create: bool) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
        connection.commit()
        connection.execute(f"PRAGMA journal_mode = {journal}")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    sentence = f"written by a newer Frontune .schema 0999, this one knows up to {HEAD}.; upgrade frontune"
    with pytest.raises(FrontuneError, match=sentence):
        Ledger.open(url, create=create)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_opening_without_create_needs_a_ledger(tmp_path: Path) -> None:
    missing, foreign = tmp_path / "missing.db", tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection, connection:
        connection.execute("CREATE TABLE other (x)")
    for path in (missing, foreign):
        with pytest.raises(FrontuneError, match="no ledger in"):
            Ledger.open(f"sqlite:///{path}", create=False)
    assert not missing.exists()
    with closing(sqlite3.connect(foreign)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at\n" * 100)
    with pytest.raises(LedgerError, match="file is not a database"):
        Ledger.open(f"sqlite:///{tmp_path / 'text.db'}")
    for url in ("nonsense", "nonsense://me:secret@host/db"):
        with pytest.raises(LedgerError, match=r"cannot use 'nonsense.* as a ledger") as caught:
            Ledger.open(url)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("first", ["optuna", "frontune"])
def test_the_ledger_shares_a_file_with_optuna(tmp_path: Path, first: str) -> None:
    import optuna

    url = f"sqlite:///{tmp_path / 'frontune.db'}"
    if first == "frontune":
        Ledger.open(url).close()
    storage = optuna.storages.RDBStorage(url)
    study = optuna.create_study(storage=storage, study_name="s/lora", directions=["maximize", "minimize"])
    study.tell(study.ask(), [0.5, 10])
    ledger = Ledger.open(url)
    ledger.add_sweep(SWEEP)
    ledger.save_trial(TRIAL)
    study.tell(study.ask(), [0.6, 20])
    assert len(optuna.load_study(study_name="s/lora", storage=url).trials) == 2
    assert Ledger.open(url, create=False).trials("démo") == [TRIAL]
    with closing(sqlite3.connect(tmp_path / "frontune.db")) as connection:
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert {"alembic_version", VERSION_TABLE, "studies", "frontune_trials"} <= names
