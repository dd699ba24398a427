"""What the probes say of stored records, curves and predictions, over seeds, and in the report."""

from __future__ import annotations

import json
import math
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.probe_texts import probes_digest
from bertft_core.evaluation.probe_measures import ProbedRun, calibration
from bertft_core.evaluation.probe_scores import JUDGES, rising_shares, rows_of, vanishing_ratios
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import Evaluation, StudySummary
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.probe_record import LayerDrift, LayerSimilarity, MaskedLMFound, MaskedLMScores, ProbeRecord
from bertft_core.report.prose import probes_text
from bertft_core.report.study_report import write_report
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import StudyDir, read_record, write_record
from bertft_core.storage.study_results import StudyResults
from tasks.tracking import mlflow_content as content
from tests.helpers.small_records import make_card, make_record, make_study

NO_MODEL = NotComputed(reason="no model")
NOT_WATCHED = NotComputed(reason="gradients not watched")
RISES = {"features": 0.0, "full": 1.2}
"""Arm → how much worse the masked-LM loss gets."""


def scores(loss: float) -> MaskedLMScores:
    return MaskedLMScores(loss=loss, perplexity=math.exp(loss), accuracy=0.5, top5_accuracy=0.75)


def found_in_model(digest: str, rise: float, probes: ProbesConfig) -> ProbeRecord:
    """Two layers; the top one holds three quarters of the rise."""
    return ProbeRecord(
        run_digest=digest,
        probes_digest=probes_digest(probes),
        masked_lm=MaskedLMFound(
            n_texts=3,
            n_masked=40,
            before=scores(3.0),
            after=scores(3.0 + rise),
            put_back=tuple(scores(3.0 + rise * share) for share in (1, 0.25, 0.1)),
        ),
        drift=(LayerDrift(where="embeddings", l2=0.1, relative_l2=0.01), LayerDrift(where="layer 0", l2=2.0, relative_l2=0.04)),
        similarity=(LayerSimilarity(where="layer 0", biased=0.9, unbiased=1 - rise / 2),),
        n_similarity_texts=40,
    )


class Probed:
    """The made-up study with probes, on disk; `change` may alter a record, `keep` says which models were looked at.

    It is evaluated when it is first asked: what a test changes, it changes before.
    """

    def __init__(self, folder: Any, change: Any = None, keep: Any = None, **probes: Any) -> None:
        self.study, self.card = make_study(probes=probes), make_card(folder)
        self.dir = StudyDir(folder, self.study.name)
        self.planned = plan_runs(self.study, self.card, {})
        self.records = {}
        for spec in self.planned:
            record = make_record(spec, self.card, self.dir)
            losses = [0.5, 0.4 + 0.1 * spec.index * (spec.arm == "full")]
            evaluations = [e.model_copy(update={"loss": loss}) for e, loss in zip(record.evaluations, losses, strict=True)]
            record = record.model_copy(update={"evaluations": tuple(evaluations)})
            self.records[spec.digest] = record if change is None else change(record)
            if keep is None or keep(spec):
                rise = RISES[spec.arm] + 0.1 * spec.index * (spec.arm == "full")
                write_record(self.dir.run_dir(spec.digest) / "probes.json", found_in_model(spec.digest, rise, self.study.probes))

    @cached_property
    def summary(self) -> StudySummary:
        return summarize(StudyResults(self.study, self.card, self.dir, self.records, self.planned))

    def row(self, arm: str, probe: str, measure: str, where: str | None = None):
        wanted = (arm, probe, measure, where)
        return next(r for r in self.summary.probes.rows if (r.arm, r.probe, r.measure, r.where) == wanted)

    def reasons(self, probe: str) -> dict[tuple[str, tuple[int, ...]], NotComputed]:
        return {(a.arm, a.seeds): a.why for a in self.summary.probes.absences if a.probe == probe}

    def signs(self, probe: str) -> dict[str, bool]:
        """Arm → whether its finding is a sign; an arm without a finding is absent."""
        return {f.arm: f.is_sign for f in self.summary.probes.findings if f.probe == probe}


def test_a_study_without_probes_has_none(tmp_path):
    probed = Probed(tmp_path)
    probed.study = make_study()
    assert probed.summary.probes is None


def test_each_number_has_its_spread_over_seeds(tmp_path):
    row = Probed(tmp_path).row("full", "masked_lm", "loss_rise")
    assert row.values == pytest.approx({0: 1.2, 1: 1.3, 2: 1.4})
    assert (row.n, row.mean, row.sd, row.min, row.max) == pytest.approx((3, 1.3, 0.1, 1.2, 1.4))


def test_a_rise_of_the_masked_lm_loss_is_a_sign(tmp_path):
    assert Probed(tmp_path).signs("masked_lm") == {"features": False, "full": True}


def test_the_signs_come_first(tmp_path):
    found = [finding.is_sign for finding in Probed(tmp_path).summary.probes.findings]
    assert found == sorted(found, reverse=True)
    assert {True, False} == set(found)


