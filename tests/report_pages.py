"""Reports that tests read: a page's elements and texts, and a sweep whose every text is an attack."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from storage.ledger import Ledger
from storage.records import Measurement, Provenance, Refusal, SweepRecord, TrialOutcome
from storage.workspace import Workspace
from tests.test_pareto import make_trial

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKUP = (
    "'\"></script></style></title><script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
    "<a href='javascript:window.pwned = 1'>{{ 7 * 7 }}</a><!--"
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


@dataclass
class Page(HTMLParser):
    """The elements of a page in order, each with its attributes; and the texts outside of scripts."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.unclosed[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def read_page(file: Path) -> Page:
    """Parse a report; its elements must be closed in order."""
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    page.close()
    assert page.unclosed == []
    return page


def hostile_workspace(folder: Path) -> Path:
    """A workspace with the finished sweep `hostile`, in which whatever a user or a plugin may write is
    markup."""
    sweep = "hostile"
    spec = {
        "name": sweep,
        "base": MARKUP,
        "task": {"name": MARKUP, "prompt": MARKUP},
        "methods": {MARKUP: {MARKUP: [MARKUP, 1]}, "lora": MARKUP},
        "points": [MARKUP],
        "recipe": {"schedule": MARKUP, MARKUP: MARKUP},
        "trials": MARKUP,
        "notes": MARKUP,
    }
    with closing(Ledger.open(Workspace.open(folder, create=True).database_url)) as ledger:
        ledger.add_sweep(SweepRecord(sweep, MARKUP, MARKUP, MARKUP, spec, NOW))
        packages = {MARKUP: MARKUP}
        run = Provenance(NOW, packages, MARKUP, True, MARKUP, MARKUP, MARKUP, MARKUP)
        ledger.add_provenance(sweep, run)
        ledger.add_refusal(Refusal(sweep, MARKUP, MARKUP, MARKUP))
        for number in range(4):
            trial = make_trial(
                sweep=sweep,
                number=number,
                method=f"{MARKUP}{number % 2}",
                title=f"{MARKUP}{number % 2}",
                label=f"{MARKUP}{number}",
                hyperparameters={MARKUP: MARKUP, "r": number + 1},
                trainable_params=10 * number + 10,
                score=0.1 * number,
                task=MARKUP,
                metric=MARKUP,
                train_seconds=1.0,
                device=MARKUP,
            )
            losses = tuple(Measurement("loss", "train", step, 1.0 / step) for step in (1, 2))
            ledger.save_outcome(TrialOutcome(trial, losses))
        reason = f"{MARKUP}\n{MARKUP}"
        ledger.save_trial(make_trial(sweep=sweep, number=9, state="failed", score=None, reason=reason))
    return folder
