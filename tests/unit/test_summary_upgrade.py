"""Summaries of version 1 held sentences: their numbers stay, reasons in words are kept as text, and both can be shown."""

import pytest

from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import StudySummary
from bertft_core.records.comparison_record import Refusal
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.prose import ensembles_text, missing_text, model_selection_text, probes_text, seed_designs_text
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from bertft_core.storage.summary_upgrade import comparison_1_to_2, summary_1_to_2
from tests.helpers.small_records import make_card, make_record, make_study

SELECTED = {"start": 3, "stop_at": 0.5, "keep": 1, "seeds": [], "best": None, "cost": 2.0, "sentence": "3 seeds started"}
OLD = {
    "version": 1,
    "floors": [{"arm": "full", "n": 2, "bitwise": True, "largest_difference": 0.0, "sd": 0.0, "sentence": "2 runs end alike"}],
    "adaptive": {
        "metric": "accuracy",
        "half_width": 0.01,
        "plan": [3, 5],
        "level": 0.97,
        "looks": [{"n": 3, "half_widths": {"full": 0.02}, "is_enough": False}],
        "ended": "not yet",
        "intervals": [],
        "sentence": "seeds are added",
    },
    "ledger": {
        "n_settings": 2,
        "n_trials": 0,
        "n_search_runs": 0,
        "n_report_runs": 6,
        "splits": [{"split": "test", "n_evaluations": 6, "n_choices": 0}],
        "choices": [{"what": "setting", "arm": "full", "split": "validation", "n_looked_at": 12, "sentence": "the best of 12"}],
        "sentences": ["test: 6 evaluations, which decided nothing"],
    },
    "probes": {
        "rows": [],
        "absences": [{"arm": "full", "probe": "drift", "reason": "its model was not kept", "seeds": [0]}],
        "findings": [{"arm": "full", "probe": "drift", "sentence": "the encoder has not moved", "is_sign": False}],
        "verdict": "No sign of forgetting was found",
    },
    "insights": {
        "variance_notes": ["full has no variance components: its runs fill no grid"],
        "agreement_notes": ["the seeds of full are not compared example by example: one seed", "nothing is stored"],
        "budgets": [{"arm": "full", "source": "seeds", "metric": "loss", "n_values": 1, "refused": "too few", "sentence": "no"}],
        "start_many": [],
    },
}  # fmt: skip


def old_summary(tmp_path) -> dict:
    """Today's summary of two arms with the parts above as version 1 wrote them."""
    study, card = make_study(), make_card(tmp_path)
    study_dir, planned = StudyDir(tmp_path, study.name), plan_runs(study, card, {})
    records = {spec.digest: make_record(spec, card, study_dir) for spec in planned}
    values = summarize(StudyResults(study, card, study_dir, records, planned)).model_dump(mode="json")
    features, full = values["arms"]
    features["ensemble"] = {"seeds": [0], "scores": {}, "sentence": "features has no ensemble: 1 of its runs ended with a score"}
    full["ensemble"] = {"seeds": [0, 1, 2], "scores": {"best/test/accuracy": 0.9}, "sentence": "the ensemble of 3 full seeds"}
    full["selected"] = SELECTED
    kept = {name: value for name, value in values.items() if name not in ("model_selection", "gains_over_majority")}
    return kept | OLD


def test_numbers_stay_and_reasons_are_kept_as_text(tmp_path):
    found = StudySummary.model_validate(summary_1_to_2(old_summary(tmp_path)))
    assert [one.n for one in found.adaptive.interim_analyses] == [3]
    assert [(choice.what, choice.n_scores) for choice in found.model_selection.choices] == [("setting", 12)]
    assert found.insights.variance_refused == (NotComputed(reason="older version", arm="full", detail="its runs fill no grid"),)
    assert [one.arm for one in found.insights.agreement_refused] == ["full", None]
    assert missing_text.why(found.insights.budgets[0].refused) == "too few"
    assert missing_text.why(found.probes.absences[0].why) == "its model was not kept"
    assert (found.floors[0].n, found.floors[0].bitwise) == (2, True)
    features, full = found.arms
    assert features.ensemble.refused.detail == "1 of its runs ended with a score"
    assert (full.ensemble.refused, full.ensemble.scores) == (None, {"best/test/accuracy": 0.9})


def test_sentences_are_written_from_what_is_left(tmp_path):
    found = StudySummary.model_validate(summary_1_to_2(old_summary(tmp_path)))
    assert ensembles_text.ensemble(found.arms[1], found) == (
        "the ensemble of 3 full seeds scores 0.900 (accuracy, test), 10.0 points above their mean of 0.800"
    )
    assert seed_designs_text.selected(found.arms[1], found).endswith("none of them has a score; the cost was 2 whole runs")
    assert "more seeds follow" in seed_designs_text.adaptive(found.adaptive, ["full"])
    assert (
        model_selection_text.choice(found.model_selection.choices[0], found) == "the best of 12 trials of the search (accuracy)"
    )
    assert probes_text.verdict(found.probes) == "No probe that could show forgetting has a result"


@pytest.mark.parametrize(
    ("text", "reason", "arms"),
    [
        ("full is not compared: its seeds were selected (many started, …), and …", "selected_seeds", ("full", None)),
        ("full is not compared: 2 of its runs ended with a score, and fewer than 3 …", "few_seeds", ("full", None)),
        ("a · full and b · full are not compared: they have other labels", "other_labels", ("a · full", "b · full")),
        ("full and feat are not compared: test holds other examples (3 against 4) of other data", "other_data", ("full", "feat")),
        ("full and feat are not compared: feat has no split 'test'", "missing_split", ("feat", "full")),
    ],
)
def test_a_refusal_in_words_keeps_its_reason(text, reason, arms):
    (found,) = comparison_1_to_2({"arms": (), "refused": [text]})["refused"]
    assert (found["reason"], (found["arm"], found["baseline"])) == (reason, arms)
    Refusal.model_validate(found)


def test_an_older_ensemble_is_set_beside_the_mean_of_its_seeds(tmp_path):
    found = StudySummary.model_validate(summary_1_to_2(old_summary(tmp_path))).arms[1]
    assert found.ensemble.mean_of_seeds == pytest.approx(0.8)
