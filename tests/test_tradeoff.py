"""The trade-off plot: its points, its front line, and its files."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from choreographer.browsers.chromium import Chromium

from dashboards.front_band import BandStep
from dashboards.front_labels import Axes, Line, brief, place_labels
from dashboards.plot_files import write_plot
from dashboards.points import Point, front_steps, pruned_points, tradeoff_points
from dashboards.tradeoff import MOST_DRAWN_AS_SVG, plot_tradeoff
from methods.errors import FrontuneError
from storage.records import TrialRecord
from tests.test_pareto import make_trial

HOSTILE = "</script><script>alert(1)</script>"
NEEDS_BROWSER = pytest.mark.skipif(
    Chromium.find_browser(skip_local=False) is None, reason="PNG, SVG and PDF need Chrome or Chromium"
)
METHODS = {
    "lora": ("LoRA", "r_q = r_v = {}", 48 * 2 * 1024, 0.550),
    "prefix_embed": ("PrefixEmbed", "l_p = {}, l_i = 0", 1024, 0.480),
    "prefix_layer": ("PrefixLayer", "l_p = {}, l_i = 0", 24 * 1024, 0.520),
    "adapter_l": ("Adapter^L", "r = {}", 24 * 2 * 1024, 0.525),
    "adapter_h": ("Adapter^H", "r = {}", 48 * 2 * 1024, 0.540),
    "lora+prefix_embed": ("LoRA+PE", "r_q = r_v = {}, l_p = 8", 48 * 2 * 1024 + 200, 0.553),
    "lora+prefix_layer": ("LoRA+PL", "r_q = r_v = {}, l_p = 8", 48 * 2 * 1024 + 9000, 0.545),
}


def realistic_trials() -> list[TrialRecord]:
    """Return about 60 trials of nine methods as a sweep on GPT-2 Medium might leave them."""
    draw = random.Random(15)
    trials: list[TrialRecord] = []

    def add(**values: Any) -> None:
        trials.append(make_trial(number=len(trials), **values))

    for method, (title, label, unit, base) in METHODS.items():
        for rank in (1, 2, 4, 8, 16, 64):
            falls = 0.0008 * rank if "prefix" in method else 0.0
            score = base + 0.16 * (1 - math.exp(-(rank**0.6) / 1.5)) - falls
            for seed in range(3 if rank == 4 else 1):
                add(
                    method=method,
                    title=title,
                    label=label.format(rank),
                    hyperparameters={"r": rank},
                    trainable_params=unit * rank,
                    seed=seed,
                    score=score + draw.gauss(0, 0.006),
                )
    add(method="ft_top2", title="FT^Top2", label="n_layers = 2", trainable_params=25_192_448, score=0.662)
    add(method="fine_tune", title="Fine-Tune", label="", trainable_params=354_823_168, score=0.716)
    add(state="failed", score=None, reason="NaN")
    add(state="pruned", score=None)
    return trials


def traces(points: list[Point]) -> list[dict[str, Any]]:
    figure: dict[str, Any] = plot_tradeoff(points, "t").to_dict()
    data: list[dict[str, Any]] = figure["data"]
    return data


def test_points_are_one_for_each_configuration_in_the_papers_order() -> None:
    points = tradeoff_points(realistic_trials())
    assert len(points) == 44
    assert sum(p.n for p in points) == 58
    assert {p.n for p in points} == {1, 3}
    assert list(dict.fromkeys(p.method for p in points))[:3] == ["fine_tune", "ft_top2", "prefix_embed"]


def test_a_point_averages_its_replicates_and_says_how_far_they_spread() -> None:
    (point,) = tradeoff_points([make_trial(number=i, seed=i, score=s) for i, s in enumerate((0.5, 0.6, 0.7))])
    assert point.n == 3
    assert point.score == pytest.approx(0.6)
    assert point.std == pytest.approx(0.1)
    assert "60.0 ± 10.0, 3 seeds" in point.hover
    assert "trial 0, 1, 2" in point.hover


def test_hover_says_how_many_seeds_a_mean_leaves_out() -> None:
    failed = make_trial(number=2, seed=2, state="failed", score=None)
    (point,) = tradeoff_points([make_trial(score=0.5), make_trial(number=1, seed=1, score=0.7), failed])
    assert ", 2 of 3 seeds (1 failed)<br>" in point.hover
    (alone,) = tradeoff_points([make_trial(), make_trial(number=1, seed=1, state="failed", score=None)])
    assert ", 1 of 2 seeds (1 failed)<br>" in alone.hover


def test_hover_shows_the_whole_configuration_with_names_escaped() -> None:
    trial = make_trial(title="Adapter^H", label=HOSTILE, hyperparameters={"r": 8, "<i>": "<b>"})
    (point,) = tradeoff_points([trial])
    assert "<b>Adapter<sup>H</sup></b>" in point.hover
    for text in ("r = 8", "lr = 2e-4", "batch_size = 20", "steps = 400", "196,608", "&lt;i&gt; = &lt;b&gt;"):
        assert text in point.hover
    assert "<script>" not in point.hover


def test_the_front_line_goes_up_in_steps_to_the_largest_budget_drawn() -> None:
    pairs = [(0, 0.1), (10, 0.5), (20, 0.4), (40, 0.8), (90, 0.7)]
    trials = [make_trial(number=i, trainable_params=p, score=s) for i, (p, s) in enumerate(pairs)]
    points = tradeoff_points(trials)
    assert front_steps(points) == [(10, 0.5), (40, 0.8), (90, 0.8)]
    assert front_steps([]) == []
    line = next(t for t in traces(points) if t.get("name") == "Pareto front")
    assert line["line"]["shape"] == "hv"
    assert list(line["y"]) == [50.0, 80.0, 80.0]


def test_no_point_lies_above_the_front_line() -> None:
    points = tradeoff_points(realistic_trials())
    steps = front_steps(points)
    for point in points:
        assert point.score <= max(s for p, s in steps if p <= point.trainable_params)


def test_zero_parameters_are_a_dotted_line_and_no_point_on_the_logarithmic_axis() -> None:
    points = tradeoff_points([make_trial(trainable_params=0, score=0.4, label=""), make_trial(number=1)])
    figure = plot_tradeoff(points, "t")
    assert all(x is None or x > 0 for t in figure.data for x in t.x)
    assert (figure.layout.shapes[0].y0, figure.layout.annotations[0].text) == (40.0, "0 parameters: 40.0")
    assert figure.layout.xaxis.type == "log"


def test_each_method_has_one_entry_in_the_legend_with_its_own_look() -> None:
    entries = [t for t in traces(tradeoff_points(realistic_trials())) if t.get("showlegend")]
    assert [t["name"] for t in entries] == [
        "Fine-Tune",
        "FT<sup>Top2</sup>",
        "PrefixEmbed",
        "PrefixLayer",
        "Adapter<sup>L</sup>",
        "Adapter<sup>H</sup>",
        "LoRA",
        "LoRA+PE",
        "LoRA+PL",
    ]
    assert len({t["marker"]["symbol"] for t in entries}) == len({t["marker"]["color"] for t in entries}) == 9


def test_only_replicates_have_error_bars() -> None:
    points = tradeoff_points(realistic_trials())
    bars = [bar for t in traces(points) if "error_y" in t for bar in t["error_y"]["array"]]
    assert len(bars) == sum(p.n > 1 for p in points)
    assert all(bar > 0 for bar in bars)


def test_pruned_trials_are_faint_and_no_part_of_the_front_or_of_a_mean() -> None:
    scores = ((1, 0.95), (2, 0.95), (3, None))
    stopped = [make_trial(number=i, seed=i, label="c", state="pruned", score=s) for i, s in scores]
    trials = [make_trial(), *stopped]
    pruned = pruned_points(trials)
    assert [(p.score, p.is_pareto) for p in pruned] == [(0.95, False)] * 2
    assert pruned[0].hover.endswith("trial 1, pruned")
    figure = plot_tradeoff(tradeoff_points(trials), "t", pruned)
    faint = [t for t in figure.data if t.legendgroup == "pruned" and not t.showlegend]
    assert [list(t.y) for t in faint] == [[95.0, 95.0]]
    assert all(t.marker.opacity < 0.5 for t in faint)
    assert [t.name for t in figure.data if t.legendgroup == "pruned" and t.showlegend] == [
        "pruned, score when stopped"
    ]
    (line,) = [t for t in figure.data if t.name == "Pareto front"]
    assert list(line.y) == [90.0]
    far = [make_trial(state="pruned", trainable_params=size, score=0.5) for size in (10, 10**9)]
    low, high = plot_tradeoff(tradeoff_points(trials), "t", pruned_points(far)).layout.xaxis.range
    assert low < 1 < 9 < high


def test_the_band_is_filled_between_its_edges_up_to_the_largest_budget() -> None:
    points = tradeoff_points([make_trial(trainable_params=p, number=p, score=p / 100) for p in (10, 90)])
    figure = plot_tradeoff(points, "t", band=[BandStep(10, 0.05, 0.2), BandStep(20, 0.1, 0.3)])
    low, high = figure.data[0], figure.data[1]
    assert list(low.x) == list(high.x) == [10, 20, 90]
    assert list(low.y) == pytest.approx([5, 10, 10])
    assert list(high.y) == pytest.approx([20, 30, 30])
    assert (high.fill, low.line.shape, high.name) == ("tonexty", "hv", "90% of resampled fronts")


def test_the_best_full_fine_tune_is_a_dashed_line_where_there_is_one() -> None:
    full = [
        make_trial(number=i, method="fine_tune", title="Fine-Tune", score=s) for i, s in ((1, 0.7), (2, 0.8))
    ]
    trials = [make_trial(), *[replace(t, config_hash=f"f{t.number}") for t in full]]
    figure = plot_tradeoff(tradeoff_points(trials), "t")
    assert (figure.layout.shapes[0].y0, figure.layout.shapes[0].line.dash) == (80.0, "dash")
    assert figure.layout.annotations[0].text == "Fine-Tune: 80.0"
    assert not plot_tradeoff(tradeoff_points([make_trial()]), "t").layout.shapes


def test_a_crowd_is_drawn_by_webgl_with_error_bars_on_the_front_alone() -> None:
    trials = [
        make_trial(
            number=2 * i + s, seed=s, config_hash=f"c{i}", trainable_params=1 + i % 7, score=i / 9000 + s / 99
        )
        for i in range(MOST_DRAWN_AS_SVG + 1)
        for s in (0, 1)
    ]
    points = tradeoff_points(trials)
    figure = plot_tradeoff(points, "t")
    crowd = [t for t in figure.data if t.type == "scattergl"]
    assert sum(len(t.x) for t in crowd if t.hovertext) == MOST_DRAWN_AS_SVG + 1
    bars = sum(len(t.x) for t in crowd if t.error_y.array is not None)
    assert bars == sum(p.is_pareto for p in points) < 8
    assert not any(t.type == "scattergl" for t in plot_tradeoff(points[:99], "t").data)


def test_metrics_that_are_no_percentages_keep_their_scale() -> None:
    points = tradeoff_points([make_trial(metric="meteor", task="webnlg", score=0.4)])
    figure = plot_tradeoff(points, "t")
    assert figure.layout.yaxis.title.text == "WebNLG METEOR"
    assert any(t.hovertext and t.y[0] == 0.4 for t in figure.data)


@pytest.mark.parametrize(
    ("title", "label", "text"),
    [
        ("LoRA", "r_q = r_v = 4", "LoRA r=4"),
        ("LoRA+PE", "r_q = r_v = 1, alpha = 16, l_p = 4, l_i = 0", "LoRA+PE r=1, l_p=4"),
        ("LoRA", "r_q = 1, r_v = r_o = 2", "LoRA r_q=1, r_v=r_o=2"),
        ("IA3", "keys = False, values = True", "IA3"),
        ("Fine-Tune", "", "Fine-Tune"),
        ("P", f"{'x' * 40} = 2", "P"),
    ],
)
def test_a_label_is_the_method_and_what_makes_it_large(title: str, label: str, text: str) -> None:
    (point,) = tradeoff_points([make_trial(title=title, label=label)])
    assert brief(point) == text


def test_labels_stand_at_their_own_point_of_the_front_or_are_left_out() -> None:
    front = ((1000, 0.5), (1300, 0.52), (90_000, 0.9))
    below = ((95_000, 0.8), (1200, 0.47))

    def sides(*pairs: tuple[int, float], lines: tuple[Line, ...] = ()) -> dict[int, str]:
        trials = [
            make_trial(number=n, config_hash=f"c{n}", label="r = 1", trainable_params=params, score=score)
            for n, (params, score) in enumerate(pairs)
        ]
        axes = Axes((2.9, 5.1), (45.0, 95.0), 100.0)
        labels = place_labels(tradeoff_points(trials), [], axes, lines)
        return {label.point.trainable_params: label.side for label in labels}

    # At the left edge there is room below alone, and none where another point would be nearer.
    assert sides(*front, below[0]) == {90_000: "top left", 1300: "top left", 1000: "bottom right"}
    assert sides(*front, *below) == {90_000: "top left", 1300: "top left"}
    line = Line(0.52, "Fine-Tune: 52.0", "dash", "top left")
    assert sides(*front[1:], lines=(line,)) == {90_000: "top left", 1300: "bottom right"}


def test_an_axis_of_percent_does_not_show_what_cannot_be() -> None:
    def ends(score: float, metric: str) -> tuple[float, float]:
        trials = [make_trial(metric=metric, score=score)]
        low, high = plot_tradeoff(tradeoff_points(trials), "t").layout.yaxis.range
        return low, high

    assert ends(0.0, "exact_match") == pytest.approx((-0.08, 1.0))
    assert ends(1.0, "exact_match") == pytest.approx((99.0, 100.08))
    assert ends(0.5, "exact_match") == pytest.approx((49.0, 51.0))
    assert ends(0.0, "ter") == pytest.approx((-0.01, 0.01))


def test_a_plot_of_nothing_says_so() -> None:
    assert plot_tradeoff([], "t").layout.annotations[0].text == "no completed trial yet"


def test_html_is_one_file_that_needs_no_network_and_runs_no_names(tmp_path: Path) -> None:
    trial = make_trial(title=HOSTILE, label=HOSTILE, method=HOSTILE, hyperparameters={HOSTILE: HOSTILE})
    write_plot(plot_tradeoff(tradeoff_points([trial]), HOSTILE), tmp_path / "plot.html")
    page = (tmp_path / "plot.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert 'src="http' not in page
    assert "showSendToCloud: false" in page
    assert "Plotly.react" in page
    assert len(page) > 1_000_000


@NEEDS_BROWSER
@pytest.mark.parametrize(
    ("suffix", "magic"),
    [
        (".png", b"\x89PNG"),
        pytest.param(".svg", b"<svg", marks=pytest.mark.slow),
        pytest.param(".pdf", b"%PDF", marks=pytest.mark.slow),
    ],
)
def test_static_pictures_are_drawn_by_the_browser(tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"plot{suffix}"
    write_plot(plot_tradeoff(tradeoff_points(realistic_trials()), "t"), path)
    assert path.read_bytes().startswith(magic)


def test_without_a_browser_a_picture_says_how_to_get_one_and_that_html_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    monkeypatch.setattr(Chromium, "find_browser", lambda **_: None)
    with pytest.raises(FrontuneError, match=r"apt install chromium.*plotly_get_chrome.*html always works"):
        write_plot(plot_tradeoff([], "t"), tmp_path / "plot.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("plot.gif", r"got suffix '\.gif', known: \.html, \.png, \.svg, \.pdf"),
        ("plot", "got suffix ''"),
        ("no/plot.html", "does not exist"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(FrontuneError, match=reason):
        write_plot(plot_tradeoff([], "t"), tmp_path / name)


def test_a_browser_that_does_not_start_is_an_error_of_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(Chromium, "find_browser", lambda **_: str(broken))
    monkeypatch.setenv("BROWSER_PATH", str(broken))
    with pytest.raises(FrontuneError, match=r"did not draw a \.png.*html always works"):
        write_plot(plot_tradeoff([], "t"), tmp_path / "plot.png")
