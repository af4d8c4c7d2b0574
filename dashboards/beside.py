"""The LoRA paper's own numbers (Hu et al. 2021, Tables 14 to 18), to be shown beside one's own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources

from dashboards.low_data import LowDataPoint
from dashboards.paper import parse_count, table15
from dashboards.points import Point, plotly_text
from dashboards.printing import print_score, score_title
from dashboards.table15 import TableRow
from methods.errors import FrontuneError

GPT3 = "paper, GPT-3 175B"
TITLES = {
    "fine_tune": "Fine-Tune",
    "ft_top2": "FT^Top2",
    "prefix_embed": "PrefixEmbed",
    "prefix_layer": "PrefixLayer",
    "adapter_l": "Adapter^L",
    "adapter_h": "Adapter^H",
    "lora": "LoRA",
    "lora+prefix_embed": "LoRA+PE",
    "lora+prefix_layer": "LoRA+PL",
}
MODELS = {"gpt2-medium": "paper, GPT-2 Medium, test split", "gpt2-large": "paper, GPT-2 Large, test split"}
EXAMPLES = {"mnli_100": 100, "mnli_1k": 1_000, "mnli_10k": 10_000, "mnli_392k": 392_702}


def paper_rows(task: str, metric: str) -> list[TableRow]:
    """Return the paper's rows on a task; raises FrontuneError where it has none with this score."""
    rows = list(_gpt3(task, metric) if task in ("mnli", "wikisql") else _gpt2(task, metric))
    if not rows:
        raise FrontuneError(
            f"the paper has no scores of task {task} by {metric} in a table; it has: mnli (accuracy), "
            "wikisql (lf_accuracy), webnlg (bleu), e2e (bleu)"
        )
    return rows


def paper_points(task: str, metric: str) -> list[Point]:
    """Return the same rows as points of the trade-off plot."""
    return [
        Point(
            method=row.method,
            title=row.title,
            label=row.label,
            config_hash="",
            trainable_params=row.trainable_params,
            task=row.task,
            metric=row.metric,
            score=row.score,
            std=row.std,
            n=1,
            is_pareto=False,
            hover=_hover(row),
            source=row.source,
        )
        for row in paper_rows(task, metric)
    ]


def paper_low_data() -> list[LowDataPoint]:
    """Return Table 16."""
    return [
        LowDataPoint(
            cells["method"],
            TITLES[cells["method"]],
            "",
            n,
            "mnli",
            "accuracy",
            _fraction(float(cells[key])),
            None,
            1,
            GPT3,
        )
        for cells in read_reference("table16_mnli_low_data.csv")
        for key, n in EXAMPLES.items()
    ]


def _fraction(percent: float) -> float:
    """A printed percentage with no digit that was not printed: 0.739, not 0.7390000000000001."""
    return round(percent / 100, 6)


def _gpt3(task: str, metric: str) -> Iterator[TableRow]:
    if metric != {"mnli": "accuracy", "wikisql": "lf_accuracy"}[task]:
        return
    for row in table15():
        score = row.mnli if task == "mnli" else row.wikisql
        params = round(row.printed_params or 0)
        label = row.hyperparameters.replace(" ", ", ").replace("=", " = ").removeprefix("-")
        yield _row(row.method, label, params, task, metric, score, None, GPT3)


def _gpt2(task: str, metric: str) -> Iterator[TableRow]:
    if (task, metric) == ("webnlg", "bleu"):
        for cells in read_reference("table14_webnlg_gpt2.csv"):
            params = round(parse_count(cells["trainable_params"]) or 0)
            std = _fraction(float(cells["bleu_a_std"])) if cells["bleu_a_std"] else None
            score, source = float(cells["bleu_a"]), MODELS[cells["model"]]
            yield _row(cells["method"], "", params, task, metric, score, std, source)
    if (task, metric) == ("e2e", "bleu"):
        for cells in read_reference("table18_e2e_rank.csv"):
            # Table 18 prints no counts: the closed form, r_q = r_v = r in 24 layers of width 1024.
            r = int(cells["r"])
            score, source = float(cells["bleu"]), MODELS["gpt2-medium"]
            yield _row("lora", f"r_q = r_v = {r}", 24 * 2 * r * 2048, task, metric, score, None, source)


def _row(
    method: str,
    label: str,
    params: int,
    task: str,
    metric: str,
    percent: float,
    std: float | None,
    source: str,
) -> TableRow:
    return TableRow(
        method=method,
        title=TITLES[method],
        label=label,
        trainable_params=params,
        task=task,
        metric=metric,
        score=_fraction(percent),
        std=std,
        n=1,
        learning_rates=(),
        is_pareto=False,
        is_best=False,
        config_hash="",
        source=source,
    )


def _hover(row: TableRow) -> str:
    score = print_score(row.score, row.std, row.metric)
    lines = [
        f"<b>{plotly_text(row.title)}</b>  {plotly_text(row.label)}".rstrip(),
        plotly_text(f"{score_title(row.task, row.metric)}: {score}"),
        f"{row.trainable_params:,} trainable parameters",
        plotly_text(row.source),
    ]
    return "<br>".join(lines)


def read_reference(name: str) -> list[dict[str, str]]:
    """Return the rows of a file of the paper's numbers, cells as printed."""
    text = (resources.files("dashboards") / "reference" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
