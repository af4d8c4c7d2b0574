"""How MLflow's UI shows a sweep: trials by score with what matters of each, and drawn by their parameters.

Without it the UI shows when runs were made and how long they took, and all metrics only on demand. It is what
"Share" in the UI makes: a tag of the experiment, and a link that names it (read from MLflow 3.17's own pages;
another version that does not know it ignores the tag, and shows the link's page as it would show any).
"""

from __future__ import annotations

import json

from storage.mlflow_client import open_client
from storage.tracking_errors import border

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


def page_of(tracking_uri: str, sweep: str) -> str | None:
    """Return where a sweep's trials by score are, from the UI's address on; None where MLflow has no such
    sweep."""
    client = open_client(tracking_uri)
    with border(f"find the sweep {sweep!r}"):
        experiment = client.get_experiment_by_name(sweep)
    return None if experiment is None else _page(experiment.experiment_id)


def view_links(experiment: str) -> str:
    """Return Markdown with links to the table and to the chart, within whatever server shows it."""
    page = _page(experiment)
    return f"[Trials by score]({page}) · [Score against trainable parameters]({page}&compareRunsMode=CHART)"


def _page(experiment: str) -> str:
    return f"#/experiments/{experiment}/runs?viewStateShareKey={KEY}"