def test_states_with_little_in_common_are_a_sign(tmp_path):
    probed = Probed(tmp_path)
    assert probed.signs("similarity") == {"features": False, "full": True}
    assert probed.row("full", "similarity", "cka_unbiased", "layer 0").mean == pytest.approx(0.35)


def test_a_missing_model_is_listed_seed_by_seed_and_is_no_error(tmp_path):
    probed = Probed(tmp_path, keep=lambda spec: (spec.arm, spec.index) == ("full", 1))
    assert probed.reasons("drift") == {("features", (0, 1, 2)): NO_MODEL, ("full", (0, 2)): NO_MODEL}
    assert probed.row("full", "drift", "l2", "layer 0").values == {1: 2.0}
    assert probed.row("full", "drift", "l2", "layer 0").sd is None


def test_what_other_settings_found_is_not_taken_for_an_answer(tmp_path):
    probed = Probed(tmp_path)
    probed.study = make_study(probes={"similarity": {"n_texts": 5}})
    assert set(probed.reasons("drift").values()) == {NO_MODEL}


def test_a_probe_that_failed_says_why(tmp_path):
    probed = Probed(tmp_path)
    path = next(probed.dir.path.glob("runs/*/probes.json"))
    write_record(path, read_record(path, ProbeRecord).model_copy(update={"error": "out of memory"}))
    assert NotComputed(reason="probing failed", detail="out of memory") in probed.reasons("masked_lm").values()


def test_the_validation_loss_that_rises_after_its_minimum(tmp_path):
    probed = Probed(tmp_path)
    assert probed.row("full", "overfitting", "rise").values == pytest.approx({0: 0.0, 1: 0.0, 2: 0.1})
    assert probed.row("full", "overfitting", "minimum").values == pytest.approx({0: 0.4, 1: 0.5, 2: 0.5})
    assert probed.row("full", "overfitting", "minimum_epoch").values == {0: 2.0, 1: 1.0, 2: 1.0}
    assert probed.signs("overfitting") == {"full": True}
    assert rising_shares(rows_of(probed.summary.probes.rows, "full", "overfitting")) == pytest.approx({2: 0.2})
    words = probes_text.DESCRIBE["overfitting"]("full", rows_of(probed.summary.probes.rows, "full", "overfitting"), "accuracy")
    assert words.endswith("in 1 of 3 seeds, by 20 % on average, from epoch 1 on: it overfits"), "the epoch of the rising seed"


def test_a_loss_that_was_recorded_once_cannot_rise(tmp_path):
    once = (Evaluation(step=1, epoch=1.0, metrics={"accuracy": 0.5}, loss=0.5),)
    probed = Probed(tmp_path, change=lambda record: record.model_copy(update={"evaluations": once}))
    assert set(probed.reasons("overfitting").values()) == {NotComputed(reason="too few losses", needed=2)}


def watch(probed: Probed, arm: str, layers: dict[str, float], n_steps: int) -> None:
    """As if the first steps of the arm's runs had recorded these gradient norms, twice as large from step to step."""
    for spec in probed.planned:
        if spec.arm == arm:
            path = probed.dir.run_dir(spec.digest) / "curves.jsonl"
            events = [json.loads(line) for line in path.read_text().splitlines()]
            for event in events:
                if event["kind"] == "step" and event["step"] <= n_steps:
                    event["layers"] = {where: norm * 2 ** (event["step"] - 1) for where, norm in layers.items()}
            path.write_text("".join(json.dumps(event) + "\n" for event in events) + '{"kind": "st')


def test_gradient_norms_are_means_over_the_watched_steps_and_vanish_on_the_way_down(tmp_path):
    probed = Probed(tmp_path, gradients={"steps": 2})
    watch(probed, "full", {"embeddings": 0.001, "layer 0": 0.01, "layer 10": 4.0, "layer 9": 1.0, "head": 8.0}, 3)
    assert probed.row("full", "gradients", "norm", "layer 10").mean == pytest.approx(6.0)
    assert probed.row("full", "gradients", "lowest_over_top").mean == pytest.approx(0.0025)
    assert probed.signs("gradients") == {"full": True}
    assert vanishing_ratios(rows_of(probed.summary.probes.rows, "full", "gradients")) == pytest.approx([0.0025] * 3)
    assert set(probed.reasons("gradients").values()) == {NOT_WATCHED}, "of the other arm"


def test_a_frozen_encoder_has_no_lowest_layer_to_compare(tmp_path):
    probed = Probed(tmp_path)
    watch(probed, "features", {"head": 1.0}, 3)
    reasons = probed.reasons("gradients")
    assert reasons["features", (0, 1, 2)] == NotComputed(reason="too few layers", needed=2)
    assert "features" not in probed.signs("gradients")


