"""Progress: bars on a terminal (the sweep, each running trial), a line for each trial elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dashboards.printing import one_line, print_count, print_lr, print_score
from storage.records import Refusal, TrialRecord
from sweeps.trial import Progress as Step


class Display:
    """Shows a sweep while it runs; use it as a context manager."""

    def __init__(self, console: Console, name: str, total: int | None) -> None:
        self._console, self._total = console, total
        self._bars: Progress | None = None
        if console.is_terminal:
            self._bars = Progress(
                # A label may look like markup of rich.
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=console,
                transient=True,
            )
            self._sweep = self._bars.add_task(f"sweep {name}", total=total, note="")
        self._bar_of: dict[int, TaskID] = {}
        self._ended = 0
        self._best: float | None = None

    def __enter__(self) -> Display:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line of its own."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def went_on(self, ended: int) -> None:
        """So many trials ended in earlier runs of this sweep."""
        if ended:
            of = f" of {self._total}" if self._total and self._total >= ended else ""
            self.say(f"{ended}{of} trials were done before")
        self._ended = ended
        if self._bars:
            self._bars.update(self._sweep, completed=ended)

    def expect_more(self, trials: int) -> None:
        """So many trials come on top of those that have ended."""
        if trials:
            self._total = self._ended + trials
        if trials and self._bars:
            self._bars.update(self._sweep, total=self._total)

    def started(self, trial: TrialRecord) -> None:
        """A trial begins to train."""
        if self._bars:
            text = one_line(f"trial {trial.number} {trial.title} {trial.label}")
            self._bar_of[trial.number] = self._bars.add_task(text, total=None, note="")

    def stepped(self, event: Step) -> None:
        """A trial finished a step."""
        if self._bars and event.number in self._bar_of:
            note = f"loss {event.loss:.3f}  {event.tokens_per_second:,.0f} tokens/s"
            bar = self._bar_of[event.number]
            self._bars.update(bar, completed=event.step, total=event.steps, note=note)

    def scoring(self, number: int) -> None:
        """A trial is done with its steps and being scored."""
        if self._bars and number in self._bar_of:
            self._bars.update(self._bar_of[number], note="scoring")

    def ended(self, trial: TrialRecord) -> None:
        """A trial has a result, or a reason why it has none."""
        self._ended += trial.state != "interrupted"
        if self._bars:
            if (bar := self._bar_of.pop(trial.number, None)) is not None:
                self._bars.remove_task(bar)
            self._best = max(filter(None, (self._best, trial.score)), default=None)
            best = f"best {trial.metric} {print_score(self._best, None, trial.metric)}" if self._best else ""
            self._bars.update(self._sweep, completed=self._ended, note=best)
        self.say(one_line(self._line(trial)))

    def _line(self, trial: TrialRecord) -> str:
        of = f"/{self._total}" if self._total else ""
        what = f"[{self._ended}{of}] trial {trial.number} {trial.title} {trial.label}".rstrip()
        if trial.state == "interrupted":
            return f"{what}: interrupted"
        if trial.state != "complete":
            return f"{what}: {trial.state}: {(trial.reason or 'no reason known').splitlines()[0]}"
        score = print_score(trial.score or 0.0, None, trial.metric)
        lr = f", lr {print_lr(trial.lr)}" if trial.lr is not None else ""
        how = f"reused from {trial.reused_from}" if trial.reused_from else f"{trial.wall_seconds or 0:.1f} s"
        count = print_count(trial.trainable_params)
        return f"{what}{lr}, seed {trial.seed}: {trial.metric} {score} with {count} parameters ({how})"


def refusal_line(refusal: Refusal) -> str:
    """A refusal as it is listed."""
    what = f"{refusal.method} {refusal.label}".rstrip()
    return one_line(f"refused: {what}: {refusal.reason.removeprefix(f'{refusal.method}: ')}")
