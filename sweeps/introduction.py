"""How a sweep introduces itself in MLflow: the note of its experiment, and the tags of its parent run."""

from __future__ import annotations

import json

from dashboards.markdown import markdown_text
from sweeps.plan import Plan
from sweeps.spec import SweepSpec

NOTE = (
    "Sweep of {methods} on **{task}** with base **{base}**. Each child run is one trial: sort by the metric "
    "`score` (higher is better) or `trainable_params`; the tag `pareto` marks the front, whose table, plot "
    "and CSV are artifacts of the parent run."
)


def note_of(plan: Plan) -> str:
    """Return the description of the sweep's experiment, in Markdown."""
    spec = plan.spec
    methods = ", ".join(map(markdown_text, plan.methods))
    return NOTE.format(methods=methods, task=markdown_text(spec.task.name), base=markdown_text(spec.base))


def tags_of(spec: SweepSpec) -> dict[str, str]:
    """Return the tags of the sweep's parent run, its whole file among them."""
    sweep_file = json.dumps(spec.model_dump(mode="json"))
    return {"task": spec.task.name, "base": spec.base, "sweep_file": sweep_file}
