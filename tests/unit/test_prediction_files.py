"""Prediction files: each is read once for a whole report, within a bound of memory, and again when it has changed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bertft_core.evaluation.summarize import evaluated
from bertft_core.report.study_report import write_report
from bertft_core.storage import prediction_files
from bertft_core.storage.prediction_files import PredictionFiles
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_results import StudyResults
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import classified

pytestmark = pytest.mark.usefixtures("blank_pictures")

SCORES = {"low": [0.6, 0.65, 0.7], "high": [0.8, 0.75, "collapsed"]}


@pytest.fixture
def opened(monkeypatch):
    """How often each file was read."""
    count, read = Counter(), prediction_files.read_predictions

    def counted(path):
        count[path] += 1
        return read(path)

    monkeypatch.setattr(prediction_files, "read_predictions", counted)
    return count


def fresh(results):
    """The results as a command finds them on disk."""
    return StudyResults(results.study, results.card, results.study_dir, results.records, results.planned)


def files_of(results):
    return {
        results.run_dir_of(record.digest) / name
        for record in results.records.values()
        for splits in record.predictions.values()
        for name in splits.values()
    }


def test_a_report_reads_each_prediction_file_once(tmp_path, opened):
    results = make_results(tmp_path, SCORES, ensemble=True)
    opened.clear()
    write_report(evaluated(fresh(results)))
    read = {path: n for path, n in opened.items() if path.exists()}
    assert len(read) == len(files_of(results)) == 2 * 3 * len(results.planned)
    assert set(read.values()) == {1}


def test_with_little_memory_files_are_read_again_and_the_summary_is_the_same(tmp_path, opened):
    results = make_results(tmp_path, SCORES, ensemble=True)
    opened.clear()
    short = fresh(results)
    short.predictions._room = 3_000
    summary = evaluated(short).summary
    assert max(opened.values()) > 1
    assert summary == evaluated(fresh(results)).summary


def write(path, seed, n=50):
    rng = np.random.default_rng(seed)
    write_predictions(path, classified([f"test:{i}" for i in range(n)], np.arange(n) % 2, rng.normal(size=(n, 2))))


def test_runs_share_ids_and_labels(tmp_path):
    files = PredictionFiles()
    for run in "abc":
        write(tmp_path / run / "test.parquet", ord(run))
    first, second, third = (files.read(tmp_path / run / "test.parquet") for run in "abc")
    for name in ("example_id", "label"):
        places = {table[name].chunk(0).buffers()[-1].address for table in (first, second, third)}
        assert len(places) == 1
    assert not first["logits"].equals(second["logits"])


def test_what_was_used_longest_ago_is_given_up_first(tmp_path, opened):
    paths = [tmp_path / run / "test.parquet" for run in "abcd"]
    for i, path in enumerate(paths):
        write(path, i)
    files = PredictionFiles()
    before = files._room
    for path in paths[:3]:
        files.read(path)
    files._room = 0
    files.read(paths[0])
    files.read(paths[3])  # b goes, c too where its room is needed; a was used since
    assert (opened[paths[0]], opened[paths[3]]) == (1, 1)
    assert paths[1] not in files._kept
    assert before > 0


def test_a_file_that_has_changed_is_read_again(tmp_path, opened):
    path = tmp_path / "test.parquet"
    write(path, 1)
    files = PredictionFiles()
    before = files.read(path)
    assert files.read(path) is before
    write(path, 2)
    after = files.read(path)
    assert opened[path] == 2
    assert not after["logits"].equals(before["logits"])
    path.unlink()
    with pytest.raises(FileNotFoundError):
        files.read(path)
