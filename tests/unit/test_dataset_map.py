"""Dataset maps: mean and spread of the label's probability over evaluations and seeds, their regions, picture and tables."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.config.head_settings import ClassificationHead, RegressionHead, TokenClassificationHead
from bertft_core.evaluation.label_quality.dataset_map import dataset_maps, regions_of
from bertft_core.metrics import METRICS
from bertft_core.report import map_section
from bertft_core.report.prose import labels_text
from bertft_core.storage.predictions import CONFIDENCES_FILE, write_predictions
from tests.helpers.drawn_marks import svg_of
from tests.helpers.flipped_labels import N, tagged, with_flips
from tests.helpers.small_records import classified


def keep(results, values, split="validation"):
    """Give every run of `full` the same `values` [examples, evaluations], a little lower for each further seed."""
    for record in results.records.values():
        if record.spec.arm == "full":
            rows = [[value - 0.01 * record.spec.index for value in row] for row in values]
            columns = {
                "split": pa.array([split] * len(rows)),
                "example_id": pa.array([f"{split}-{i:05d}" for i in range(len(rows))]),
                "confidences": pa.array(rows, pa.list_(pa.float32())),
            }
            table = pa.table(columns).replace_schema_metadata({"steps": json.dumps({split: [1, 2, 3]})})
            write_predictions(results.run_dir_of(record.digest) / CONFIDENCES_FILE, table)


def test_means_and_spreads_are_over_all_evaluations_of_all_seeds(tmp_path):
    results = with_flips(tmp_path)
    values = [[0.9, 0.95, 0.99], [0.1, 0.5, 0.9], [0.2, 0.1, 0.05], [0.8, 0.8, 0.8]]
    keep(results, values)
    validation, test = dataset_maps(results)
    every = np.array([[value - 0.01 * seed for seed in range(5) for value in row] for row in values])
    assert (validation.split, validation.n_runs, validation.n_evaluations) == ("validation", 5, 3)
    assert validation.means == pytest.approx(every.mean(axis=1), abs=1e-6)
    assert validation.spreads == pytest.approx(every.std(axis=1), abs=1e-6)
    assert validation.regions == ("easy", "ambiguous", "hard", "easy")
    assert validation.ranked("easy") == [0, 3]
    assert labels_text.of_map(validation) == (
        "Of 4 examples of validation, 2 (50 %) easy, 1 (25 %) ambiguous and 1 (25 %) hard, over all 5 runs of full and up to 3"
        " evaluations of each."
    )
    assert (test.split, test.n_runs, test.n_evaluations, len(test.example_ids)) == ("test", 5, 1, N)
    assert labels_text.of_map(test).endswith("over all 5 runs of full at the end of training.")


def test_a_run_without_its_evaluations_leaves_the_end_of_training(tmp_path):
    results = with_flips(tmp_path)
    keep(results, [[0.5, 0.5]] * 4)
    lost = next(record for record in results.records.values() if record.spec.arm == "full")
    (results.run_dir_of(lost.digest) / CONFIDENCES_FILE).write_bytes(b"torn")
    validation = dataset_maps(results)[0]
    assert (validation.n_evaluations, len(validation.example_ids)) == (1, N)


def test_wrong_labels_are_hard_and_training_examples_are_mapped_where_they_were_predicted(tmp_path):
    results = with_flips(tmp_path, sharpness=8.0)
    keep(results, [[0.9, 0.9]] * 7, split="train")
    train, validation, _ = dataset_maps(results)
    assert (train.split, len(train.example_ids)) == ("train", 7)
    assert labels_text.of_map(train).endswith("The runs have trained on these examples.")
    hard = {validation.example_ids[i] for i in validation.ranked("hard")} | {
        validation.example_ids[i] for i in validation.ranked("ambiguous")
    }
    assert {f"validation-{20 * i + i % 2:05d}" for i in range(N // 20)} <= hard


def test_the_third_with_the_largest_spread_is_ambiguous():
    spreads = np.arange(9) / 20
    regions = regions_of(np.array([0.9, 0.1, 0.5, 0.4, 0.6, 0.7, 0.2, 0.3, 0.8]), spreads)
    assert regions == ("easy", "hard", "easy", "hard", "easy", "easy", "ambiguous", "ambiguous", "ambiguous")
    assert regions_of(np.array([0.9, 0.2, 0.8]), np.zeros(3)) == ("easy", "hard", "easy"), "without spread nothing is ambiguous"


def test_the_section_has_a_picture_of_each_split_a_short_table_and_every_example_as_csv(tmp_path):
    results = with_flips(tmp_path)
    section = map_section.section(results)
    assert list(section["pictures"]) == ["dataset_map_validation", "dataset_map_test"]
    picture = svg_of(section["pictures"]["dataset_map_test"])
    assert picture.count("<circle") == N + 3
    assert 'class="mean' not in picture
    lines = list(csv.DictReader(io.StringIO(section["sheets"]["dataset_map"])))
    assert len(lines) == 2 * N
    assert {line["region"] for line in lines} == {"easy", "ambiguous", "hard"}
    for each in section["maps"]:
        assert [row["region"] for row in each["rows"]] == ["hard"] * 5 + ["ambiguous"] * 5


def test_of_many_examples_some_are_drawn(tmp_path, monkeypatch):
    results = with_flips(tmp_path)
    monkeypatch.setattr(map_section, "MOST_POINTS", 100)
    assert svg_of(map_section.section(results)["pictures"]["dataset_map_test"]).count("<circle") <= 3 * 100 + 3


def test_the_confidence_of_a_sentence_is_the_mean_over_its_words_and_a_crf_has_none():
    given = classified(["a", "b"], [0, 1], [[0.0, 0.0], [0.0, 2.0]])
    of_classes = METRICS["classification"].confidence(given, ("x", "y"), ClassificationHead())
    assert of_classes == pytest.approx([0.5, 1 / (1 + np.exp(-2))])
    table = tagged(["s", "t"], [[0, 1], [0]], [[[0.0, 0.0], [0.0, 2.0]], [[0.0, 2.0]]])
    share = 1 / (1 + np.exp(-2))
    of_words = METRICS["token_classification"].confidence(table, ("x", "y"), TokenClassificationHead())
    assert of_words == pytest.approx([(0.5 + share) / 2, 1 - share])
    assert METRICS["token_classification"].confidence(table, ("x", "y"), TokenClassificationHead(crf=True)) is None
    assert METRICS["regression"].confidence(table, (), RegressionHead()) is None
