"""Memory that does not suffice beside other trials, or for scoring, is no trial's fault; a lost device is
nobody's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.errors import FrontuneError
from methods.frozen import FrozenBase
from sweeps.data import TaskData
from sweeps.executors.base import DeviceLost
from sweeps.executors.inline import InlineExecutor
from sweeps.training import evaluate as evaluate_module
from sweeps.training import generate as generate_module
from sweeps.training.decoding import Decoding
from sweeps.training.evaluate import evaluate_text
from sweeps.training.generate import generate
from sweeps.training.memory import is_out_of_memory
from sweeps.training.pack import Pack
from sweeps.training.parts import in_parts
from sweeps.training.recipe import Recipe
from sweeps.training.slot import Slot
from sweeps.training.train import PackRunner
from sweeps.training.trial_run import TrialRun
from sweeps.trial import Failed, Finished, TrialEvent, TrialSpec
from tests.alone import train_trial
from tests.test_runner import drive, finished

MakeSpec = Callable[[int], TrialSpec]
Crowded = Callable[[str], None]
METHOD = "lora(r_q=2, r_v=2)"
N = 4


@pytest.fixture
def make_spec(tmp_path: Path) -> MakeSpec:
    def make(number: int) -> TrialSpec:
        files = (str(tmp_path / f"{kind}-{number}") for kind in ("adapter", "state"))
        recipe = Recipe(lr=1e-2, steps=3 + number, batch_size=4, seed=number)
        return TrialSpec("s", number, METHOD, recipe, next(files), 0, "hash", checkpoint_file=next(files))

    return make


@pytest.fixture
def runner(frozen: FrozenBase, data: TaskData) -> PackRunner:
    return PackRunner(lambda: frozen, data, N)


@pytest.fixture
def crowded(runner: PackRunner, monkeypatch: pytest.MonkeyPatch) -> Crowded:
    """Lets one thing that a trial does run out of memory while more than two trials are on the device."""

    def make(what: str) -> None:
        places: dict[str, tuple[Any, str, Callable[[], int]]] = {
            "opening": (TrialRun, "open", lambda: len(runner._runs) + 1),
            "the first step": (Slot, "apply_gradients", lambda: len(runner._runs)),
            "scoring": (evaluate_module, "_likelihoods", lambda: len(runner._runs)),
        }
        owner, name, count = places[what]
        real = getattr(owner, name)

        def short_of_memory(*arguments: Any) -> Any:
            if count() > 2:
                raise torch.OutOfMemoryError("simulated")
            return real(*arguments)

        monkeypatch.setattr(owner, name, short_of_memory)

    return make


@pytest.mark.parametrize("what", ["opening", "the first step", "scoring"])
def test_a_trial_without_memory_beside_others_is_put_back_and_comes_to_the_same_result(
    frozen: FrozenBase,
    data: TaskData,
    make_spec: MakeSpec,
    runner: PackRunner,
    crowded: Crowded,
    what: str,
) -> None:
    trials = [make_spec(number) for number in range(N)]
    alone = {t.number: finished(list(train_trial(frozen, data, t)))[t.number].result for t in trials}
    crowded(what)
    events = drive(runner, trials)
    assert not [event for event in events if isinstance(event, Failed)]
    together = {number: event.result for number, event in finished(events).items()}
    assert together.keys() == alone.keys()
    for number, found in together.items():
        losses = torch.tensor([found.curve, alone[number].curve])[..., 1]
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-6)
        assert found.metrics["loss"] == pytest.approx(alone[number].metrics["loss"], rel=1e-5)
    assert runner.capacity == 2


@pytest.mark.parametrize(
    ("target", "kind"),
    [("step", "out_of_memory"), ("opening", "too_large"), ("scoring", "too_large")],
)
def test_only_a_trial_that_is_alone_fails_for_want_of_memory(
    make_spec: MakeSpec, runner: PackRunner, monkeypatch: pytest.MonkeyPatch, target: str, kind: str
) -> None:
    places: dict[str, tuple[Any, str]] = {
        "step": (Pack, "_losses"),
        "opening": (TrialRun, "open"),
        "scoring": (evaluate_module, "_likelihoods"),
    }
    company: list[int] = []

    def never(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("simulated")

    monkeypatch.setattr(*places[target], never)
    events: list[TrialEvent] = []
    for number in range(N):
        runner.submit(make_spec(number))
    while runner.busy:
        for event in runner.advance():
            events.append(event)
            if isinstance(event, Failed):
                company.append(len(runner._runs))
    failures = {event.number: event.kind for event in events if isinstance(event, Failed)}
    assert failures == dict.fromkeys(range(N), kind)
    assert company == [0] * N


def test_batches_are_run_in_parts_from_where_on_memory_does_not_suffice_and_keep_their_order() -> None:
    ran: list[int] = []

    def run(rows: Sequence[int]) -> list[int]:
        ran.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("simulated")
        return [10 * row for row in rows]

    batches = [range(3), range(3, 13), range(13, 20)]
    found = list(in_parts(batches, run, torch.device("cpu")))
    assert [row for rows, _ in found for row in rows] == list(range(20))
    assert [value for _, values in found for value in values] == [10 * row for row in range(20)]
    assert ran == [3, 10, 5, 3, 3, 3, 1, 2, 2, 2, 1]


def test_what_does_not_fit_row_by_row_and_other_errors_are_raised() -> None:
    def without_memory(rows: Sequence[int]) -> None:
        raise torch.OutOfMemoryError("simulated")

    def broken(rows: Sequence[int]) -> None:
        raise ValueError("a defect")

    with pytest.raises(torch.OutOfMemoryError):
        list(in_parts([range(5)], without_memory, torch.device("cpu")))
    with pytest.raises(ValueError, match="a defect"):
        list(in_parts([range(5)], broken, torch.device("cpu")))


def test_scoring_in_parts_finds_what_scoring_whole_batches_finds(
    frozen: FrozenBase, data: TaskData, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = finished(list(train_trial(frozen, data, make_spec(0))))[0].result
    real, most = evaluate_module._likelihoods, [0]

    def likelihoods(base: FrozenBase, exact_logits: Any, asked: Any, pad_id: int) -> Any:
        if len(asked) > 2:
            raise torch.OutOfMemoryError("simulated")
        most[0] = max(most[0], len(asked))
        return real(base, exact_logits, asked, pad_id)

    monkeypatch.setattr(evaluate_module, "_likelihoods", likelihoods)
    found = finished(list(train_trial(frozen, data, make_spec(0))))[0].result
    assert most == [2]
    assert found.score == wanted.score
    assert found.metrics == pytest.approx(wanted.metrics, rel=1e-6)


def test_generating_in_parts_finds_what_generating_whole_batches_finds(
    frozen: FrozenBase, data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from methods.expression import parse_method

    slot = Slot(frozen, parse_method(METHOD), Recipe(steps=1), data.train)
    rows, decoding = data.validation[:7], Decoding(max_new_tokens=4)
    wanted = evaluate_text(frozen, slot, rows, data.pad_id, data.eos_id, decoding)
    real = generate_module._generate_batch

    def batch(base: FrozenBase, prompts: Any, asked: Any, *others: Any) -> Any:
        if len(asked) > 2:
            raise torch.OutOfMemoryError("simulated")
        return real(base, prompts, asked, *others)

    monkeypatch.setattr(generate_module, "_generate_batch", batch)
    (found,) = generate(frozen, [(slot, rows)], decoding, data.pad_id, data.eos_id)
    assert tuple(found) == wanted.generated


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: launch failure"),
    ],
)
@pytest.mark.parametrize("target", ["_losses", "apply_gradients", "_likelihoods", "open"])
def test_an_error_of_the_device_is_no_trials_and_ends_what_trains_there(
    make_spec: MakeSpec, runner: PackRunner, monkeypatch: pytest.MonkeyPatch, error: Exception, target: str
) -> None:
    def broken(*arguments: Any) -> None:
        raise error

    owners: dict[str, Any] = {"_losses": Pack, "apply_gradients": Slot, "_likelihoods": evaluate_module}
    monkeypatch.setattr(owners.get(target, TrialRun), target, broken)
    for number in range(2):
        runner.submit(make_spec(number))
    events: list[TrialEvent] = []

    def train() -> None:
        while runner.busy:
            events.extend(runner.advance())

    with pytest.raises(DeviceLost, match="CUDA error"):
        train()
    assert not [event for event in events if isinstance(event, Failed | Finished)]


def test_a_sweep_in_this_process_ends_with_one_sentence_when_its_device_is_lost(
    make_spec: MakeSpec, runner: PackRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered\nand more")

    monkeypatch.setattr(Pack, "_losses", broken)
    executor = InlineExecutor(runner)
    executor.submit(make_spec(0))
    said = r"device no more \(AcceleratorError: CUDA error: device-side assert triggered\); `frontune resume`"
    with pytest.raises(FrontuneError, match=said):
        list(executor.events())


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_other_words_for_want_of_memory_are_understood(said: str) -> None:
    assert is_out_of_memory(RuntimeError(said))
