"""What a sweep will do, known before anything is loaded or written: shapes, data, points, refusals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from methods.base import Method, Shape
from methods.errors import FrontuneError
from methods.expression import format_method
from methods.loading import DTYPES, base_folder, fingerprint, load_tokenizer, meta_base
from storage.records import Refusal
from sweeps.data import Examples, TaskData, prepare_data, read_examples
from sweeps.executors.choose import first_device
from sweeps.matching import Match, match_all
from sweeps.point import Point
from sweeps.space import Space
from sweeps.spec import SweepSpec
from sweeps.training.batches import cut_to
from sweeps.trial import Context
from sweeps.trial_memory import TrialMemory


@dataclass(frozen=True)
class Plan:
    """A sweep that can start: `points` are the explicit ones that the base can hold, `refusals` the rest."""

    spec: SweepSpec
    shape: Shape
    memory: TrialMemory
    examples: Examples
    tokenizer: Any
    data: TaskData
    context: Context
    spaces: dict[str, Space]
    points: tuple[Point, ...]
    refusals: tuple[Refusal, ...]
    matches: tuple[Match, ...] = ()

    @property
    def methods(self) -> list[str]:
        """Every method of the sweep, searched ones first, each once."""
        return list(dict.fromkeys([*self.spaces, *(point.method for point in self.points)]))

    @property
    def total_trials(self) -> int | None:
        """How many trials the sweep will have, refused draws aside; None where a space is drawn from
        without end."""
        if self.spaces and self.spec.sampler != "grid":
            return self.spec.trials
        grids = [point for method in self.spaces for point in self.grid(method)]
        n_points = len({self.identity(point) for point in (*self.points, *grids)})
        every = n_points * len(self.spec.seeds)
        return every if self.spec.trials is None else min(every, self.spec.trials)

    @property
    def rows_cut(self) -> int:
        """Rows that are too long for the base, before virtual tokens take room."""
        free = self.data.decoding.max_new_tokens if self.data.decoding else 0
        cut = cut_to(self.data.train, self.shape.max_positions)[1]
        return cut + cut_to(self.data.validation, self.shape.max_positions, free)[1]

    @property
    def unknown_tokens(self) -> int:
        """Tokens of the training rows that stand for what the base's tokenizer does not know."""
        unknown = self.tokenizer.unk_token_id
        # A tokenizer of bytes knows everything, and calls its end token unknown.
        if unknown is None or unknown in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            return 0
        return sum(row.prompt.count(unknown) + row.completion.count(unknown) for row in self.data.train)

    def refusal(self, point: Point) -> Refusal | None:
        """Why this point is not trained, or None if it can be."""
        return _refusal(point, self.spec, self.memory)

    def count(self, point: Point) -> int:
        """The trainable parameters of a point, in closed form; raises FrontuneError where it cannot be."""
        return point.build(self.spec.recipe.recipe(seed=0))[0].count(self.shape)

    def identity(self, point: Point) -> str:
        """What points share that are the same configuration, defaults written out or not."""
        return _identity(point, self.spec, self.context)

    def grid(self, method: str) -> Iterator[Point]:
        """Every point of the method's grid that the base can hold."""
        for values in self.spaces[method].grid(f"methods.{method}"):
            point = Point(method, values)
            if self.refusal(point) is None:
                yield point


def make_plan(spec: SweepSpec) -> Plan:
    """Check a sweep against its base and its data, without loading weights or writing anything.

    Raises FrontuneError where a method's whole space, or everything, cannot be trained.
    """
    spaces, explicit = {} if spec.sampler == "points" else spec.spaces(), spec.explicit_points()
    # What is small comes first: a mistake in it should not wait for weights to be fetched.
    examples = read_examples(spec.task)
    base = meta_base(spec.base, spec.trust_remote_code, DTYPES[spec.recipe.dtype])
    tokenizer = load_tokenizer(spec.base, spec.trust_remote_code)
    data = prepare_data(examples, tokenizer)
    memory = TrialMemory(base, data, first_device(spec).partition(":")[0])
    matches, unmatched = _matched(spaces, spec, memory)
    if spec.match_params is not None:
        spaces = {found.method: found.space for found in matches}
    for method, space in spaces.items():
        _check_space(method, space, spec, memory)
        if spec.sampler == "grid":
            next(space.grid(f"methods.{method}"))
    context = _context(spec, data)
    refused: dict[int, Refusal | None] = {
        n: _refusal(point, spec, memory) for n, point in enumerate(explicit)
    }
    refused |= _repeated(explicit, spec, context)
    kept = tuple(point for number, point in enumerate(explicit) if refused[number] is None)
    refusals = [refusal for refusal in (*unmatched, *refused.values()) if refusal is not None]
    if spec.sampler == "grid":
        refusals += _refused(spaces, spec, memory)
    if not spaces and not kept:
        raise FrontuneError(
            f"nothing to train: every point is refused, the first because {refusals[0].reason}"
        )
    return Plan(
        spec=spec,
        shape=base.shape,
        memory=memory,
        examples=examples,
        tokenizer=tokenizer,
        data=data,
        context=context,
        spaces=spaces,
        points=kept,
        refusals=tuple(refusals),
        matches=tuple(matches),
    )


