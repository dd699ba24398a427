"""Frames of a study: runs, scores, trials and predictions, with their dtypes and missing values."""

from dataclasses import replace

import pytest

from bertft_core.config.arm_sections import DataOverrides
from bertft_core.evaluation import frames
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study, make_sweep

KEY = "best/test/accuracy"


@pytest.fixture
def results(tmp_path) -> StudyResults:
    """Two arms of three seeds: full 0 failed, full 2 is missing."""
    study, card = make_study(), make_card(tmp_path)
    study_dir = StudyDir(tmp_path, study.name)
    sweep = make_sweep(study_dir)
    planned, records = plan_runs(study, card, {"full": sweep.chosen}), {}
    for spec in planned:
        status = "failed" if (spec.arm, spec.index) == ("full", 0) else "ok"
        records[spec.digest] = make_record(
            spec, card, study_dir, accuracy=0.7 + 0.05 * spec.index, status=status, error="out, of"
        )
    del records[planned[-1].digest]
    found = StudyResults(study, card, study_dir, records, planned, {"full": sweep})
    return found.with_summary(summarize(found))


def test_every_planned_run_is_a_row_with_settings_and_scores(results):
    table = frames.runs(results)
    assert table[["arm", "index", "status"]].values.tolist() == [
        ["features", 0, "ok"],
        ["features", 1, "ok"],
        ["features", 2, "ok"],
        ["full", 0, "failed"],
        ["full", 1, "ok"],
        ["full", 2, "missing"],
    ]
    assert list(table.columns[:4]) == ["arm", "index", "status", "init_seed"]
    assert table[KEY].tolist()[:3] == [seed.scores[KEY] for seed in results.summary.arms[0].seeds]
    assert table[KEY].isna().tolist() == [False, False, False, True, False, True]
    assert table["train_seconds"].isna().tolist() == [False] * 5 + [True]
    assert {name: str(table[name].dtype) for name in ("arm", "index", "init_seed", "learning_rate", KEY)} == {
        "arm": "str",
        "index": "Int64",
        "init_seed": "Int64",
        "learning_rate": "float64",
        KEY: "float64",
    }
    planned = {(spec.arm, spec.index): spec.seeds.init for spec in results.planned}
    assert table.set_index(["arm", "index"])["init_seed"].to_dict() == planned, "53 bits, not rounded"


def test_what_arms_have_of_their_own_is_in_columns(results):
    own = results.study.arms["full"].model_copy(update={"data": DataOverrides(max_length=48)})
    study = results.study.model_copy(update={"arms": results.study.arms | {"full": own}})
    of_arms = frames.runs(replace(results, study=study)).groupby("arm")["data.max_length"].unique()
    assert of_arms.map(list).to_dict() == {"features": [results.study.data.max_length], "full": [48]}


def test_scores_have_one_row_each_and_group_to_the_means_of_the_summary(results):
    table = frames.scores(results.summary)
    assert len(table) == sum(len(seed.scores) for arm in results.summary.arms for seed in arm.seeds) > 0
    of_headline = table[(table.checkpoint == "best") & (table.split == "test") & (table.metric == "accuracy")]
    row = next(m for m in results.summary.arms[0].metrics if (m.checkpoint, m.split, m.metric) == ("best", "test", "accuracy"))
    grouped = of_headline.groupby("arm")["value"].agg(["mean", "std", "count"]).loc["features"]
    assert grouped.tolist() == pytest.approx([row.mean, row.sd, row.n])


def test_trials_are_rows_with_their_parameters(results):
    table = frames.trials(results)
    assert table[["arm", "number", "state", "is_chosen"]].values.tolist() == [
        ["full", trial.number, trial.state, trial.number == results.sweeps["full"].best_trial]
        for trial in results.sweeps["full"].trials
    ]
    assert table["score"].isna().tolist() == [trial.score is None for trial in results.sweeps["full"].trials]
    assert table["learning_rate"].tolist() == [trial.params["learning_rate"] for trial in results.sweeps["full"].trials]
    assert list(frames.trials(replace(results, sweeps={})).columns) == ["arm", "number", "state", "score", "is_chosen", "n_runs"]


def test_predictions_are_those_that_are_stored(results):
    table = frames.predictions(results)
    assert table.groupby(["arm", "index"]).size().to_dict() == {
        ("features", 0): 40,
        ("features", 1): 40,
        ("features", 2): 40,
        ("full", 1): 40,
    }
    record = results.runs_of(results.summary.arms[0].arm)[0]
    stored = read_predictions(results.run_dir_of(record.digest) / record.predictions["best"]["test"])
    first = table[(table["arm"] == "features") & (table["index"] == 0)]
    assert first["example_id"].tolist() == stored["example_id"].to_pylist()
    assert first["label"].tolist() == stored["label"].to_pylist()
    (results.run_dir_of(record.digest) / record.predictions["best"]["test"]).unlink()
    assert len(frames.predictions(results)) == 120, "of the runs that still have them"
    assert len(frames.predictions(results, split="validation", checkpoint="final")) == 160
    assert frames.predictions(results, split="nowhere").empty


def test_a_row_has_the_size_of_the_subset_that_a_search_chose(results):
    sweep = results.sweeps["full"]
    chosen = sweep.model_copy(update={"chosen": sweep.chosen | {"train_examples": 20}})
    assert set(frames.runs(replace(results, sweeps={"full": chosen}))["train_examples"].dropna()) == {20}
