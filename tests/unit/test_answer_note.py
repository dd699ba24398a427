"""The note on MLflow's pages, which are folded after its first line, and in Prefect's artifact."""

from __future__ import annotations

from bertft_core.evaluation.summarize import evaluated
from bertft_core.report.answer_note import answer_note
from bertft_core.report.formatting import escapes
from bertft_core.report.prose import study_text
from tests.helpers.evaluated_studies import make_results

LOW, HIGH = [0.6, 0.65, 0.7], [0.8, 0.75, 0.85]


def test_the_note_begins_with_the_answer_and_not_with_the_question(tmp_path):
    results = evaluated(make_results(tmp_path, {"low_rate": LOW, "high": HIGH}, description="Is *high* better?"))
    first, evidence, table, *_ = answer_note(results).split("\n\n")
    assert first == r"high is 15.0 points (accuracy, test) above low\_rate: inconclusive. *Is \*high\* better?*"
    assert evidence.splitlines() == [f"- {escapes.markdown(sentence)}" for sentence in study_text.sentences(results.summary)]
    assert table.startswith("| ")


def test_the_answer_of_a_note_about_many_arms_is_short(tmp_path):
    scores = {"low": LOW, "high": HIGH, "other": [0.7, 0.75, 0.8]}
    results = evaluated(make_results(tmp_path, scores, description=""))
    first, *_ = answer_note(results).split("\n\n")
    assert first == "0 of 2 differences from low claimed (accuracy, test)."


def test_a_note_without_a_short_answer_begins_with_the_first_sentence(monkeypatch, tmp_path):
    results = evaluated(make_results(tmp_path, {"only": [0.6, 0.65]}, description=""))
    monkeypatch.setattr("bertft_core.report.prose.study_title.answer", lambda summary: None)
    first, *others = answer_note(results).split("\n\n")
    sentences = [escapes.markdown(sentence) for sentence in study_text.sentences(results.summary)]
    assert first == sentences[0]
    assert sentences[0] not in "".join(others)
