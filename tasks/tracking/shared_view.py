"""The view of a study that MLflow's page opens with: its seeds, grouped by arm, with the columns that count.

It is one tag of the experiment, in the form that MLflow 3.17's own page writes when a view is shared. The form is documented
nowhere, so that `tests/flows/test_pages_in_browser.py` opens it.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from bertft_core.records import StudySummary
from tasks.tracking.mlflow_content import metric_name

KEY = "bertft"
"""What the page's address names as `viewStateShareKey`."""
TAG = f"mlflow.sharedViewState.{KEY}"
LISTED = {"searchFilter": "tags.`bertft.stage` = 'seeds'", "orderByKey": "tags.`mlflow.runName`"}
"""The seeds, arm by arm. Runs in the order of their start would come below their parent, in one row that is folded."""


def in_address(tags: Mapping[str, str]) -> str:
    """What the address of the page says: the view of an experiment with these tags; without one the same runs, in plain columns.

    Given both, the page shows the runs and not the view.
    """
    chosen = {"viewStateShareKey": KEY} if TAG in tags else LISTED | {"orderByAsc": "true"}
    return urlencode(chosen, quote_via=quote)


def shared_view(summary: StudySummary) -> str:
    """The tag's value."""
    at, metric = summary.headline_checkpoint, summary.headline_metric
    splits = dict.fromkeys((summary.headline_split, "validation"))
    scores = [metric_name(at, split, metric) for split in splits]
    columns = ["params.`seed_index`", "tags.`bertft.status`", *(f"metrics.`{name}`" for name in scores)]
    state: dict[str, Any] = {
        **LISTED,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns, "attributes.`Duration`"],
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOWALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "bertft.arm"}]},
        "groupsExpanded": {},
        "autoRefreshEnabled": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {
            "lineSmoothness": 0,
            "xAxisKey": "step",
            "xAxisScaleType": "linear",
            "selectedXAxisMetricKey": "",
        },
        "chartsSearchFilter": "",
        "compareRunCharts": None,
        "compareRunSections": None,
    }
    return json.dumps(state)