def test_calibration_is_that_of_the_stored_predictions(tmp_path):
    probed = Probed(tmp_path)
    run = next(r for r in probed.records.values() if (r.spec.arm, r.spec.index) == ("full", 1))
    assert probed.row("full", "calibration", "ece", "test").values[1] == pytest.approx(run.best["test"]["ece"])
    assert probed.row("full", "calibration", "nll", "test").values[1] == pytest.approx(run.best["test"]["log_loss"])
    assert probed.row("full", "calibration", "ece", "other_domain").n == 3
    stored = read_predictions(probed.dir.run_dir(run.digest) / run.predictions["best"]["test"])
    logits = np.array(stored["logits"].to_pylist())
    temperature = probed.row("full", "calibration", "temperature").values[1]
    scaled = np.exp(logits / temperature)
    right = scaled[np.arange(len(logits)), stored["label"].to_numpy()] / scaled.sum(axis=1)
    assert probed.row("full", "calibration", "nll_scaled", "test").values[1] == pytest.approx(-np.log(right).mean())
    assert probed.signs("calibration") == {"features": False, "full": False}


def test_a_temperature_is_not_judged_on_the_examples_it_was_fitted_to(tmp_path):
    probed = Probed(tmp_path)
    probed.study = make_study(probes={}, headline={"split": "validation"})
    measures = {(r.measure, r.where) for r in probed.summary.probes.rows if r.probe == "calibration"}
    assert ("ece", "validation") in measures
    assert ("ece_scaled", "validation") not in measures
    assert ("ece_scaled", "other_domain") in measures


def test_a_temperature_alone_says_nothing_of_how_sure_a_model_is(tmp_path):
    probed = Probed(tmp_path)
    rows = [row for row in probed.summary.probes.rows if (row.probe, row.measure) == ("calibration", "temperature")]
    assert rows
    assert JUDGES["calibration"](rows_of(rows, "full", "calibration")) is None


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("log_loss", -1)])
def test_the_drop_out_of_the_domain_is_above_zero_where_it_is_worse(tmp_path, metric, sign):
    probed = Probed(tmp_path)
    probed.study = make_study(probes={}, metric=metric)
    values = probed.row("full", "out_of_domain", "drop", "other_domain").values
    for record in (r for r in probed.records.values() if r.spec.arm == "full"):
        gap = record.best["test"][metric] - record.best["other_domain"][metric]
        assert values[record.spec.index] == pytest.approx(sign * gap)


def test_other_heads_say_that_they_give_no_probabilities(tmp_path):
    probed = Probed(tmp_path)
    probed.study = probed.study.model_copy(update={"head": type("Head", (), {"kind": "regression"})()})
    record = next(iter(probed.records.values()))
    run = ProbedRun(StudyResults(probed.study, probed.card, probed.dir, {}), record, None, "test", ("validation", "test"), {})
    assert calibration(run).missing == [NotComputed(reason="no probabilities", detail="regression")]


def test_the_report_has_a_picture_for_each_probe_and_every_number(tmp_path):
    probed = Probed(tmp_path)
    watch(probed, "full", {"layer 0": 0.5, "layer 1": 1.0, "head": 2.0}, 3)
    path = write_report(
        StudyResults(probed.study, probed.card, probed.dir, probed.records, probed.planned, evaluated=probed.summary)
    )
    page = path.read_text(encoding="utf-8")
    section = page[page.index('<details class="part" id="probes">') :]
    section = section[: section.index('<details class="part"', 1)]
    labels = ("masked-LM loss, nats by top layers reset", "relative L2 drift by layer", "unbiased CKA by layer")
    labels += ("gradient norm by layer", "ECE on test", "drop of accuracy on other_domain", "validation loss over epoch")
    for label in labels:
        assert f'aria-label="{label}' in section, label
    assert "before fine-tuning" in section
    assert "it has forgotten some language modelling" in section
    assert section.count('<td class="n strong">') == len(probed.summary.probes.rows) > 60
    assert '<a href="#probes">' in page


def test_mlflow_is_given_run_by_run_and_over_seeds(tmp_path):
    probed = Probed(tmp_path)
    summary = probed.summary
    of_runs = content.probe_run_metrics(summary, every=True)
    digest = next(spec.digest for spec in probed.planned if (spec.arm, spec.index) == ("full", 2))
    assert set(of_runs) == {spec.digest for spec in probed.planned}
    assert of_runs[digest]["probe/masked_lm/loss_rise"] == pytest.approx(1.4)
    assert of_runs[digest]["probe/drift/l2/layer 0"] == 2.0
    over_seeds = content.probe_summary_metrics(summary)
    assert over_seeds["summary/full/probe/masked_lm/loss_rise/mean"] == pytest.approx(1.3)
    assert over_seeds["summary/full/probe/masked_lm/loss_rise/n"] == 3
    assert not content.probe_run_metrics(summary.model_copy(update={"probes": None}), every=True)


def test_mlflow_is_given_few_numbers_of_a_run_unless_all_are_asked_for(tmp_path):
    """Sixty a run is the most; the scores and curves of a study with a set out of domain are 53."""
    summary = Probed(tmp_path).summary
    few, every = content.probe_run_metrics(summary), content.probe_run_metrics(summary, every=True)
    assert few.keys() == every.keys()
    for digest, numbers in few.items():
        assert numbers.items() < every[digest].items()
        found = {"probe/masked_lm/loss_rise", "probe/overfitting/rise", "probe/calibration/temperature"}
        assert numbers.keys() == found & every[digest].keys() >= {"probe/overfitting/rise"}
