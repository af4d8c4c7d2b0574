"""What the figures show, before it is drawn: budgets, hypervolume, sizes, effort, curves, coordinates."""

from __future__ import annotations

import math
import random
from typing import Any, cast

import pytest

from dashboards.figure_source import Source
from dashboards.figures.budget import budget_lines, plot_budget
from dashboards.figures.curves import learning_curves, plot_curves, shown_trials
from dashboards.figures.effort import effort, plot_effort
from dashboards.figures.hypervolume import hypervolume_growth, in_words, plot_hypervolume
from dashboards.figures.parallel import plot_parallel
from dashboards.figures.size import plot_sizes, size_panels, sizes_of
from dashboards.parallel_axes import method_lines
from storage.records import RungScore, SweepRecord, TrialRecord
from tests.benchmarks.hypervolume import hypervolume
from tests.test_pareto import make_trial


def trials_of(*configurations: tuple[str, int, float], **shared: Any) -> list[TrialRecord]:
    """Return a trial for each (method, trainable parameters, score)."""
    return [
        make_trial(
            number=i, config_hash=f"c{i}", method=method, title=method, trainable_params=p, score=s, **shared
        )
        for i, (method, p, s) in enumerate(configurations)
    ]


def test_each_method_has_its_best_score_under_each_budget() -> None:
    trials = trials_of(
        ("lora", 10, 0.5), ("lora", 30, 0.4), ("lora", 40, 0.8), ("prefix_embed", 5, 0.3), ("lora", 0, 0.9)
    )
    lines = budget_lines(trials)
    found = [(line.method, [(s.first.trainable_params, s.score) for s in line.steps]) for line in lines]
    assert found == [("prefix_embed", [(5, 0.3)]), ("lora", [(10, 0.5), (40, 0.8)])]
    figure = plot_budget(lines, "t")
    ends = {t.x[-1] for t in figure.data if t.showlegend is False}
    assert len(ends) == 1
    assert ends.pop() > 40


@pytest.mark.parametrize("seed", range(5))
def test_the_hypervolume_grows_to_what_the_whole_front_has(seed: int) -> None:
    draw = random.Random(seed)
    pairs = [(draw.randrange(1, 50), round(draw.random(), 1)) for _ in range(40)]
    growth = hypervolume_growth(trials_of(*(("lora", p, s) for p, s in pairs)))
    sizes, scores = [p for p, _ in pairs], [s for _, s in pairs]
    lowest = min(scores) - 0.1 * (max(scores) - min(scores))
    widest = max(sizes) * (max(sizes) / min(sizes)) ** 0.1
    for n in range(1, 41):
        assert growth[n - 1].hypervolume == pytest.approx(hypervolume(pairs[:n], widest, lowest)), n


def test_a_configuration_counts_from_its_last_seed_on_and_reuse_takes_no_tokens() -> None:
    small = make_trial(config_hash="a", trainable_params=10, score=0.2, train_tokens=5)
    first, second = (
        make_trial(number=n, seed=n, config_hash="b", trainable_params=100, score=s, train_tokens=5)
        for n, s in ((1, 0.6), (2, 0.8))
    )
    reused = make_trial(
        number=3, config_hash="c", trainable_params=1, score=0.7, train_tokens=5, reused_from="x/1"
    )
    growth = hypervolume_growth([small, first, second, reused])
    assert [g.tokens for g in growth] == [5, 10, 15, 15]
    assert [g.hypervolume for g in growth] == pytest.approx([0.06, 0.06, 0.16, 1.21])
    figure = plot_hypervolume(growth, "t")
    assert [list(t.y)[-1] for t in figure.data] == [100.0, 100.0]


def test_the_hypervolume_is_said_of_one_trial_as_of_several() -> None:
    trials = trials_of(("lora", 1000, 0.5), ("lora", 10, 0.9), ("lora", 100, 0.7))
    sweep, nothing = SweepRecord("s", "tiny", "mnli", "accuracy", {}, trials[0].created_at), cast("Any", None)
    first = in_words(Source("s", [sweep], {"s": trials[1:]}, nothing, False, list, list))
    second = in_words(Source("s", [sweep], {"s": trials}, nothing, False, list, list))
    assert "100% after 1 trial." in first.sentence
    assert "100% after 2 trials." in second.sentence


