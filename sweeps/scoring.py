"""What `frontune score` does: score a file of predictions, for a task or against files of references."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import click

from methods.errors import FrontuneError
from sweeps.metrics.scores import Scores
from sweeps.tasks.base import Example, Split

Form = Literal["rich", "json"]
SETTINGS = ("task.prompt", "task.completion", "task.score")


@dataclass(frozen=True)
class ScoreRequest:
    """What was asked for, as the command's options give it; None is an option that was not given."""

    predictions: Path
    task: str | None = None
    data: str | None = None
    split: str | None = None
    references: tuple[Path, ...] = ()
    metrics: str | None = None
    lowercase: bool | None = None
    tokenize: str | None = None
    settings: tuple[str, ...] = ()


class ManyReferences(click.Command):
    """Lets ``--references a b c`` stand for ``--references a --references b --references c``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given: list[str] = []
        more = False
        for arg in args:
            if arg.startswith("-"):
                more = False
            if more and given[-1] != "--references":
                given.append("--references")
            more = more or arg.split("=")[0] == "--references"
            given.append(arg)
        return super().parse_args(ctx, given)


def score_command(request: ScoreRequest, form: Form) -> None:
    """Print the scores."""
    _check(request)
    scores = score_task(request) if request.task else score_files(request)
    if form == "json":
        click.echo(json.dumps(as_json(scores), ensure_ascii=False, allow_nan=False))
    else:
        _print_table(scores)


def score_task(request: ScoreRequest) -> Scores:
    """Score one prediction for each example of a task's split, in the split's order."""
    from sweeps.tasks import make_task

    assert request.task is not None
    split = cast(Split, request.split or "validation")
    task = make_task(request.task, request.data, **_settings(request.settings))
    examples = task.examples(split)
    lines = [line.strip() for line in read_lines(request.predictions, "predictions")]
    rows = f"the {split} split of task {task.name}" + (f" in '{request.data}'" if request.data else "")
    _check_count(lines, request.predictions, "predictions", len(examples), rows)
    if task.decoding is None:
        return _accuracy(examples, lines, request.predictions)
    for number, (example, line) in enumerate(zip(examples, lines, strict=True)):
        if why := task.objection(example, line):
            raise FrontuneError(f"predictions '{request.predictions}', line {number + 1}: {why}")
    try:
        return task.score(examples, lines)
    except FrontuneError as error:
        raise FrontuneError(f"{rows}: {error}") from error


def score_files(request: ScoreRequest) -> Scores:
    """Score plain text files whose lines belong together; an empty line of references is no reference."""
    from sweeps.metrics.text import TEXT_METRICS, Convention, Tokenize, check_metrics, text_scores

    # 13a is for text as people write it, for which the caption metrics have a tokenizer of their own.
    tokenize = cast(Tokenize, request.tokenize or "none")
    convention = Convention(request.lowercase is not False, tokenize, ptb=tokenize == "13a")
    metrics = _names(request.metrics) if request.metrics is not None else TEXT_METRICS
    check_metrics(metrics)
    lines = read_lines(request.predictions, "predictions")
    columns = [read_lines(file, "references") for file in request.references]
    for file, column in zip(request.references, columns, strict=True):
        _check_count(column, file, "references", len(lines), f"predictions '{request.predictions}'")
    try:
        return text_scores(lines, list(zip(*columns, strict=True)), metrics, convention)
    except FrontuneError as error:
        files = ", ".join(f"'{file}'" for file in request.references)
        raise FrontuneError(f"predictions '{request.predictions}', references {files}: {error}") from error


def read_lines(file: Path, what: str) -> list[str]:
    r"""Return a text file's lines, which end at \n and nowhere else; a last \n begins no further line."""
    try:
        content = file.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise FrontuneError(f"{what} '{file}' cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise FrontuneError(f"{what} '{file}', line {number}: wanted UTF-8, got {error.reason}") from error
    return lines if lines[-1] else lines[:-1]


def as_json(scores: Scores) -> dict[str, object]:
    """Every metric at full precision; one that is missing is null, and has its reason under `missing`."""
    missing = {"missing": dict(scores.missing)} if scores.missing else {}
    return {**scores.metrics, **dict.fromkeys(scores.missing), **missing}


def _check(request: ScoreRequest) -> None:
    """Refuse what belongs to the command's other form."""
    for_task = {"--data": request.data, "--split": request.split, "--set": request.settings or None}
    for_files = {
        "--references": request.references or None,
        "--metrics": request.metrics,
        "--lowercase": request.lowercase,
        "--tokenize": request.tokenize,
    }
    odd = [name for name, value in (for_files if request.task else for_task).items() if value is not None]
    if odd:
        wanted = "a task knows its own" if request.task else "it goes with a TASK"
        raise FrontuneError(f"{odd[0]} has no meaning here: {wanted}")
    if not request.task and not request.references:
        raise FrontuneError("give a TASK, or --references FILE ... to score plain text files")


def _settings(given: Sequence[str]) -> dict[str, str]:
    """Keys of a sweep file's `task` that say what one's own data are."""
    settings: dict[str, str] = {}
    for setting in given:
        key, equals, value = setting.partition("=")
        if not equals or key not in SETTINGS:
            raise FrontuneError(f"--set: wanted {', '.join(SETTINGS)} with = and a value, got {setting!r}")
        settings[key.removeprefix("task.")] = value
    return settings


def _check_count(lines: Sequence[str], file: Path, what: str, wanted: int, rows: str) -> None:
    if len(lines) != wanted:
        raise FrontuneError(f"{what} '{file}': wanted {wanted} lines as {rows} has, got {len(lines)}")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise FrontuneError(f"--metrics: wanted names with commas between them, got {text!r}")
    return names


def _accuracy(examples: Sequence[Example], words: Sequence[str], file: Path) -> Scores:
    """The share of rows whose right label the line holds, and by group."""
    labels = list(dict.fromkeys(label.strip() for row in examples for label in row.candidates))
    # One odd answer is a wrong one; a file of nothing else is in another vocabulary.
    if not set(words) & set(labels):
        raise FrontuneError(
            f"predictions '{file}': no line is a label of the task; wanted one of {', '.join(labels)}, "
            f"got {words[0]!r} in the first line"
        )
    hits: dict[str, list[bool]] = defaultdict(list)
    for row, word in zip(examples, words, strict=True):
        hit = word == row.candidates[row.answer].strip()
        hits["accuracy"].append(hit)
        if row.group:
            hits[f"accuracy/{row.group}"].append(hit)
    return Scores({name: sum(hits[name]) / len(hits[name]) for name in sorted(hits)})


def _print_table(scores: Scores) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dashboards.printing import one_line, print_score

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Metric", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    for name, value in scores.metrics.items():
        table.add_row(Text(one_line(name)), print_score(value, None, name.split("/")[0]))
    for name in scores.missing:
        table.add_row(Text(one_line(name)), "missing")
    console = Console()
    console.print(table)
    for name, reason in scores.missing.items():
        console.print(Text(one_line(f"{name}: {reason}")), soft_wrap=True)
