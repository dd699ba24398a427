"""Labels and dataset maps of split designs: out-of-fold predictions of all runs are one test set of all examples."""

from __future__ import annotations

import csv
import io

import pytest

from bertft_core.data.prepared_split import open_split
from bertft_core.evaluation.diagnosis.diagnose_study import run_check
from bertft_core.evaluation.label_quality.dataset_map import LEAST_VALUES, dataset_maps
from bertft_core.evaluation.label_quality.label_errors import label_errors
from bertft_core.report import label_section, map_section
from bertft_core.report.prose import labels_text
from tests.helpers.drawn_studies import drawn_results

WRONG = ("train-00003", "train-00010", "train-00017")
VALIDATING = {"split": {"validation_ratio": 0.4}}
TESTED = "of 8 runs of full that predicted each of them, not having trained on it (confident learning, Northcutt et al. 2021)."


def examples_of(results, split):
    """Run → the ids of its own part."""
    return {spec.digest: set(open_split(spec.prepared_dir, split).example_ids) for spec in results.planned}


@pytest.mark.parametrize(
    "design", [{"folds": 4, "repeats": 2}, {"folds": 8}, {"bootstrap": 8}], ids=["repeats", "folds", "bootstrap"]
)
def test_every_tested_example_is_judged_once_and_flipped_ones_come_first(tmp_path, design):
    results = drawn_results(tmp_path, design, {"full": 1.0}, mislabelled=WRONG, sharpness=8.0)
    tests = list(examples_of(results, "test").values())
    every = set().union(*tests)
    assert len(every) >= 20
    assert "folds" not in design or len(every) == 24
    found = label_errors(results)
    assert [(split.split, split.n) for split in found.splits] == [("test", len(every))]
    assert {suspect.example_id for suspect in found.suspects} == set(WRONG)
    times = {name: sum(name in tested for tested in tests) for name in every}
    assert found.n_judging == (min(times.values()), max(times.values()))
    assert {suspect.example_id: suspect.n_runs for suspect in found.suspects} == {name: times[name] for name in WRONG}


def test_texts_are_those_of_the_run_s_own_split_and_the_sentences_say_who_judged(tmp_path):
    results = drawn_results(tmp_path, {"folds": 4, "repeats": 2}, {"full": 1.0}, mislabelled=WRONG, sharpness=8.0)
    in_first = set(open_split(results.card.directory, "test").example_ids)
    assert not set(WRONG) <= in_first, "so the card's own folder is not enough"
    texts = {}
    for draw in results.card.draws:
        part = open_split(draw.directory, "test")
        texts |= {name: part.texts(row)[0] for row, name in enumerate(part.example_ids)}
    section = label_section.section(results)
    lines = list(csv.DictReader(io.StringIO(section["sheets"]["labels_to_check"])))
    assert {line["id"]: line["text"] for line in lines} == {name: texts[name] for name in WRONG}
    assert {(line["split"], line["file"]) for line in lines} == {("test", results.study.data.train)}
    assert section["sentences"][0] == (
        f"3 of the 24 labels of test (12 %) are probably wrong by the mean probabilities of the 2 {TESTED}"
    )
    check = run_check("label_errors", results)
    assert check.verdict == "look"
    counted = check.findings[0].values
    assert (counted["n"], counted["of"], counted["splits"]) == (3, 24, ["test"])


def test_an_example_is_mapped_over_the_runs_that_had_it_in_a_part(tmp_path):
    results = drawn_results(
        tmp_path, {"folds": 3, "repeats": 3}, {"full": 1.0}, mislabelled=WRONG, sharpness=8.0, data=VALIDATING
    )
    validated = list(examples_of(results, "validation").values())
    validation, test = dataset_maps(results)
    assert (test.split, len(test.example_ids), test.n_runs, test.n_of_each) == ("test", 24, 9, (3, 3))
    assert set(validation.example_ids) == {
        name for name in test.example_ids if sum(name in part for part in validated) >= LEAST_VALUES
    }
    assert set(WRONG) <= {test.example_ids[i] for region in ("hard", "ambiguous") for i in test.ranked(region)}
    assert labels_text.of_map(test).endswith("over the 3 of 9 runs of full that had each of them there at the end of training.")
    lines = list(csv.DictReader(io.StringIO(map_section.section(results)["sheets"]["dataset_map"])))
    assert all(line["label"] in ("negative", "positive") for line in lines)
    assert len(lines) == 24 + len(validation.example_ids)