def test_the_largest_configuration_counts_where_it_is_the_best() -> None:
    small, large = (
        growth.hypervolume for growth in hypervolume_growth(trials_of(("lora", 10, 0.5), ("lora", 1000, 0.9)))
    )
    assert large == pytest.approx(small + 0.1 * 2 * 0.4)


def test_sizes_are_what_is_whole_and_varies_with_loras_ranks_as_one() -> None:
    assert sizes_of({"r_q": 4, "r_v": 8, "alpha": 16, "lr": 1e-3, "bias": True}) == {"r": 8}
    found = sizes_of({"lora.r_q": 4, "prefix_embed.l_p": 2, "prefix_embed.l_i": 0})
    assert found == {"lora.r": 4, "prefix_embed.l_p": 2, "prefix_embed.l_i": 0}


def papers_observation() -> list[TrialRecord]:
    """Trials as Table 15 has them: long prefixes get worse, LoRA levels off."""
    prefix = {32: 0.559, 64: 0.587, 128: 0.606, 256: 0.631, 512: 0.559}
    lora = {1: 0.734, 2: 0.733, 4: 0.737, 8: 0.738, 64: 0.736}
    trials = []
    for l_p, score in prefix.items():
        values = {"l_p": l_p, "l_i": 8}
        trials.append(("prefix_embed", "PrefixEmbed", f"l_p = {l_p}", values, 12_288 * (l_p + 8), score))
    for r, score in lora.items():
        trials.append(("lora", "LoRA", f"r_q = r_v = {r}", {"r_q": r, "r_v": r}, 4_718_592 * r, score))
    return [
        make_trial(number=n, method=m, title=t, label=label, hyperparameters=v, trainable_params=p, score=s)
        for n, (m, t, label, v, p, s) in enumerate(trials)
    ]


def test_prefixes_that_get_worse_with_length_are_seen_to_while_lora_levels_off() -> None:
    prefix, lora = size_panels(papers_observation())
    assert (prefix.size, prefix.peak, lora.size, lora.peak) == ("l_p", 256, "r", 8)
    assert prefix.best[-1] == (512, 0.559)
    assert max(s for _, s in lora.best) - min(s for _, s in lora.best) < 0.006
    figure = plot_sizes([prefix, lora], "t")
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["PrefixEmbed, best at l<sub>p</sub> = 256", "LoRA, best at r = 8"]
    line = next(t for t in figure.data if t.mode == "lines+markers")
    assert list(line.y) == pytest.approx([55.9, 58.7, 60.6, 63.1, 55.9])
    assert figure.layout.xaxis.type == "log"


def test_effort_is_what_each_method_took_itself() -> None:
    own = {"train_seconds": 2.0, "eval_seconds": 1.0, "train_tokens": 100}
    trials = [
        make_trial(**own),
        make_trial(number=1, state="pruned", **own),
        make_trial(number=2, reused_from="other/3", **own),
        make_trial(number=3, state="failed", score=None),
    ]
    (found,) = effort(trials)
    assert dict(found.trials) == {"complete": 1, "pruned": 1, "reused": 1, "failed": 1}
    assert (found.train_seconds, found.eval_seconds, found.tokens) == (4.0, 2.0, 200)
    figure = plot_effort([found], "t")
    legend = [t.name for t in figure.data if t.showlegend is None]
    assert legend == ["complete", "pruned", "reused", "failed", "training", "scoring"]


def test_learning_curves_hold_rungs_then_the_last_score_and_smoothed_losses() -> None:
    trials = [
        make_trial(steps=40, score=0.9),
        make_trial(number=1, state="pruned", steps=4, score=0.3),
        make_trial(number=2, steps=40, score=0.7),
    ]
    losses = {0: [(step, float(step % 2)) for step in range(1, 41)]}
    rungs = [RungScore(0, 0, 4, 0.5), RungScore(1, 0, 4, 0.3)]
    stopped, other, best = learning_curves(trials, losses, rungs)
    assert (best.trial.number, best.is_best, other.is_best) == (0, True, False)
    assert best.scores == ((4, 0.5), (40, 0.9))
    assert best.losses == tuple((step, 0.5) for step in range(2, 41, 2))
    assert stopped.scores == ((4, 0.3),)
    figure = plot_curves([stopped, other, best], "t")
    assert [list(t.y) for t in figure.data if t.xaxis == "x2"] == [[30.0], [70.0], [50.0, 90.0]]


