"""Where runs are carried out is no part of what a study or a run is, and what only nodes need is refused without them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.compute_choice import with_device
from bertft_core.training.machine_needs import fit_of
from tests.helpers.small_records import make_card, make_study

ON_RAY = {"engine": "ray", "address": "10.0.0.1:6379", "store": "s3://bucket/bertft", "upload_every_seconds": 5.0}


def values(**execution):
    return make_study().model_dump(mode="json", exclude={"execution"}) | {"execution": execution}


def test_a_study_and_its_runs_have_the_same_digests_on_every_engine(tmp_path):
    here, there = parse_study(values(device="cpu")), parse_study(values(device="cpu", **ON_RAY))
    assert here.digest == there.digest
    card = make_card(tmp_path)
    digests = [[spec.digest for spec in plan_runs(study, card, {})] for study in (here, there)]
    assert digests[0] == digests[1]
    assert len(digests[0]) >= 2


@pytest.mark.parametrize(
    ("execution", "named"),
    [
        ({"address": "10.0.0.1:6379"}, "execution.address"),
        ({"store": "file:///x"}, "execution.store"),
        ({"gpus_per_run": 0.5}, "execution.gpus_per_run"),
        ({"upload_every_seconds": 5.0}, "execution.upload_every_seconds"),
        ({"engine": "ray", "gpus_per_run": 0.5, "device": "cpu"}, "execution.gpus_per_run"),
    ],
)
def test_what_has_no_effect_is_refused(execution, named):
    with pytest.raises(UserError, match=named):
        parse_study(values(**execution))


@pytest.mark.parametrize(("share", "device"), [(None, "cpu"), (0.5, "cuda")])
def test_nodes_have_gpus_where_a_share_is_asked_for(tmp_path, monkeypatch, share, device):
    monkeypatch.setattr("bertft_core.training.compute_choice.usable_gpus", lambda _: ["0"] if device == "cpu" else [])
    study = parse_study(values(engine="ray", **({"gpus_per_run": share} if share else {})))
    assert with_device(study, StudyDir(tmp_path, "small")).execution.device == device


def test_a_study_for_nodes_is_not_measured_by_this_machine():
    assert fit_of(parse_study(values(engine="ray", device="cuda", slots=500))).refusals == []


def test_a_study_on_this_machine_loads_neither_ray_nor_the_store():
    code = "import flows.run_study, tasks.engines.local, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "tasks.engines.engine" in loaded
    assert [name for name in loaded if name.split(".")[0] == "ray" or name.startswith("bertft_core.artifacts")] == []
