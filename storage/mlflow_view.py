"""How MLflow's UI shows a sweep: trials by score with what matters of each, and drawn by their parameters.

Without it the UI shows when runs were made and how long they took, and all metrics only on demand. It is what
"Share" in the UI makes: a tag of the experiment, and a link that names it (read from MLflow 3.17's own pages;
another version that does not know it ignores the tag, and shows the link's page as it would show any).
"""

from __future__ import annotations

import json

KEY = "front"
TAG = f"mlflow.sharedViewState.{KEY}"
COLUMNS = (
    "metrics.`score`",
    "metrics.`trainable_params`",
    "tags.`label`",
    "tags.`state`",
    "tags.`pareto`",
    "params.`lr`",
    "params.`seed`",
)
SECTION = {
    "uuid": "front",
    "name": "Score against trainable parameters",
    "display": True,
    "isReordered": False,
}
CHART = {
    "uuid": "front",
    "type": "SCATTER",
    "metricSectionId": "front",
    "runsCountToCompare": 1000,
    "deleted": False,
    "isGenerated": False,
    "xaxis": {"key": "trainable_params", "type": "METRIC"},
    "yaxis": {"key": "score", "type": "METRIC"},
}


def view_state() -> str:
    """Return the value of `TAG`."""
    state = {
        "orderByKey": "metrics.`score`",
        "orderByAsc": False,
        "selectedColumns": COLUMNS,
        "runsVisibilityMode": "SHOWALL",
        "compareRunSections": [SECTION],
        "compareRunCharts": [CHART],
    }
    return json.dumps(state)


def view_links(experiment: str) -> str:
    """Return Markdown with links to the table and to the chart, within whatever server shows it."""
    page = f"#/experiments/{experiment}/runs?viewStateShareKey={KEY}"
    return f"[Trials by score]({page}) · [Score against trainable parameters]({page}&compareRunsMode=CHART)"