def test_of_many_trials_each_methods_best_are_drawn() -> None:
    trials = trials_of(*(("lora", 10, i / 100) for i in range(50)), ("prefix_embed", 5, 0.01))
    shown = shown_trials([*trials, make_trial(number=99, state="failed", score=None)], most=3)
    assert [t.number for t in shown] == [48, 49, 50]


def test_parallel_axes_stand_for_what_varies_on_the_scale_that_suits_it() -> None:
    drawn_from = [(1, 1e-4, "relu", 10), (2, 1e-3, "gelu", 20), (4, 1e-2, "relu", 40)]
    trials = [
        make_trial(
            number=i, label=f"{i}", lr=lr, trainable_params=params, score=0.1 * i,
            hyperparameters={"r": rank, "r_v": rank, "alpha": 16, "act": act},
        )
        for i, (rank, lr, act, params) in enumerate(drawn_from)
    ]  # fmt: skip
    (lines,) = method_lines(trials)
    assert [axis.name for axis in lines.axes] == ["act", "r = r_v", "lr", "parameters"]
    act, r, lr, _ = lines.axes
    assert (act.values, act.labels) == ((1.0, 0.0, 1.0), ("gelu", "relu"))
    assert (r.values, r.labels) == ((0.0, 1.0, 2.0), ("1", "2", "4"))
    assert (lr.values, lr.labels) == ((0.0, 1.0, 2.0), ("1e-4", "1e-3", "1e-2"))
    figure = plot_parallel([lines], "t", "mnli", "accuracy")
    drawn = [t for t in figure.data if t.mode == "lines"]
    assert [list(t.x) for t in drawn] == [[0, 1, 2, 3, 4, None]] * 3
    assert [y for y in drawn[-1].y if y is not None] == pytest.approx([1, 1, 1, 1, 1])
    written = {(note.x, note.y): note.text for note in figure.layout.annotations if note.bgcolor}
    assert [written[2, y] for y in (0, 0.5, 1)] == ["1e-4", "1e-3", "1e-2"]


def test_at_an_axis_stand_values_that_there_are_and_none_where_they_would_touch() -> None:
    sizes = [1, 2, 3, 5, 8, 13, 21, 22, 1059]
    trials = [make_trial(number=i, label=f"{r}", hyperparameters={"r": r}) for i, r in enumerate(sizes)]
    (lines,) = method_lines(trials)
    (axis,) = lines.axes
    assert axis.labels == ("1", "2", "5", "13", "1,059")
    assert axis.ticks == pytest.approx([math.log10(n) for n in (1, 2, 5, 13, 1059)])


def test_a_method_of_one_configuration_has_no_parallel_lines() -> None:
    assert method_lines([make_trial(), make_trial(number=1, method="lora+x", config_hash="y")]) == []


def test_names_are_escaped_in_every_figure() -> None:
    hostile = "<b onclick=alert(1)>^x"
    values = [{hostile: n, "act": hostile + str(n)} for n in (1, 2, 4)]
    trials = [
        make_trial(
            number=n, config_hash=f"c{n}", method=hostile, title=hostile, label=hostile, hyperparameters=v,
            trainable_params=10 + n, score=0.1 + n / 9, train_tokens=1, train_seconds=1.0,
        )
        for n, v in enumerate(values)
    ]  # fmt: skip
    losses = {n: [(1, math.pi)] for n in range(3)}
    for figure in (
        plot_budget(budget_lines(trials), hostile),
        plot_hypervolume(hypervolume_growth(trials), hostile),
        plot_sizes(size_panels(trials), hostile),
        plot_effort(effort(trials), hostile),
        plot_curves(learning_curves(trials, losses, [RungScore(0, 0, 1, 0.1)]), hostile),
        plot_parallel(method_lines(trials), hostile, hostile, hostile),
    ):
        figure.layout.meta = None
        figure.update_traces(legendgroup=None)
        assert "<b onclick" not in figure.to_json().replace("\\u003c", "<")
