"""The template of jobs in Kubernetes, by the worker that fills it in: prefect-kubernetes, installed for this test alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.markdown import ROOT

pytestmark = pytest.mark.slow
TEMPLATE = ROOT / "deploy" / "kubernetes" / "job-template.json"
PACKAGES = ["prefect-kubernetes==0.8.0", "kubernetes-asyncio==36.1.0", "kopf==1.45.2", "tenacity==9.2.1", "iso8601==2.1.0"]
FILL_IN = """
import asyncio, json, sys
from prefect.client.orchestration import PrefectClient
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

template, values = json.load(open(sys.argv[1])), json.loads(sys.argv[2])
nobody = PrefectClient("http://127.0.0.1:9/api")  # it is asked for blocks and variables, of which the template has none
filled = asyncio.run(KubernetesWorkerJobConfiguration.from_template_and_values(template, values, client=nobody))
default = KubernetesWorker.get_default_base_job_template()
print(json.dumps([filled.job_manifest, sorted(default["variables"]["properties"]), sorted(default["job_configuration"])]))
"""


@pytest.fixture(scope="module")
def filled_in(tmp_path_factory) -> list[Any]:
    """The manifest of a job on two GPUs, and what prefect-kubernetes' own template has."""
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    installed = subprocess.run(pip, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    values = json.dumps({"gpus": 2, "image": "registry/bertft:1", "namespace": "ml", "env": {"BERTFT_HOME": "/data/home"}})
    child = subprocess.run(
        [sys.executable, "-c", FILL_IN, str(TEMPLATE), values],
        env=os.environ | {"PYTHONPATH": str(folder), "PREFECT_HOME": str(folder / "prefect")},
        cwd=Path("/"),
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    return list(json.loads(child.stdout.splitlines()[-1]))


def test_the_worker_makes_a_job_of_the_template(filled_in):
    manifest = filled_in[0]
    assert (manifest["kind"], manifest["metadata"]["namespace"]) == ("Job", "ml")
    job, pod = manifest["spec"], manifest["spec"]["template"]["spec"]
    assert (job["backoffLimit"], job["completions"], job["parallelism"]) == (0, 1, 1)
    (container,) = pod["containers"]
    assert container["image"] == "registry/bertft:1"
    assert container["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": 2}
    assert container["env"] == {"BERTFT_HOME": "/data/home"}  # a list by the time it is sent
    assert [each["secretRef"]["name"] for each in container["envFrom"]] == ["bertft", "bertft-ray-env", "bertft-s3"]
    assert pod["volumes"] == [{"name": "home", "persistentVolumeClaim": {"claimName": "bertft-home"}}]
    assert "{{" not in json.dumps(manifest)


def test_the_template_has_every_variable_of_the_worker(filled_in):
    _, variables, settings = filled_in
    template = json.loads(TEMPLATE.read_text())
    assert len(variables) >= 15
    assert template["variables"]["properties"].keys() == {*variables, "gpus", "home_claim"}
    assert template["job_configuration"].keys() == set(settings)
