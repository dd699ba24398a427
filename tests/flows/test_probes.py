"""Probes on the way through a whole study: asked once, computed once, shown everywhere; no model is kept for them."""

from __future__ import annotations

import shutil

import pytest
import yaml

from tests.helpers.study_commands import FEATURES, TinyStudy
from tests.helpers.tiny_encoders import tiny_encoder

PROBES = {"masked_lm": {"n_texts": 4}, "similarity": {"n_texts": 8}, "gradients": {"steps": 4}}


@pytest.fixture(scope="module")
def with_head(tmp_path_factory) -> dict[str, str]:
    """An encoder that carries its masked-LM head."""
    directory = tmp_path_factory.mktemp("encoder")
    return {"path": str(tiny_encoder(directory, seed=7, initializer_range=0.4, masked_lm_head=True))}


@pytest.fixture(scope="module")
def probed(new_study, with_head) -> TinyStudy:
    """Two arms with two seeds each, run once; no model stays."""
    arms = {"features": FEATURES, "full": {}}
    study = new_study(
        name="probed",
        arms=arms,
        encoder=with_head,
        probes=PROBES,
        retention={"checkpoints": "none"},
        tracking={"every_metric": True},
    )
    assert "probing the models" in study.run().stderr
    return study


def index_of(study: TinyStudy, folder: str) -> int:
    """Seed index of the run in a folder."""
    return next(record.spec.index for digest, record in study.records.items() if digest.startswith(folder))


@pytest.mark.slow
def test_every_run_is_probed_and_no_model_stays(probed):
    assert len(list(probed.dir.path.glob("runs/*/probes.json"))) == 4
    assert list(probed.dir.path.glob("runs/*/model")) == []
    for digest, record in probed.records.items():
        found = probed.dir.probe_record(digest)
        assert (found.absent, found.error) == ({}, None)
        moved = {row.where for row in found.drift if row.l2 > 0}
        assert moved == (set() if record.spec.arm == "features" else {"embeddings", "layer 0", "layer 1"})


@pytest.mark.slow
def test_the_summary_has_every_probe_over_the_seeds(probed):
    rows = probed.summary.probes.rows
    names = {"masked_lm", "drift", "similarity", "gradients", "calibration", "overfitting"}
    assert {row.probe for row in rows if row.arm == "full"} == names
    assert all(row.n == 2 for row in rows if row.measure not in ("temperature", "ece_scaled", "nll_scaled", "confidence_wrong"))
    norms = {row.where for row in rows if (row.arm, row.measure) == ("full", "norm")}
    assert norms == {"embeddings", "layer 0", "layer 1", "head"}
    assert {absence.why.reason for absence in probed.summary.probes.absences if absence.probe == "out_of_domain"} == {
        "no out-of-domain set"
    }
    by_arm = {row.arm: row.mean for row in rows if row.measure == "loss_rise"}
    assert by_arm["features"] == 0 != by_arm["full"]


@pytest.mark.slow
def test_the_report_and_mlflow_have_them(probed):
    page = (probed.dir.report_dir / "report.html").read_text(encoding="utf-8")
    assert '<details class="part" id="probes">' in page
    assert "The encoder weights of features have not changed" in page
    for run in probed.runs():
        assert {"probe/masked_lm/loss_rise", "probe/drift/l2/layer 0", "probe/overfitting/rise"} <= set(run.data.metrics)
    (parent,) = probed.runs("study")
    assert parent.data.metrics["summary/full/probe/masked_lm/loss_rise/n"] == 2


@pytest.mark.slow
def test_a_second_command_computes_nothing_and_says_the_same(probed):
    files = sorted(probed.dir.path.glob("runs/*/probes.json"))
    before, summary = [path.stat().st_mtime_ns for path in files], probed.summary
    probed.run()
    assert [path.stat().st_mtime_ns for path in files] == before
    assert probed.summary == summary


@pytest.mark.slow
def test_what_is_lost_on_disk_comes_back_from_mlflow(probed):
    summary = probed.summary
    shutil.rmtree(probed.dir.path / "runs")
    probed.run()
    assert probed.summary == summary


@pytest.mark.slow
def test_a_model_that_is_gone_or_torn_costs_its_numbers_and_not_the_study(new_study, with_head):
    """Probes asked for later: one seed's model was not kept, another's cannot be read, and is tried again."""
    once = {"device": "cpu", "retries": 0}
    study = new_study(name="later", seeds={"n": 3}, encoder=with_head, retention={"checkpoints": "all"}, execution=once)
    study.run()
    gone, torn, _ = sorted(study.dir.path.glob("runs/*/model/model.safetensors"))
    seeds = {path: index_of(study, path.parents[1].name) for path in (gone, torn)}
    shutil.rmtree(gone.parent)
    whole = torn.read_bytes()
    torn.write_bytes(whole[:100])
    study.values["probes"] = PROBES
    study.config.write_text(yaml.safe_dump(study.values, sort_keys=False))
    study.run()
    reasons = {a.seeds: a.why for a in study.summary.probes.absences if a.probe == "drift"}
    assert reasons[(seeds[gone],)].reason == "no model"
    assert reasons[(seeds[torn],)].reason == "probing failed"
    assert {row.n for row in study.summary.probes.rows if row.probe == "drift"} == {1}
    torn.write_bytes(whole)
    study.run()
    assert {row.n for row in study.summary.probes.rows if row.probe == "drift"} == {2}
