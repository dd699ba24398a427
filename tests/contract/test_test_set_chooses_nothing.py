"""The test set decides nothing: with other test labels and other test scores everything that is chosen stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from bertft_core.evaluation.summarize import summarize
from bertft_core.metrics import METRICS
from bertft_core.planning.run_specs import plan_runs
from bertft_core.planning.wanted_runs import planned_runs
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.ranking import best_arm, ranked_runs
from bertft_core.storage.predictions import read_predictions, write_predictions
from bertft_core.storage.retention import kept_digests
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from bertft_core.sweep.trial_rules import score_so_far, trial_outcome
from bertft_core.training.run import train_run
from tests.helpers.small_records import make_card, make_record, make_study
from tests.helpers.tiny_studies import tiny_questions, tiny_spec, tiny_study

STOPPING = {"strategies": [{"kind": "early_stopping", "patience": 2}]}
ARMS = {"full": {}, "wide": {"batch_size": 32}}
MODES = {
    "so many": {"n": 4},
    "until": {"n": 3, "until": {"half_width": 0.12, "batch": 1}, "max": 6},
    "start many": {"start": 5, "stop_at": 0.5, "keep": 2},
}


def flip(path: Path, how) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(how(row)) + "\n" for row in rows))


def flipped_label(row: dict) -> dict:
    return row | {"label": "negative" if row["label"] == "positive" else "positive"}


def no_answer(row: dict) -> dict:
    return row | {"answers": []}


def chosen_in(record: RunRecord) -> tuple:
    """Everything that is decided while a run trains and ends."""
    validated = {name: scores["validation"] for name, scores in (("final", record.final), ("best", record.best))}
    decided = (record.status, record.n_steps, record.best_step, record.best_score, record.evaluations, record.weights_sha256)
    return (*decided, validated, record.batch_order_sha256)


@pytest.mark.parametrize(
    ("make", "file", "how"),
    [(tiny_study, "texts/test.jsonl", flipped_label), (tiny_questions, "questions/test.jsonl", no_answer)],
    ids=["classification", "question answering"],
)
def test_a_run_decides_the_same_with_other_test_labels(tmp_path, monkeypatch, make, file, how):
    """Checkpoint, early stopping, status, thresholds: the null threshold of questions is fitted to the validation set alone."""
    found = {}
    for name in ("as it is", "flipped"):
        folder = tmp_path / name
        study, card = make(folder, arms={"full": STOPPING})
        if name == "flipped":
            from bertft_core.data.prepare_study_data import prepare_data

            flip(folder / file, how)
            card = prepare_data(study, home_dir=folder / "home")
        record = train_run(tiny_spec(study, card), run_dir=folder / "run")
        validation = read_predictions(folder / "run" / record.predictions["best"]["validation"])
        tuned = METRICS[study.head.kind].tune(validation, card.labels)
        found[name] = (chosen_in(record), tuned, record.best["test"], card.fingerprint)
    assert found["as it is"][:2] == found["flipped"][:2]
    assert found["as it is"][2] != found["flipped"][2], "the other labels were really there"
    assert found["as it is"][3] != found["flipped"][3]


class Finished:
    """A study with all its records, its test scores as they are or others."""

    def __init__(self, folder: Path, seeds: dict, *, other_test: bool) -> None:
        self.study, self.card, self.dir = make_study(arms=ARMS, seeds=seeds), make_card(folder), StudyDir(folder, "small")
        every = plan_runs(self.study, self.card, {}, self.study.seeds.n_at_most)
        self.records = {}
        for spec in every:
            accuracy = 0.5 + 0.07 * (spec.index * 3 % 5) + 0.02 * (spec.arm == "wide")
            record = make_record(spec, self.card, self.dir, accuracy=accuracy)
            self.records[spec.digest] = self._otherwise(record) if other_test else record
        self.planned = planned_runs(self.study, self.card, {}, self.records)

    def _otherwise(self, record: RunRecord) -> RunRecord:
        """The wrong answer where the right one was given, and the other way round, on every split but validation."""
        changed = {}
        for checkpoint in ("final", "best"):
            scores = dict(getattr(record, checkpoint))
            for split in set(scores) - {"validation"}:
                path = self.dir.run_dir(record.digest) / record.predictions[checkpoint][split]
                stored = read_predictions(path)
                place = stored.schema.get_field_index("label")
                field = stored.schema.field(place)
                other = pa.array([1 - label for label in stored.column("label").to_pylist()], field.type)
                write_predictions(path, stored.set_column(place, field, other))
                scores[split] = METRICS["classification"].compute(read_predictions(path), record.spec.labels)
            changed[checkpoint] = scores
        return record.model_copy(update=changed)

    def summary(self) -> StudySummary:
        return summarize(StudyResults(self.study, self.card, self.dir, self.records, self.planned))


@pytest.mark.parametrize("seeds", MODES.values(), ids=MODES)
def test_everything_chosen_among_runs_is_the_same_with_other_test_scores(tmp_path, seeds):
    """How many seeds, which go on, whose model is kept, the best seed, the best arm, and what a search makes of such runs."""
    plain = Finished(tmp_path / "plain", seeds, other_test=False)
    other = Finished(tmp_path / "other", seeds, other_test=True)
    assert [spec.digest for spec in plain.planned] == [spec.digest for spec in other.planned]
    assert [spec.stop_at for spec in plain.planned] == [spec.stop_at for spec in other.planned]
    ranks = [
        {arm: [record.digest for record in of] for arm, of in ranked_runs(each.study, each.planned, each.records).items()}
        for each in (plain, other)
    ]
    assert ranks[0] == ranks[1]
    assert kept_digests(plain.study, plain.planned, plain.records) == kept_digests(other.study, other.planned, other.records)
    first, second = plain.summary(), other.summary()
    assert best_arm(plain.study, first) == best_arm(other.study, second)
    assert [arm.selected.seeds if arm.selected else None for arm in first.arms] == [
        arm.selected.seeds if arm.selected else None for arm in second.arms
    ]
    if first.adaptive is not None and second.adaptive is not None:
        assert first.adaptive.interim_analyses == second.adaptive.interim_analyses
        assert len(first.adaptive.interim_analyses) > 1
    trials = [list(each.records.values())[:2] for each in (plain, other)]
    assert trial_outcome(trials[0], 2) == trial_outcome(trials[1], 2)
    assert score_so_far(trials[0]) == score_so_far(trials[1])
    assert first.model_selection == second.model_selection
    tests = [next(row.mean for row in s.arms[0].metrics if row.split == "test") for s in (first, second)]
    assert tests[0] != tests[1], "the other scores were really there"


def test_a_whole_study_has_no_choice_on_another_split(tmp_path):
    for name, seeds in MODES.items():
        found = Finished(tmp_path / name, seeds, other_test=False).summary().model_selection
        assert found is not None
        assert {choice.split for choice in found.choices} == {"validation"}
        assert {use.split for use in found.splits if use.n_choices} == {"validation"}
