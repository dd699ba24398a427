"""One study by each engine, where no machine sees another's folder: the same files for every run, and inputs travel once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.ray_lab import ray_lab
from tests.helpers.ray_studies import StudyLab, ended
from tests.helpers.store_checks import differences, misloggings, run_files
from tests.helpers.study_commands import FEATURES, TinyStudy

pytestmark = pytest.mark.slow
ENGINES = ("local", "ray", "work_pool")
SETTINGS = {"arms": {"features": FEATURES, "full": {}}, "retention": {"checkpoints": "all"}}


@pytest.fixture(scope="module")
def lab():
    with ray_lab(2, kind=StudyLab) as lab:
        lab.start_pool()
        yield lab


@pytest.fixture(scope="module")
def studies(lab) -> dict[str, TinyStudy]:
    """The study by each engine, run to its end."""
    made = {engine: lab.study("engines", engine, **SETTINGS) for engine in ENGINES}
    for study in made.values():
        ended(lab.start(study))
    return made


def test_every_engine_makes_the_same_runs(studies):
    local = studies["local"]
    assert len(local.records) == 4
    for engine in ENGINES[1:]:
        assert studies[engine].weights == local.weights
        assert run_files(studies[engine]) == run_files(local)
        assert differences(studies[engine], local) == []
        assert misloggings(studies[engine]) == []
    assert all({"curves.jsonl", "model/model.safetensors"} <= files.keys() for files in run_files(local).values())


def test_further_runs_fetch_no_inputs(lab, studies):
    """The store has lost them: whoever asked for one would get it stored again."""
    for engine in ENGINES[1:]:
        store = Path(lab.store.removeprefix("file://")) / f"engines-{engine}"
        inputs = inputs_in(store)
        assert len(inputs) >= 4, "data and encoder"
        for path in inputs:
            path.unlink()
        ended(lab.start(studies[engine], "--set", "seeds.n=3"))
        assert len(studies[engine].records) == 6
        assert inputs_in(store) == []


def inputs_in(store: Path) -> list[Path]:
    """Files of data and encoders."""
    found = [path for kind in ("data", "encoder") for path in (store / kind).rglob("*") if path.is_file()]
    return [path for path in found if path.name != "manifest.json"]