def _matched(
    spaces: dict[str, Space], spec: SweepSpec, memory: TrialMemory
) -> tuple[list[Match], list[Refusal]]:
    if spec.match_params is None:
        return [], []
    return match_all(
        spec.name, spaces, spec.match_params, memory.base.shape, lambda point: _refusal(point, spec, memory)
    )


def _context(spec: SweepSpec, data: TaskData) -> Context:
    return Context(
        base_fingerprint=fingerprint(base_folder(spec.base), spec.trust_remote_code),
        task=spec.task.name,
        metric=data.metric,
        data_fingerprint=data.data_fingerprint,
        prompt_fingerprint=data.prompt_fingerprint,
        dtype=spec.recipe.dtype,
        train_examples=spec.task.train_examples,
        eval_examples=spec.task.eval_examples,
        decoding=data.decoding,
    )


def _check_space(method: str, space: Space, spec: SweepSpec, memory: TrialMemory) -> None:
    """Raise the lowest point's problem if no point that stands for the space can be trained."""
    problem = ""
    for values in space.probes():
        refusal = _refusal(Point(method, values), spec, memory)
        if refusal is None:
            return
        problem = problem or refusal.reason
    raise FrontuneError(f"methods.{method}: nothing in its search space can be trained: {problem}")


def _refused(spaces: dict[str, Space], spec: SweepSpec, memory: TrialMemory) -> Iterable[Refusal]:
    for method, space in spaces.items():
        for values in space.grid(f"methods.{method}"):
            refusal = _refusal(Point(method, values), spec, memory)
            if refusal is not None:
                yield refusal


def _refusal(point: Point, spec: SweepSpec, memory: TrialMemory) -> Refusal | None:
    shape = memory.base.shape
    try:
        method, recipe = point.build(spec.recipe.recipe(seed=0))
        label = method.label()
    except FrontuneError as error:
        written = ", ".join(f"{key} = {value}" for key, value in point.values.items())
        return Refusal(spec.name, point.method, written, str(error))
    try:
        method.check(shape)
        _check_room(method, shape, memory.data)
        _check_budget(method, shape, spec.max_trainable_params)
        if spec.max_memory is not None:
            memory.check(method, recipe, spec.max_memory)
    except FrontuneError as error:
        return Refusal(spec.name, point.method, label, str(error))
    except Exception as error:  # a plugin's own
        raise FrontuneError(f"methods.{point.method} cannot be checked ({label}): {error!r}") from error
    return None


def _identity(point: Point, spec: SweepSpec, context: Context) -> str:
    try:
        method, recipe = point.build(spec.recipe.recipe(seed=0))
    except FrontuneError:
        return repr(sorted(point.values.items()))
    return context.config_hash(format_method(method), recipe)


def _repeated(points: list[Point], spec: SweepSpec, context: Context) -> dict[int, Refusal]:
    """Explicit points that stand in the file twice, though perhaps in other words."""
    first: dict[str, int] = {}
    repeated = {}
    for number, point in enumerate(points):
        same = first.setdefault(_identity(point, spec, context), number)
        if same != number:
            label = point.build(spec.recipe.recipe(seed=0))[0].label()
            reason = f"points[{number}] is the same configuration as points[{same}]"
            repeated[number] = Refusal(spec.name, point.method, label, reason)
    return repeated


def _check_room(method: Method, shape: Shape, data: TaskData) -> None:
    l_p, l_i = method.virtual_tokens
    if l_p + l_i + data.longest_completion + 1 > shape.max_positions:
        raise FrontuneError(
            f"{method.name}: l_p + l_i = {l_p + l_i} leaves no room for a prompt and its label "
            f"({data.longest_completion} tokens); the base has {shape.max_positions} positions"
        )


def _check_budget(method: Method, shape: Shape, budget: int | None) -> None:
    count = method.count(shape)
    if budget is not None and count > budget:
        raise FrontuneError(f"{count:,} trainable parameters are more than max_trainable_params = {budget:,}")
