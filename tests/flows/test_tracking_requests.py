"""How much a study asks of MLflow's server: over a network each request costs far more than in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.helpers.mlflow_server import MlflowServer, mlflow_server

pytestmark = pytest.mark.slow
N_MODELS = 3
HISTORY = "GET /api/2.0/mlflow/metrics/get-history"
HISTORIES = 10
"""Of the metrics that were also measured before the first step. MLflow by itself asks for that of every metric."""
REQUESTS = 45
"""For one model with all its files: 41 were counted, with MLflow 3.17.2."""


@pytest.fixture(scope="module")
def tracking(tmp_path_factory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def test_a_kept_model_costs_few_requests(tracking, new_study):
    """The study is run without models first, so that the second command logs nothing but models."""
    how = {"uri": tracking.uri, "log_models": False, "every_metric": True}
    study = new_study(name="requests", seeds={"n": N_MODELS}, retention={"checkpoints": "all"}, tracking=how)
    study.run()
    study.tracking_uri = tracking.uri
    asked = {}
    for n_models, options in ((0, ()), (N_MODELS, ("--set", "tracking.log_models=true"))):
        before = len(tracking.requests())
        study.run(*options)
        asked[n_models] = Counter(tracking.requests()[before:])
    more = asked[N_MODELS] - asked[0]
    assert more["POST /api/2.0/mlflow/logged-models"] == N_MODELS, more
    assert min(len(run.data.metrics) for run in study.runs()) > 2 * HISTORIES, "a request for each metric would be seen"
    assert more[HISTORY] / N_MODELS <= HISTORIES, more
    assert more.total() / N_MODELS <= REQUESTS, more
