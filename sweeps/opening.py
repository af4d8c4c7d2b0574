"""What a driver opens a sweep with, as the run before left it: the scores at its rungs, and its dealer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from storage.rungs import rung_scores
from sweeps.books import Books
from sweeps.dealer import Dealer
from sweeps.point import Point
from sweeps.pruning import Rungs
from sweeps.studies import open_studies


def opened_rungs(books: Books) -> Rungs | None:
    """Return what trials have scored at rungs so far, None where nothing is pruned."""
    spec = books.plan.spec
    if spec.pruning is None:
        return None
    rungs = Rungs(spec.pruning.reduction)
    params = {number: trial.trainable_params for number, trial in books.trials.items()}
    rungs.restore(rung_scores(books.ledger, spec.name), params)
    return rungs


def opened_dealer(books: Books, added: Iterable[Point], say: Callable[[str], None]) -> Dealer:
    """Open the sweep's studies, with the points that are `added` to it among those that wait."""
    plan, url = books.plan, books.workspace.database_url
    spaces = {method: plan.spaces.get(method) for method in plan.methods}
    studies = open_studies(url, plan.spec, spaces, plan.shape, plan.identity)
    dealer = Dealer(plan, studies, say)
    for point in added:
        if not studies[point.method].knows(point):
            studies[point.method].add(point)
    return dealer
