"""The sentences of `bertft diagnose`; that every finding and hint of every check has one is tested with the checks."""

from __future__ import annotations

import re

import pytest

from bertft_core.evaluation.diagnosis.findings import Diagnosis, finding, hint
from bertft_core.report.prose import diagnosis_findings, diagnosis_hints, diagnosis_text
from tests.helpers.markdown import ROOT


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            finding("conflicts", n_affected=2, n=39, n_texts=1, n_exact=1, n_across=0),
            "2 of 39 examples (5.13 %) share 1 text with an example that has another label:"
            " 1 identical, 0 up to case and punctuation; 0 in several splits",
        ),
        (
            finding("conflict", text="fine", labels=[("good", "train"), ("", "test")]),
            "“fine” is good (train), without a label (test)",
        ),
        (
            finding("split_size", split="test", n=1000, accuracy=0.808, standard_error=0.01246),
            "1,000 examples in test: an accuracy of 0.81 has a standard error of 1.2 points there",
        ),
        (
            finding("chosen", arm="full", settings=[{"name": "epochs", "value": 3}, _RATE := {"name": "lr", "value": 9.9e-4}]),
            "full: epochs 3; lr 9.9e-4",
        ),
        (
            finding("chosen", arm="full", settings=[_RATE | {"low": 1e-5, "high": 1e-3, "end": "high"}]),
            "full: lr 9.9e-4 from 1e-5 to 1e-3, at the high end",
        ),
        (
            finding("after_best", arm="full", metric="accuracy", drop=0.0, relative=False, loss_rise=2.8e-8),
            "full: accuracy on validation is 0.00 points worse at the end than at its best",
        ),
        (finding("statuses", arm="full", counts={"collapsed": 1, "diverged": 2}, n=5), "full: 1 collapsed, 2 diverged of 5"),
        (
            finding(
                "not_claimed", arm="full", baseline="features", difference=0.004, metric="accuracy", verdict="inconclusive",
                n=5, p_holm=0.213, crossed=False,
            ),
            "full and features differ by +0.40 points on average over 5 seeds: inconclusive (p = 0.21 after Holm's correction)",
        ),
    ],
)  # fmt: skip
def test_a_finding_is_a_clause(found, words):
    assert diagnosis_findings.finding(found) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (hint("set_warmup", "arms.full.warmup_ratio=0.1", arm="full"), "--set arms.full.warmup_ratio=0.1"),
        (
            hint("weight_classes", "arms.weighted={strategies: [{kind: class_weights}]}", arm="full"),
            "try class weights in an arm of its own beside full: --set 'arms.weighted={strategies: [{kind: class_weights}]}'",
        ),
        (
            hint("unusual_rate", arm="full", rate=2e-6, low=2e-5, high=5e-4),
            "2e-6 in full is lower than usual for this encoder and data size: search from 2e-5 to 5e-4",
        ),
        (
            hint("learn_more", "arms.full.epochs=30", "arms.full.learning_rate=3e-4", arm="full", n_steps=7, rate=1e-4),
            "full hardly learned in 7 steps at 1e-4: train longer (--set arms.full.epochs=30) or with a higher rate"
            " (--set arms.full.learning_rate=3e-4)",
        ),
    ],
)
def test_a_hint_is_a_clause_with_the_options_to_use(given, words):
    assert diagnosis_hints.hint(given) == words


def test_every_code_of_the_checks_has_a_clause_and_every_clause_a_code():
    folder = ROOT / "bertft_core" / "evaluation" / "diagnosis"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*_problems.py"))
    for function, clauses in (("finding", diagnosis_findings.FINDINGS), ("hint", diagnosis_hints.HINTS)):
        codes = set(re.findall(rf'\b{function}\(\s*"(\w+)"', text))
        assert len(codes) >= 20
        assert codes == clauses.keys()


def test_json_has_codes_numbers_and_sentences():
    diagnosis = Diagnosis(check="few_seeds", verdict="look", findings=(finding("scored_seeds", counts={"full": 1}),))
    values = diagnosis_text.as_json(diagnosis)
    assert values["found"] == ["full has 1 scored seed"]
    assert values["findings"][0]["values"] == {"counts": {"full": 1}}
    assert values["hint"] == []
