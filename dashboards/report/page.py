"""The report of a sweep, or of those of one file: everything that its page says, gathered from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from dashboards.figure_source import Source
from dashboards.figures.low_data import sizes_of
from dashboards.imported import imported_note, imported_ones, trained_here
from dashboards.printing import print_seconds, print_tokens
from dashboards.report.answer import Answer, ValuesOf, compared, find_answer
from dashboards.report.answer_words import (
    ENOUGH_HEADINGS,
    HEADINGS,
    enough_row,
    headline,
    how_tested,
    question,
    reign_row,
    stretch_line,
)
from dashboards.report.drawn import DrawnFigure, drawn_figure, drawn_figures
from dashboards.report.effort import searched_methods
from dashboards.report.failures import Failures, failures, refused
from dashboards.report.provenance import Setup, budget, setups
from dashboards.report.recipe import recipe
from dashboards.report.tables import Table, table
from dashboards.table15 import not_shown, note_of, table_cells, table_rows
from dashboards.text_alternative import several
from storage.records import SweepRecord, TrialRecord

T = TypeVar("T")
MOST_TOLD, MOST_COMPARED = 12, 40
"""Stretches in words, and reigns in the table; of a longer front evenly chosen ones."""
MOST_NUMBERS = 8
"""Trials of one kind of failure that are named."""


@dataclass(frozen=True)
class SweepPart:
    """One sweep. `headline` and what follows are empty where no trial has a score."""

    sweep: SweepRecord
    summary: str
    headline: str
    stretches: list[str]
    reigns: Table | None
    enough: Table | None
    figures: list[DrawnFigure]
    configurations: Table | None
    searched: Table
    failures: Table | None
    refusals: Table | None
    setups: list[Setup]
    budget: list[tuple[str, str]]
    recipe: list[tuple[str, str]]
    rerun: str


@dataclass(frozen=True)
class Report:
    """The whole page; `sizes` is the figure of a low-data study."""

    name: str
    question: str
    created_at: datetime
    parts: list[SweepPart]
    sizes: DrawnFigure | None


@dataclass(frozen=True)
class Asked:
    """What a report is made from: all sweeps of a name, and each alone; `rerun` gives a sweep's command."""

    source: Source
    parts: Sequence[Source]
    is_low_data: bool
    values_of: ValuesOf
    rerun: Callable[[SweepRecord], str]


def make_report(asked: Asked, created_at: datetime) -> Report:
    """Gather a report."""
    source = asked.source
    return Report(
        name=source.name,
        question=question(source.sweeps[0]),
        created_at=created_at,
        parts=[_part(part, asked) for part in asked.parts],
        sizes=drawn_figure("low_data", source) if asked.is_low_data and len(sizes_of(source)) > 1 else None,
    )


def _part(source: Source, asked: Asked) -> SweepPart:
    values_of = asked.values_of
    sweep, trials = source.sweep, source.own
    found = find_answer(source.compared)
    return SweepPart(
        sweep=sweep,
        summary=_summary(sweep, source.compared),
        headline=headline(found) if found else "",
        stretches=_stretches(found, values_of) if found else [],
        reigns=_reigns(found, values_of) if found else None,
        enough=_enough(found) if found and found.enough else None,
        figures=list(drawn_figures(source)),
        configurations=_configurations(source.compared) if found else None,
        searched=_searched(sweep, trials),
        failures=_failures("Trials without a result", failures(trials)),
        refusals=_failures(
            "Configurations that were not trained", refused(source.ledger.refusals(sweep.name))
        ),
        setups=setups(source.ledger.provenance(sweep.name)),
        budget=budget(sweep),
        recipe=recipe(sweep, trials),
        rerun=asked.rerun(sweep),
    )


