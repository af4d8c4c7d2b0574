"""The live page without a browser: what it reads, what it says, and whom it answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboards.imported import trial_names
from dashboards.live.app import make_app
from dashboards.live.choices import filters_of, methods_of, seeds_of
from dashboards.live.filters import Filters, front_figure
from dashboards.live.front_view import share_axes, summary
from dashboards.live.picked import mark_picked, numbers_at, numbers_of, picked_csv
from dashboards.live.picking import after, said_of
from dashboards.live.reading import LEASES_S, POLL_S, Reader
from dashboards.live.running import how_far, plot_running, running_trials
from dashboards.live.running_view import lines
from dashboards.live.trials_view import trial_cells
from methods.errors import FrontuneError
from storage.lease import leased
from storage.ledger import Ledger, LedgerError
from storage.progress import save_progress
from storage.read_only import open_read_only
from storage.records import RungScore, SweepRecord, TrialProgress, TrialRecord
from storage.untrained import save_untrained
from tests.conftest import Frontune
from tests.test_ledger import NOON
from tests.test_pareto import make_trial
from tests.test_progress_notes import Clock

SWEEP = SweepRecord("tiny", "gpt2-medium", "mnli", "accuracy", {"trials": 9}, NOON)


def trials() -> list[TrialRecord]:
    """Two configurations with two seeds, one that was pruned with a seed, and one that runs."""
    kinds: list[dict[str, Any]] = [
        {"config_hash": "a", "trainable_params": 100, "score": 0.5},
        {"config_hash": "a", "trainable_params": 100, "score": 0.7, "seed": 1},
        {
            "config_hash": "b",
            "trainable_params": 900,
            "score": 0.9,
            "method": "adapter_h",
            "title": "Adapter^H",
        },
        {"config_hash": "c", "trainable_params": 50, "score": 0.99},
        {"config_hash": "c", "trainable_params": 50, "score": 0.2, "seed": 1, "state": "pruned"},
        {"config_hash": "d", "trainable_params": 300, "score": None, "state": "running"},
    ]
    return [make_trial(number=number, **kind) for number, kind in enumerate(kinds)]


def picks(figure: Any) -> list[tuple[int, ...]]:
    return [tuple(own) for trace in figure.data if trace.customdata for own in trace.customdata]


def test_the_figure_tells_which_trials_a_point_is_of() -> None:
    figure = front_figure(trials(), "t", Filters())
    assert picks(figure) == [(4,), (2,), (0, 1)]


@pytest.mark.parametrize(
    ("filters", "points"),
    [
        (Filters(methods=frozenset({"adapter_h"})), [(2,)]),
        (Filters(seeds=frozenset({1})), [(4,), (1,)]),
        (Filters(least_params=100, most_params=300), [(0, 1)]),
        (Filters(states=frozenset({"complete"})), [(2,), (0, 1)]),
        (Filters(states=frozenset({"pruned"})), [(4,)]),
        (Filters(states=frozenset({"failed"})), []),
    ],
)
def test_a_filter_leaves_the_points_that_are_asked_for(
    filters: Filters, points: list[tuple[int, ...]]
) -> None:
    assert picks(front_figure(trials(), "t", filters)) == points


def test_what_the_controls_hold_becomes_a_filter() -> None:
    assert filters_of(None, [], None, None, "") == Filters()
    found = filters_of(["lora"], ["complete"], [str(2**60 + 1)], 0, 10)
    assert found == Filters(frozenset({"lora"}), frozenset({"complete"}), frozenset({2**60 + 1}), 0, 10)
    assert [each["label"] for each in methods_of(trials())] == ["Adapter^H", "LoRA"]
    assert seeds_of(trials())[1] == {"label": "1", "value": "1"}


@pytest.mark.parametrize(
    ("text", "numbers"), [("", set()), ("3", {3}), (" 3, 7-9  12,", {3, 7, 8, 9, 12}), ("5–6", {5, 6})]
)
def test_numbers_are_read_and_written(text: str, numbers: set[int]) -> None:
    assert numbers_of(text) == numbers
    assert numbers_of(trial_names(numbers)) == numbers


@pytest.mark.parametrize("text", ["x", "3;4", "-1", "1-999999999", "1e3", "٣-x"])
def test_what_is_no_number_is_said(text: str) -> None:
    with pytest.raises(FrontuneError):
        numbers_of(text)
    assert text.split("-")[0] in said_of(text, {1}) or "wanted" in said_of(text, {1})


def test_lasso_and_box_add_and_a_click_adds_or_takes_back() -> None:
    lasso = {"points": [{"customdata": [7, 8]}, {"customdata": [3]}, {"x": 1}]}
    click = {"points": [{"customdata": [8, 7]}]}
    assert numbers_at(lasso) == {3, 7, 8}
    assert numbers_at(None) == frozenset()
    assert after(lasso, None, "1") == "1, 3, 7-8"
    assert after(None, click, "1, 3, 7-8") == "1, 3"
    assert after(None, click, "1, 7") == "1, 7-8"
    assert after(None, None, "junk") == ""
    assert said_of("1, 9", {1, 2}) == "1 trial picked, 1 not of this sweep"


def test_picked_points_stand_out() -> None:
    figure = front_figure(trials(), "t", Filters())
    mark_picked(figure, {1})
    assert [trace.selectedpoints for trace in figure.data if trace.customdata] == [(), (), (0,)]
    plain = front_figure(trials(), "t", Filters())
    mark_picked(plain, ())
    assert all(trace.selectedpoints is None for trace in plain.data)


def test_the_csv_of_picked_trials_is_rows_of_the_csv_of_all(tmp_path: Path) -> None:
    from dashboards.pareto_csv import write_csv

    write_csv(tmp_path / "all.csv", [trials()], front_only=False)
    whole = (tmp_path / "all.csv").read_text().splitlines(keepends=True)
    assert picked_csv(trials(), {1, 4, 99}) == "".join([whole[0], whole[2], whole[5]])
    assert picked_csv(trials(), ()) == whole[0]


def progress(number: int, step: int, at_s: float, steps: int = 100) -> TrialProgress:
    at = NOON + timedelta(seconds=at_s)
    return TrialProgress(number, step, steps, at, 10, NOON, ((10, 2.5), (step, 1.25)))


def test_the_time_left_is_that_of_the_steps_left_at_the_trials_own_pace() -> None:
    now = NOON + timedelta(seconds=62)
    rungs = [RungScore(5, 0, 16, 0.25), RungScore(0, 0, 16, 0.5)]
    (found,) = running_trials(trials(), [progress(5, 40, 60.0)], rungs, now)
    assert (found.step, found.steps, found.silent_s) == (40, 100, 2.0)
    assert found.seconds_left == pytest.approx(60 * 2.0 - 2.0)
    assert found.rungs == (rungs[0],)
    assert how_far(found) == "step 40 of 100, about 2.0 min left, loss 1.25, accuracy 25.0 at step 16"
    later = replace(found, silent_s=300.0)
    assert "last heard of 5.0 min ago" in how_far(later)
    assert "being scored" in how_far(replace(found, step=100))
    assert how_far(replace(found, seconds_left=None, losses=(), rungs=(), steps=None)) == "step 40"


def test_before_its_second_step_a_trial_is_taken_to_be_as_fast_as_its_method_was() -> None:
    ended = [replace(t, train_seconds=50.0, steps=100) for t in trials()[:2]]
    # Of these the planned steps are known and not those that took the time.
    ended += [replace(t, state="interrupted", train_seconds=1.0) for t in ended * 2]
    begun = replace(trials()[5], created_at=NOON, steps=100)
    now = NOON + timedelta(seconds=20)
    (unheard,) = running_trials([*ended, begun], [], [], now)
    assert (unheard.step, unheard.seconds_left) == (0, 30.0)
    (first,) = running_trials([*ended, begun], [progress(5, 10, 0.0)], [], now)
    assert first.seconds_left == pytest.approx(90 * 0.5 - 20)
    (alone,) = running_trials([begun], [], [], now)
    assert alone.seconds_left is None


def test_no_time_is_left_where_nobody_drives_the_sweep() -> None:
    now = NOON + timedelta(seconds=62)
    (stands,) = running_trials(trials(), [progress(5, 40, 60.0)], [], now, is_driven=False)
    assert how_far(stands) == "step 40 of 100, last heard of 2.0 s ago, loss 1.25"
    assert "being scored" not in how_far(replace(stands, step=100))
    ended = replace(trials()[0], train_seconds=50.0, steps=100)
    (unheard,) = running_trials([ended, replace(trials()[5], steps=100)], [], [], now, is_driven=False)
    assert how_far(unheard) == "step 0 of 100"


def test_running_curves_are_drawn_as_far_as_they_are() -> None:
    rungs = [RungScore(5, 0, 16, 0.25), RungScore(5, 1, 30, 0.5)]
    figure = plot_running(running_trials(trials(), [progress(5, 40, 60.0)], rungs, NOON), "t")
    drawn = [(list(trace.x), list(trace.y)) for trace in figure.data if trace.x[0] is not None]
    assert drawn == [([10, 40], [2.5, 1.25]), ([16, 30], [25.0, 50.0])]


def test_what_is_not_shown_of_many_running_trials_is_said() -> None:
    begun = running_trials([replace(trials()[5], number=n) for n in range(66)], [], [], NOON)
    many, some, few = lines(begun), lines(begun[:13]), lines(begun[:12])
    assert (len(many), len(some), len(few)) == (65, 14, 12)
    assert many[-1].children == "and 2 earlier ones; the curves are those of the latest 12"
    assert some[-1].children == "the curves are those of the latest 12"


def test_a_row_of_the_table_says_why_or_that_it_is_on_the_front() -> None:
    assert trial_cells(trials()[1], True)[-1] == "front"
    failed = make_trial(state="failed", score=None, reason="a\tb\nsecond line")
    assert trial_cells(failed, False)[6:] == ("", "a b")


def test_axes_hold_what_both_sweeps_need() -> None:
    small, large = (
        front_figure([make_trial(trainable_params=size, score=score)], "t", Filters())
        for size, score in ((100, 0.5), (10**9, 0.9))
    )
    ends = [large.layout.xaxis.range[1], small.layout.xaxis.range[0]]
    share_axes(small, large)
    assert [small.layout.xaxis.range[1], small.layout.xaxis.range[0]] == ends
    assert small.layout.yaxis.range[0] < 50
    assert small.layout.yaxis.range[1] > 90
    before = large.layout.xaxis.range
    share_axes(large, front_figure([], "t", Filters()))
    assert large.layout.xaxis.range == before


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(f"sqlite:///{tmp_path / 'frontune.db'}")) as opened:
        opened.add_sweep(SWEEP)
        for trial in trials():
            opened.save_trial(trial)
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(ledger: Ledger, clock: Clock) -> Iterator[Reader]:
    with closing(open_read_only(str(ledger.engine.url))) as watched:
        yield Reader(watched, clock)


def test_however_many_ask_the_ledger_is_asked_every_second(
    reader: Reader, ledger: Ledger, clock: Clock
) -> None:
    first = reader.pulse()
    ledger.save_trial(make_trial(number=6))
    assert reader.pulse() == first
    assert len(reader.sweep("tiny").trials) == 7
    clock.now += POLL_S
    second = reader.pulse()
    assert second.state == first.state + 1
    assert [trial.number for trial in reader.sweep("tiny").trials] == list(range(7))


def test_the_untrained_base_is_a_line_as_soon_as_it_is_scored(
    reader: Reader, ledger: Ledger, clock: Clock
) -> None:
    reader.pulse()
    before = reader.sweep("tiny")
    save_untrained(ledger, "tiny", "identity", {before.record.metric: 0.25})
    clock.now += POLL_S
    reader.pulse()
    now = reader.sweep("tiny")
    assert (before.untrained, now.untrained, now.changed > before.changed) == (None, 0.25, True)
    figure = front_figure([make_trial(number=0)], "", Filters(), now.untrained)
    assert "Untrained base: 25.0" in [note.text for note in figure.layout.annotations]


def test_nothing_is_read_again_while_nothing_changes(
    reader: Reader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, known = reader.pulse().state, reader.sweep("tiny")
    monkeypatch.setattr(Ledger, "sweep", lambda *given: pytest.fail("read again"))
    clock.now += POLL_S
    assert reader.pulse().state == state
    assert reader.sweep("tiny") is known


def test_notes_of_running_trials_do_not_have_the_figure_drawn_anew(
    reader: Reader, ledger: Ledger, clock: Clock
) -> None:
    reader.pulse()
    before = reader.sweep("tiny")
    save_progress(ledger, "tiny", [progress(5, 40, 60.0)])
    clock.now += POLL_S
    reader.pulse()
    after_note = reader.sweep("tiny")
    assert after_note.progress == [progress(5, 40, 60.0)]
    assert (after_note.changed, after_note.state) == (before.changed, before.state + 1)
    ledger.save_trial(replace(trials()[5], state="complete", score=0.25))
    clock.now += POLL_S
    reader.pulse()
    assert reader.sweep("tiny").changed == after_note.state + 1


def test_who_drives_a_sweep_is_known_and_that_he_has_gone(
    reader: Reader, ledger: Ledger, clock: Clock
) -> None:
    with leased(ledger, "tiny"):
        assert "process" in reader.pulse().driven["tiny"]
        running = summary(reader.sweep("tiny"), reader.pulse().driven["tiny"])
    assert running.startswith(
        "mnli on gpt2-medium, 6 of 9 trials: 4 complete, 1 pruned, 1 running. Run by process"
    )
    clock.now += LEASES_S
    assert reader.pulse().driven == {}
    assert summary(reader.sweep("tiny"), None).endswith("Nobody runs it now; frontune resume tiny goes on.")


def test_a_ledger_that_goes_away_is_said_and_read_again_when_it_is_back(
    reader: Reader, ledger: Ledger, clock: Clock
) -> None:
    reader.pulse()
    file = Path(str(ledger.engine.url.database))
    elsewhere = file.rename(file.with_name("elsewhere"))
    clock.now += POLL_S
    with pytest.raises(LedgerError, match="No such file"):
        reader.pulse()
    elsewhere.rename(file)
    clock.now += POLL_S
    reader.pulse()
    assert len(reader.sweep("tiny").trials) == 6


def test_an_unknown_sweep_is_answered_with_the_known_ones(reader: Reader) -> None:
    with pytest.raises(LedgerError, match="unknown sweep 'tyni'; known: tiny"):
        reader.sweep("tyni")


@pytest.fixture
def client(reader: Reader) -> FlaskClient:
    return make_app(reader, "runs").test_client()


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost:8050", "localhost", "127.0.0.1"])
def test_the_page_answers_to_this_machines_names(client: FlaskClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 200
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "The page is loading; then it reads the ledger" in answer.text


@pytest.mark.parametrize("path", ["/", "/_dash-layout", "/_dash-update-component"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8050", "[::1]:8050", ""])
def test_a_page_of_another_name_gets_nothing(client: FlaskClient, path: str, host: str) -> None:
    for method in ("GET", "POST"):
        answer = client.open(path, method=method, headers={"Host": host})
        assert answer.status_code in (400, 403)
        assert b"tiny" not in answer.data


def test_what_runs_is_said_anew_at_each_tick_though_nothing_is_committed(
    client: FlaskClient, ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    since_noon = Clock()

    class Then(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return NOON + timedelta(seconds=since_noon())

    monkeypatch.setattr("dashboards.live.running_view.datetime", Then)
    save_progress(ledger, "tiny", [progress(5, 40, 60.0)])
    with leased(ledger, "tiny"):
        for since_noon.now, said in ((62, "about 2.0 min left"), (300, "last heard of 4.0 min ago")):
            assert f"step 40 of 100, {said}, loss 1.25" in lines_at_tick(client)
    clock.now += LEASES_S
    for since_noon.now, said in ((62, "last heard of 2.0 s ago"), (300, "last heard of 4.0 min ago")):
        assert f"step 40 of 100, {said}, loss 1.25" in lines_at_tick(client)
    monkeypatch.setattr(Ledger, "sweep", lambda *given: pytest.fail("read again"))
    assert "step 40 of 100" in lines_at_tick(client)


def lines_at_tick(client: FlaskClient) -> str:
    """What the page has its lines of running trials replaced with when it has waited for a tick."""
    host = {"Host": "localhost"}
    known = json.loads(client.get("/_dash-dependencies", headers=host).data)
    (lines,) = (each for each in known if each["output"] == "running-a.children")
    asked = [each | {"value": "tiny" if each["id"] == "sweep-a" else None} for each in lines["inputs"]]
    assert "tick" in {each["id"] for each in asked}
    answer = client.post(
        "/_dash-update-component",
        headers=host,
        json={
            "output": lines["output"],
            "outputs": {"id": "running-a", "property": "children"},
            "inputs": asked,
            "changedPropIds": ["tick.n_intervals"],
        },
    )
    return str(json.loads(answer.data)["response"]["running-a"]["children"])


def test_a_view_that_cannot_be_shown_says_why_above_and_stays_as_it_is(client: FlaskClient) -> None:
    outputs = ["trials-a.children"]
    inputs = [("pulse", "data", [1, []]), ("sweep-a", "value", "<gone>"), *FILTER_VALUES]
    answer = client.post(
        "/_dash-update-component",
        headers={"Host": "localhost"},
        json={
            "output": outputs[0],
            "outputs": {"id": "trials-a", "property": "children"},
            "inputs": [{"id": name, "property": key, "value": value} for name, key, value in inputs],
            "changedPropIds": ["pulse.data"],
        },
    )
    assert answer.status_code == 200
    said = json.loads(answer.data)
    assert said["sideUpdate"]["status"]["children"] == "unknown sweep '<gone>'; known: tiny"
    assert "trials-a" not in said.get("response", {})


FILTER_VALUES = [(name, "value", None) for name in ("methods", "states", "seeds", "least", "most")]


def test_nothing_but_reading_can_be_asked_for(client: FlaskClient) -> None:
    rules = {rule.rule: rule.methods or set() for rule in client.application.url_map.iter_rules()}
    writing = {rule for rule, methods in rules.items() if methods & {"POST", "PUT", "PATCH", "DELETE"}}
    assert writing == {"/_dash-update-component"}


def test_no_page_is_opened_where_there_is_nothing_to_show(tmp_path: Path, frontune: Frontune) -> None:
    found = frontune("dashboard", "--workspace", tmp_path / "nowhere")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "no workspace at" in found.stderr
    (tmp_path / "empty").mkdir()
    found = frontune("dashboard", "--workspace", tmp_path / "empty")
    assert (found.exit_code, "no ledger in" in found.stderr) == (2, True)
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_port_that_is_taken_is_said_in_a_sentence(
    ledger: Ledger, tmp_path: Path, frontune: Frontune
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = frontune("dashboard", "--workspace", tmp_path, "--port", port)
    assert found.exit_code == 2
    assert found.stderr == (
        f"frontune: cannot listen on 127.0.0.1:{port}: Address already in use;"
        " try another --port, 0 for any free one\n"
    )
