"""Labels that are probably wrong: which predictions say so, what a report and `bertft diagnose` make of it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from bertft_core.config.head_settings import MultiLabelHead, RegressionHead, TokenClassificationHead
from bertft_core.evaluation.label_quality.label_errors import label_errors
from bertft_core.evaluation.label_quality.out_of_sample import pooled, why_none
from bertft_core.metrics.seed_means import softmax
from bertft_core.records.not_computed import NotComputed
from bertft_core.report import label_section
from bertft_core.report.prose import labels_text
from tests.helpers.flipped_labels import FLIPPED, N, tagged, with_flips
from tests.helpers.small_records import classified, make_card, make_spec, make_study


def test_flipped_labels_are_ranked_first(tmp_path):
    found = label_errors(with_flips(tmp_path))
    assert (found.arm, found.unit, found.n_runs, found.n) == ("full", "example", 5, 2 * N)
    right = [int(suspect.example_id.split("-")[1]) in FLIPPED for suspect in found.suspects]
    assert len(right) >= 2 * len(FLIPPED) * 0.9
    assert np.mean(right[: 2 * len(FLIPPED)]) > 0.9, "precision at the number of flipped labels; by chance it is 0.05"
    margins = [suspect.margin for suspect in found.suspects]
    assert margins == sorted(margins)
    assert all(suspect.label != suspect.suggested for suspect in found.suspects)
    assert {split.split: split.n_suspects for split in found.splits} == {
        split: sum(suspect.split == split for suspect in found.suspects) for split in ("validation", "test")
    }


def test_without_wrong_labels_nothing_is_suspected(tmp_path):
    results = with_flips(tmp_path, flipped=(), sharpness=8.0)
    found = label_errors(results)
    assert found.suspects == ()
    section = label_section.section(results)
    assert section["sheets"] == {}
    assert section["sentences"] == [
        "None of the 800 labels of validation and test looks wrong by the mean probabilities of all 5 runs of full, which did"
        " not train on them (confident learning, Northcutt et al. 2021)."
    ]


def test_many_suspects_are_said_to_be_errors_of_the_model(tmp_path):
    found = label_errors(with_flips(tmp_path, flipped=tuple(range(0, N, 5)) + tuple(range(1, N, 5)), sharpness=8.0))
    assert len(found.suspects) > 0.15 * found.n
    said = labels_text.sentences(found)
    assert "are contradicted by the mean probabilities of all 5 runs of full" in said[0]
    assert said[1] == labels_text.DOUBT


def test_the_file_to_correct_has_every_suspect_and_the_table_the_first_ones(tmp_path):
    results = with_flips(tmp_path)
    found, section = label_errors(results), label_section.section(results)
    lines = list(csv.DictReader(io.StringIO(section["sheets"]["labels_to_check"])))
    assert [line["id"] for line in lines] == [suspect.example_id for suspect in found.suspects]
    assert all(int(line["row"]) == 1 + int(line["id"][-5:]) for line in lines), "the example of the file, from 1"
    assert (lines[0]["file"], lines[0]["n_runs"], lines[0]["text"]) == (f"{lines[0]['split']}.csv", "5", "")
    assert {lines[0]["label"], lines[0]["suggested_label"]} == {"negative", "positive"}
    assert float(lines[0]["margin"]) == pytest.approx(found.suspects[0].margin, abs=1e-6)
    assert len(section["rows"]) == label_section.N_SHOWN
    assert section["n_more"] == len(lines) - label_section.N_SHOWN
    assert section["sentences"][1] == labels_text.CAUTION


def test_collapsed_runs_are_left_out_and_one_run_is_not_enough(tmp_path):
    statuses = {("full", i): "collapsed" for i in range(3)}
    assert label_errors(with_flips(tmp_path / "some", statuses=statuses.items())).n_runs == 2
    statuses[("full", 3)] = "collapsed"
    found = label_errors(with_flips(tmp_path / "one", statuses=statuses.items()))
    assert (found.reason, found.arm, found.n, found.needed) == ("collapsed", "full", 1, 2)
    said = labels_text.refused(found)
    assert said.endswith("of at least 2 runs that learned something are needed, and there are 1 (4 collapsed and left out).")


def test_lost_predictions_of_a_split_leave_the_others(tmp_path):
    results = with_flips(tmp_path)
    for record in results.records.values():
        (results.run_dir_of(record.digest) / record.predictions["best"]["validation"]).unlink()
    assert [split.split for split in label_errors(results).splits] == ["test"]
    for record in results.records.values():
        (results.run_dir_of(record.digest) / record.predictions["best"]["test"]).unlink()
    assert label_errors(results) == NotComputed(reason="too few predictions", arm="full", n=0, needed=2)


def spec_of(folder, head=None):
    spec = make_spec(make_study(), make_card(folder))
    return spec if head is None else spec.model_copy(update={"head": head})


def test_heads_without_the_probability_of_one_label_are_refused(tmp_path):
    assert why_none(spec_of(tmp_path)) is None
    assert why_none(spec_of(tmp_path, TokenClassificationHead())) is None
    assert why_none(spec_of(tmp_path, TokenClassificationHead(crf=True))).reason == "crf"
    for head in (MultiLabelHead(), RegressionHead()):
        found = why_none(spec_of(tmp_path, head))
        assert (found.reason, found.detail) == ("no single label", head.kind)
        assert f"a head of kind {head.kind} does not give one label" in labels_text.refused(found)


def test_runs_of_folds_are_pooled_example_by_example(tmp_path):
    spec = spec_of(tmp_path)
    logits = {"a": [2.0, 0.0], "b": [0.0, 1.0], "c": [0.5, 0.0]}
    first = classified(["a", "b"], [0, 1], [logits["a"], logits["b"]])
    second = classified(["c", "a"], [1, 0], [logits["c"], [0.0, 0.0]])
    found = pooled([(spec, first), (spec, second)])
    assert found.example_ids == ("a", "b", "c")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.n_runs.tolist() == [2, 1, 1]
    each = softmax(np.array(list(logits.values())))
    assert found.probabilities == pytest.approx(np.stack([(each[0] + 0.5) / 2, each[1], each[2]]), abs=1e-6)
    assert found.words is None
    assert pooled([]) is None


def test_words_are_pooled_with_their_place_in_the_sentence(tmp_path):
    spec = spec_of(tmp_path, TokenClassificationHead())
    one, two = [[4.0, 0.0], [0.0, 4.0]], [[0.0, 2.0]]
    found = pooled([(spec, tagged(["s", "t"], [[0, 1], [0]], [one, two])), (spec, tagged(["t", "s"], [[0], [0, 1]], [two, one]))])
    assert [found.example_ids[row] for row in found.rows] == ["s", "s", "t"]
    assert found.words.tolist() == [0, 1, 0]
    assert found.labels.tolist() == [0, 1, 0]
    assert found.n_runs.tolist() == [2, 2, 2]
    assert found.probabilities == pytest.approx(softmax(np.array(one + two)), abs=1e-6)


def test_an_arm_without_scores_has_no_labels_to_judge(tmp_path):
    results = with_flips(tmp_path)
    without = results.summary.model_copy(
        update={"arms": tuple(a.model_copy(update={"metrics": ()}) for a in results.summary.arms)}
    )
    assert label_errors(replace(results, evaluated=without)) == NotComputed(reason="no score", detail="accuracy")