def _summary(sweep: SweepRecord, results: Sequence[TrialRecord]) -> str:
    trials, imported = trained_here(results), imported_ones(results)
    states = Counter(trial.state for trial in trials)
    counts = ", ".join(f"{n:,} {state}" for state, n in sorted(states.items()))
    n_configurations = len({trial.config_hash for trial in trials})
    said = (
        f"{several(len(trials), 'trial')} ({counts}) of {several(n_configurations, 'configuration')}, "
        f"begun {sweep.created_at:%Y-%m-%d %H:%M} UTC."
    )
    beside = f" Beside them {several(len(imported), 'result')}: {imported_note(imported)}."
    return said + beside if imported else said


def _stretches(found: Answer, values_of: ValuesOf) -> list[str]:
    shown = _evenly(found.stretches, MOST_TOLD)
    lines = [stretch_line(each, compared(each[-1], values_of)) for each in shown]
    left_out = len(found.stretches) - len(shown)
    return (
        [*lines, f"{several(left_out, 'stretch', 'stretches')} between these left out."]
        if left_out
        else lines
    )


def _reigns(found: Answer, values_of: ValuesOf) -> Table:
    shown = _evenly(found.reigns, MOST_COMPARED)
    pairs = [(reign, compared(reign, values_of)) for reign in shown]
    notes = [how_tested(comparison for _, comparison in pairs)]
    if left_out := len(found.reigns) - len(shown):
        notes.append(f"{left_out:,} of the front's configurations between these are left out.")
    return table(
        "Which configuration is best at which budget",
        HEADINGS,
        [reign_row(reign, comparison) for reign, comparison in pairs],
        note=" ".join(filter(None, notes)),
    )


def _evenly(every: Sequence[T], most: int) -> list[T]:
    """The first, the last, and evenly many between them."""
    if len(every) <= most:
        return list(every)
    return [every[round(at * (len(every) - 1) / (most - 1))] for at in range(most)]


def _enough(found: Answer) -> Table:
    return table("How few parameters suffice", ENOUGH_HEADINGS, [enough_row(each) for each in found.enough])


def _configurations(trials: Sequence[TrialRecord]) -> Table:
    """As Table 15 of the LoRA paper; of too many the front's and then the best."""
    rows = table_rows(trials)
    most = 2 * MOST_COMPARED
    if len(rows) > most:
        front = [row for row in rows if row.is_pareto][:most]
        others = sorted((row for row in rows if not row.is_pareto), key=lambda row: -row.score)
        kept = {row.config_hash for row in (*front, *others[: most - len(front)])}
        shown = [row for row in rows if row.config_hash in kept]
        note = f"Of {len(rows):,} configurations the front and the best; `frontune pareto --all` writes all."
    else:
        shown, note = rows, not_shown(trials)
    note = ". ".join(filter(None, (note_of(shown), note)))
    headings, cells, bold = table_cells(shown, every_title=True)
    return table("All configurations", headings, cells, bold=bold, note=note, most=most)


def _searched(sweep: SweepRecord, trials: Sequence[TrialRecord]) -> Table:
    rows = [
        (
            each.title,
            each.space,
            f"{each.n_trials:,}",
            ", ".join(f"{n:,} {state}" for state, n in each.trials.items()) or "-",
            print_seconds(each.seconds),
            print_tokens(each.tokens),
        )
        for each in searched_methods(sweep, trials)
    ]
    headings = ("Method", "Search space", "Trials", "How they ended", "Time", "Training tokens")
    note = "Tokens are of prompts and completions, without padding, as trained; what was reused took none."
    return table("What was searched, and what it took", headings, rows, note=note)


def _failures(caption: str, found: Sequence[Failures]) -> Table | None:
    if not found:
        return None
    rows = [
        (each.kind, f"{each.count:,}", ", ".join(each.titles), each.message, _numbers(each.numbers))
        for each in found
    ]
    return table(caption, ("Kind", "Count", "Methods", "Message", "Trials"), rows)


def _numbers(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:MOST_NUMBERS])) or "-"
    return f"{named}, ..." if len(numbers) > MOST_NUMBERS else named
