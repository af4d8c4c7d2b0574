"""Subspace similarity: the measure, the grids of heat maps, amplification, and the command."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dashboards.amplification import amplifications
from dashboards.directions import Floats, Update, directions, update_directions, weight_directions
from dashboards.subspace import RANDOM, adapter_panels, phi, weight_panels
from dashboards.subspace_plot import plot_subspaces
from methods.base import Site
from methods.errors import FrontuneError
from methods.expression import parse_method
from methods.lora_updates import low_rank_updates
from methods.weights import add_to_weights, matrix_weight
from storage.checkpoints import load_tensors, save_tensors
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from tests.bases import CONFIGS, random_base, random_rows
from tests.conftest import Frontune, SweepFile

POINTS = ["lora(r_q=2, r_v=3, lr=1e-2)", "lora(r_q=4, r_v=1, alpha=8, lr=1e-2)", "adapter_h(r=1, lr=1e-2)"]


def orthonormal(d: int, k: int, seed: int) -> Floats:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, k)))[0]


def update(layer: int, matrix: str, r: int, seed: int, d: int = 20) -> Update:
    draw = np.random.default_rng(seed)
    return Update(layer, matrix, draw.standard_normal((r, d)), draw.standard_normal((d + 3, r)), 0.5)


def test_phi_is_1_for_equal_spans_0_for_orthogonal_ones_and_between_for_others() -> None:
    whole = orthonormal(12, 6, seed=1)
    assert phi(whole[:, :3], whole[:, :3][:, ::-1])[2, 2] == pytest.approx(1)
    assert phi(whole[:, :3], whole[:, 3:])[2, 2] == pytest.approx(0)
    assert 0.01 < phi(orthonormal(12, 3, 2), orthonormal(12, 3, 3))[2, 2] < 0.99


def test_phi_is_1_minus_the_squared_projection_metric_over_p_and_not_as_the_paper_prints_it() -> None:
    one, other = orthonormal(15, 5, 1), orthonormal(15, 5, 2)
    for p in range(1, 6):
        sigma = np.linalg.svd(one[:, :p].T @ other[:, :p], compute_uv=False)
        d_squared = p - (sigma**2).sum()
        assert phi(one, other)[p - 1, p - 1] == pytest.approx(1 - d_squared / p)
        if p > 1:
            assert phi(one, other)[p - 1, p - 1] != pytest.approx((1 - d_squared) / p)


def test_phi_of_spans_of_different_size_is_1_where_one_lies_in_the_other() -> None:
    whole = orthonormal(12, 6, seed=1)
    assert phi(whole[:, :2], whole)[1, 5] == pytest.approx(1)
    assert phi(whole, whole[:, :2])[5, 1] == pytest.approx(1)


def test_phi_does_not_change_when_a_basis_is_turned_inside_its_span() -> None:
    one, other, turn = orthonormal(15, 4, 1), orthonormal(15, 6, 2), orthonormal(4, 4, 3)
    assert phi(one @ turn, other)[3] == pytest.approx(phi(one, other)[3])
    assert phi(one @ turn, other)[0] != pytest.approx(phi(one, other)[0])


def test_phi_is_the_definition_entry_by_entry() -> None:
    one, other = orthonormal(9, 3, 1), orthonormal(9, 5, 2)
    for i in range(1, 4):
        for j in range(1, 6):
            norm = np.linalg.norm(one[:, :i].T @ other[:, :j]) ** 2
            assert phi(one, other)[i - 1, j - 1] == pytest.approx(norm / min(i, j))


def test_directions_are_singular_vectors_without_a_dense_decomposition() -> None:
    one = update(0, "q", 4, seed=5)
    dense_left, values, dense_right = np.linalg.svd(one.scale * one.B @ one.A)
    left, right, found = update_directions(one)
    assert found == pytest.approx(values[:4])
    assert np.abs(np.diag(left.T @ dense_left[:, :4])) == pytest.approx(np.ones(4))
    assert np.abs(np.diag(right.T @ dense_right[:4].T)) == pytest.approx(np.ones(4))
    _, _, rows = np.linalg.svd(one.A)
    assert np.abs(np.diag(directions(one.A.T).T @ rows[:4].T)) == pytest.approx(np.ones(4))


def test_directions_beyond_the_numerical_rank_are_left_out_and_none_at_all_refused() -> None:
    thin = np.outer(np.arange(1.0, 8.0), [1.0, 2.0, 3.0])
    assert directions(thin).shape == (7, 1)
    for nothing in (np.zeros((5, 2)), np.full((5, 2), np.nan)):
        with pytest.raises(FrontuneError, match="no directions"):
            directions(nothing, "A")
    with pytest.raises(FrontuneError, match="layer 0, q, is zero"):
        update_directions(Update(0, "q", np.ones((2, 5)), np.zeros((5, 2))))


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40)])
def test_the_directions_of_a_weight_are_its_leading_singular_vectors(shape: tuple[int, int]) -> None:
    weight = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    found = weight_directions(weight)
    left, values, right = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    assert found.values == pytest.approx(values, rel=1e-5)
    assert (found.left.shape, found.right.shape) == ((shape[0], 16), (shape[1], 16))
    for own, theirs in ((found.left, left[:, :16]), (found.right, right[:16].T)):
        assert np.abs((own * theirs).sum(axis=0)) == pytest.approx(np.ones(16), abs=1e-5)


def test_the_grid_has_a_panel_for_each_matrix_in_common_and_a_control_in_each_layer() -> None:
    one = [update(layer, matrix, 3, layer) for layer in (0, 1) for matrix in ("q", "v")]
    other = [update(layer, matrix, 5, layer + 10) for layer in (0, 1) for matrix in ("v", "o")]
    panels = adapter_panels(one, other, "a", ("1", "2"))
    assert [(p.layer, p.matrix) for p in panels] == [(0, "v"), (0, RANDOM), (1, "v"), (1, RANDOM)]
    assert {p.phi.shape for p in panels} == {(3, 5)}
    assert panels[1].phi[2, 4] == pytest.approx(5 / 20, abs=0.2)
    same = adapter_panels(one, one, "b", ("1", "1"))[0]
    assert same.phi[[0, 1, 2], [0, 1, 2]] == pytest.approx(np.ones(3))
    assert [p.pair for p in panels if p.matrix == RANDOM] == ["as v", "as v"]
    with pytest.raises(FrontuneError, match="no matrix in common: q and o"):
        adapter_panels([one[0]], [other[1]], "a", ("1", "2"))


def test_matrices_of_other_sizes_have_controls_of_their_own() -> None:
    one = [update(0, "q", 8, 1, d=40), update(0, "down", 8, 2, d=160), update(0, "v", 8, 3, d=40)]
    panels = adapter_panels(one, one, "a", ("1", "2"))
    square, wide = (p for p in panels if p.matrix == RANDOM)
    assert (square.pair, wide.pair) == ("as q, v", "as down")
    # Of the spans of r random directions among d, r / d is in common.
    assert square.phi[-1, -1] == pytest.approx(8 / 40, abs=0.07)
    assert wide.phi[-1, -1] == pytest.approx(8 / 160, abs=0.07)
    weights = {(0, each.matrix): weight_directions(each.B @ each.A) for each in one}
    controls = [p for p in weight_panels(weights, {"1": one}, "a") if p.matrix == RANDOM]
    assert [p.pair for p in controls] == ["as q, v", "as down"]
    figure = plot_subspaces(panels, "alike", "j", "i")
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert texts[3:5] == ["random Gaussian<br>as q, v", "random Gaussian<br>as down"]


def test_the_figure_has_a_row_for_each_layer_and_a_column_for_each_pair() -> None:
    one = [update(layer, matrix, 3, layer) for layer in (0, 4) for matrix in ("q", "v")]
    panels = adapter_panels(one, one, "a", ("1", "<b>2"))
    figure = plot_subspaces(panels, "alike", "j", "i")
    assert len(figure.data) == 6
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert texts[:5] == [
        "ΔW<sub>q</sub>, 1 and &lt;b&gt;2",
        "ΔW<sub>v</sub>, 1 and &lt;b&gt;2",
        "random Gaussian",
        "layer 0",
        "layer 4",
    ]
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (0.0, 1.0)
    layout = figure.layout
    places = [
        (layout[trace.xaxis.replace("x", "xaxis")], layout[trace.yaxis.replace("y", "yaxis")])
        for trace in figure.data
    ]
    corners = [(x.domain[0], y.domain[1]) for x, y in places]
    # Layer 0 stands above layer 4, and q, v and the control beside each other.
    assert [y for _, y in corners] == pytest.approx([1, 1, 1, corners[-1][1], corners[-1][1], corners[-1][1]])
    assert corners[-1][1] < 0.5
    assert corners[0][0] == 0 < corners[1][0] < corners[2][0]


def test_an_update_along_ws_own_first_directions_is_alike_to_w_and_amplifies_by_its_share() -> None:
    weight = np.random.default_rng(1).standard_normal((23, 20))
    known = weight_directions(weight)
    along = Update(0, "q", 2 * known.right[:, :2].T, known.left[:, :2] * known.values[:2])
    (panel, control) = weight_panels({(0, "q"): known}, {"3": [along]}, "a")
    assert panel.phi[panel.i.index(2), 1] == pytest.approx(1)
    assert control.phi[panel.i.index(2), 1] < 0.5
    (found,) = amplifications({(0, "q"): (weight, known)}, {"3": [along]})
    assert found.factor == pytest.approx(2)
    assert found.w_in_delta == pytest.approx(found.w_in_w)
    assert found.delta == pytest.approx(np.linalg.norm(along.B @ along.A))
    assert found.w == pytest.approx(np.linalg.norm(weight))


@pytest.mark.parametrize("family", CONFIGS)
def test_a_matrix_cut_out_of_its_family_and_added_to_it_does_what_the_edit_does(family: str) -> None:
    base, rows = random_base(family), random_rows(3)
    method = parse_method("lora(r_q=2, r_k=1, r_v=3, r_o=2, r_up=1, r_down=2, alpha=3)")
    slot = Slot(base, method, Recipe(steps=1), rows)
    for parameter in slot.parameters.values():
        parameter.data.normal_(std=0.3)
    updates = low_rank_updates(method, slot.tensors())
    assert len(updates) == 18
    before = {each.site: matrix_weight(base, each.site).clone() for each in updates}
    assert {before[Site(kind, 0)].T.shape for kind in "qk"} == {base.shape.matrices[kind] for kind in "qk"}
    add_to_weights(base, {each.site: each.delta() for each in updates})
    for each in updates:
        difference = matrix_weight(base, each.site) - before[each.site]
        assert (difference - each.delta()).abs().max() < 1e-12, each.site


def alike(
    points: list[str], make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile
) -> Path:
    workspace = make_workspace()
    file = sweep_file(methods=None, points=points, trials=len(points), seeds=[0])
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return workspace


def test_the_command_prints_draws_writes_and_keeps_ws_decomposition(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    workspace = alike(POINTS, make_workspace, frontune, sweep_file)
    options = ["--workspace", workspace, "--out", tmp_path / "a.html", "--csv", tmp_path / "a.csv"]
    for factor in ("a", "b"):
        done = frontune("subspace", "small", 0, 1, *options, "--factor", factor)
        assert done.exit_code == 0, done.output
    assert {file.name for file in tmp_path.iterdir()} >= {"a.html", "a-weights.html", "a-amplification.csv"}
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert {row["pair"] for row in rows} == {"0 and 1", "as q", "as v", "W and 0", "W and 1"}
    assert (
        len([row for row in rows if (row["pair"], row["matrix"], row["layer"]) == ("0 and 1", "q", "1")]) == 8
    )
    assert len(list(csv.DictReader((tmp_path / "a-amplification.csv").open()))) == 8
    (cache,) = (workspace / "directions").iterdir()
    assert {file.name for file in cache.iterdir()} == {
        f"{n}.{kind}.safetensors" for n in (0, 1) for kind in "qv"
    }
    tensors, _ = load_tensors(cache / "0.q.safetensors")
    save_tensors(cache / "0.q.safetensors", {**tensors, "values": 0 * tensors["values"]}, {})
    again = frontune("subspace", "small", 0, 1, *options)
    changed = list(csv.DictReader((tmp_path / "a-amplification.csv").open()))
    assert again.exit_code == 0
    assert [row["w"] == "0.0" for row in changed] == [True, *[False] * 3] * 2


def test_what_has_no_low_rank_matrices_or_is_not_there_is_refused_in_words(
    make_workspace: Callable[[], Path], frontune: Frontune, sweep_file: SweepFile, tmp_path: Path
) -> None:
    workspace = alike(POINTS, make_workspace, frontune, sweep_file)
    for other, reason in ((2, "adapter_h has no low-rank matrices"), (9, "no trial 9; it has 0 to 2")):
        done = frontune("subspace", "small", 0, other, "--out", tmp_path / "a.html", "--workspace", workspace)
        assert done.exit_code == 2
        assert reason in done.stderr
    assert not (tmp_path / "a.html").exists()
    for option, file, second in (("--out", "b.html", "b-weights.html"), ("--csv", "b", "b-amplification")):
        (tmp_path / second).mkdir()
        done = frontune("subspace", "small", 0, 1, option, tmp_path / file, "--workspace", workspace)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"'{tmp_path / second}': it is a folder" in done.stderr
        assert not (tmp_path / file).exists()
