"""The checks of `bertft diagnose`: each one fires on the fault that it is for, and is silent without it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from bertft_core.config import UserError
from bertft_core.config.search_space import Choices, Range
from bertft_core.data.prepared_split import open_split
from bertft_core.evaluation.diagnosis.data_views import for_arms
from bertft_core.evaluation.diagnosis.diagnose_study import CHECKS, diagnose, run_check
from bertft_core.evaluation.diagnosis.findings import VERDICTS, Diagnosis, DiagnosisFinding, finding, hint
from bertft_core.evaluation.diagnosis.hint_overrides import accepted, train_longer
from bertft_core.evaluation.diagnosis.label_conflicts import find_conflicts
from bertft_core.evaluation.diagnosis.learning_problems import end_of, loss_fall
from bertft_core.evaluation.diagnosis.stored_study import losses_of
from bertft_core.records import DataFinding
from bertft_core.report.prose import comparison_text, diagnosis_findings, diagnosis_hints, diagnosis_text
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from flows.cli.show_commands import diagnose_command
from tests.helpers.diagnosed_studies import ARMS, GOOD, LARGE, SCORES, whole, with_arm, with_card, write_losses
from tests.helpers.flipped_labels import FLIPPED, N, with_flips
from tests.helpers.small_records import make_study, make_sweep
from tests.helpers.tiny_studies import tiny_study, tiny_tagged_study


def check(name: str, results: StudyResults) -> Diagnosis:
    diagnosis = run_check(name, results)
    assert diagnosis is not None
    assert diagnosis.check == name
    assert diagnosis.findings
    assert bool(diagnosis.hints) is (diagnosis.verdict != "ok"), "what is wrong comes with what to do"
    assert all(map(diagnosis_findings.finding, diagnosis.findings))
    assert all(map(diagnosis_hints.hint, diagnosis.hints))
    return diagnosis


def found(diagnosis: Diagnosis, code: str, arm: str | None = None) -> list[DiagnosisFinding]:
    """The findings with this code, of one arm where it is given."""
    return [each for each in diagnosis.findings if each.code == code and arm in (None, each.arm)]


def overrides(diagnosis: Diagnosis) -> list[str]:
    return [override for each in diagnosis.hints for override in each.overrides]


def test_a_study_with_nothing_wrong_is_said_to_have_nothing(tmp_path):
    diagnoses = diagnose(whole(tmp_path))
    assert {d.check: d.verdict for d in diagnoses if d.verdict != "ok"} == {}
    assert len(diagnoses) >= 12
    assert diagnosis_text.describe("small", diagnoses).startswith(f"small: nothing stands out in {len(diagnoses)} checks")


def test_the_worst_is_first_and_otherwise_the_order_is_that_of_the_table(tmp_path):
    diagnoses = diagnose(with_card(whole(tmp_path, accuracies={"features": [0.6], "full": [0.8]}), truncated_ratio=0.1))
    verdicts = [each.verdict for each in diagnoses]
    assert verdicts == sorted(verdicts, key=VERDICTS.index)
    assert verdicts[0] == "problem"
    assert "look" in verdicts
    order = list(CHECKS)
    for verdict in VERDICTS:
        places = [order.index(each.check) for each in diagnoses if each.verdict == verdict]
        assert places == sorted(places)
    text = diagnosis_text.describe("small", diagnoses)
    assert "PROBLEM  few_seeds" in text
    assert "LOOK     truncation" in text
    assert max(map(len, text.splitlines())) <= 130


# Data


@pytest.mark.parametrize(
    ("kind", "split", "count", "verdict"),
    [
        ("overlap", "test", 11, "problem"),
        ("overlap", "test", 10, "look"),
        ("duplicates", "train", 500, "look"),
        ("very_short", "test", 1, "look"),
    ],
)
def test_findings_of_the_card_are_data_quality(tmp_path, kind, split, count, verdict):
    of_card = DataFinding(check=kind, split=split, count=count, names=("train",), examples=("test.csv:3: hello",))
    diagnosis = run_check("data_quality", with_card(whole(tmp_path), findings=(of_card,)))
    assert diagnosis.verdict == verdict
    assert [each.data for each in diagnosis.findings] == [of_card]
    repeated = [each.split for each in diagnosis.hints if each.code == "remove_duplicates"]
    assert repeated == ([split] if kind in ("overlap", "duplicates") else [])


def test_what_has_a_check_of_its_own_is_no_data_quality(tmp_path):
    findings = tuple(DataFinding(check=kind, split="train", count=9) for kind in ("truncated", "class_balance", "unknown_tokens"))
    assert check("data_quality", with_card(whole(tmp_path), findings=findings)).verdict == "ok"


@pytest.mark.parametrize(("share", "verdict"), [(0.05, "ok"), (0.06, "look"), (0.2, "look"), (0.21, "problem")])
def test_cut_ends(tmp_path, share, verdict):
    diagnosis = check("truncation", with_card(whole(tmp_path), truncated_ratio=share))
    assert diagnosis.verdict == verdict
    assert diagnosis.findings[0].values["shares"]["train"] == share


def test_inputs_in_windows_are_not_said_to_be_short(tmp_path):
    for n_windows, said in (
        (5000, "are read in 7,000 windows of at most 32 tokens"),
        (None, "no input longer than max_length 32"),
    ):
        results = whole(tmp_path / str(n_windows))
        for split in results.card.splits:
            results = with_card(results, split, truncated_ratio=0.0, **({"n_windows": n_windows} if split == "train" else {}))
        (found_there,) = check("truncation", results).findings
        assert said in diagnosis_findings.finding(found_there)


@pytest.mark.parametrize(("share", "verdict"), [(0.01, "ok"), (0.02, "look"), (0.06, "problem")])
def test_foreign_words(tmp_path, share, verdict):
    assert check("domain_mismatch", with_card(whole(tmp_path), "test", unknown_token_ratio=share)).verdict == verdict


OTHER_ENCODER = {"encoder": {"checkpoint": "google-bert/bert-base-uncased"}}
LONGER = {"data": {"max_length": 64, "subsample": {"train": 90}}}


@pytest.mark.parametrize(
    ("name", "settings", "fault", "given"),
    [
        ("truncation", LONGER, {"truncated_ratio": 0.3}, "arms.own.data.max_length=128"),
        ("truncation", OTHER_ENCODER, {"truncated_ratio": 0.3}, "arms.own.data.max_length=256"),
        ("domain_mismatch", OTHER_ENCODER, {"unknown_token_ratio": 0.1}, "arms.own.encoder={checkpoint: NAME}"),
        (
            "imbalance", LONGER, {"label_counts": {"negative": 90, "positive": 3}},
            "arms.weighted={strategies: [{kind: class_weights}]}",
        ),
    ],
)  # fmt: skip
def test_an_arm_with_data_of_its_own_is_judged_by_them_and_named(tmp_path, name, settings, fault, given):
    results = with_arm(tmp_path, settings, **fault)
    diagnosis = check(name, results)
    assert diagnosis.verdict != "ok"
    assert [each.values.get("arms") for each in diagnosis.findings] == [("features", "full"), ("own",)]
    assert given in overrides(diagnosis)
    assert accepted(results.study, given)
    assert diagnosis_findings.finding(diagnosis.findings[1]).startswith("own: ")
    alone = check(name, with_arm(tmp_path, settings))
    assert alone.verdict == "ok", "an arm in whose data nothing is wrong is no line more"
    assert len(alone.findings) == 1


def test_a_finding_of_one_arms_data_names_the_arm_and_one_of_all_does_not(tmp_path):
    shared, own = (DataFinding(check=kind, split="test", count=9, names=("train",)) for kind in ("overlap", "very_short"))
    results = with_arm(tmp_path, LONGER, findings=(shared, own))
    results = replace(results, card=results.card.model_copy(update={"findings": (shared,)}))
    diagnosis = check_quality(results)
    assert [(each.data, each.values) for each in diagnosis.findings] == [(shared, {}), (own, {"arms": ("own",)})]


def check_quality(results: StudyResults) -> Diagnosis:
    diagnosis = run_check("data_quality", results)
    assert diagnosis is not None
    return diagnosis


@pytest.mark.parametrize(
    ("arms", "of", "given"),
    [
        ({"a": {}, "b": {"head": {"init": "checkpoint"}}}, ("a", "b"), ("data.max_length=8",)),
        ({"a": {}, "b": {"data": {"max_length": 128}}}, ("a", "b"), ("data.max_length=8", "arms.b.data.max_length=8")),
        ({"a": {}, "b": {"data": {"max_length": 64}}}, ("b",), ("arms.b.data.max_length=8",)),
        ({"a": {"data": {"max_length": 64}}}, ("a",), ("arms.a.data.max_length=8",)),
    ],
)
def test_a_setting_is_changed_where_the_arms_read_it(arms, of, given):
    assert for_arms(make_study(arms=arms), of, "data.max_length=8") == given


@pytest.mark.parametrize(("rare", "verdict"), [(500, "ok"), (499, "look")])
def test_unequal_classes(tmp_path, rare, verdict):
    diagnosis = check("imbalance", with_card(whole(tmp_path), label_counts={"negative": 1500, "positive": rare}))
    assert diagnosis.verdict == verdict
    assert (diagnosis.findings[0].values["n_largest"], diagnosis.findings[0].values["n_smallest"]) == (1500, rare)


def test_unequal_classes_that_are_weighed_already_are_no_matter(tmp_path):
    results = whole(tmp_path, arms=ARMS | {"full": {"learning_rate": 1e-4, "strategies": [{"kind": "class_weights"}]}})
    assert check("imbalance", with_card(results, label_counts={"negative": 1900, "positive": 100})).verdict == "ok"


def test_a_class_that_is_never_found_is_a_problem(tmp_path):
    results = whole(tmp_path)
    arms = []
    for arm in results.summary.arms:
        rows = tuple(row.model_copy(update={"mean": 0.02}) if row.metric == "recall/positive" else row for row in arm.metrics)
        arms.append(arm.model_copy(update={"metrics": rows}))
    diagnosis = check("imbalance", results.with_summary(results.summary.model_copy(update={"arms": tuple(arms)})))
    assert diagnosis.verdict == "problem"
    assert finding("missed_classes", arm="full", recalls={"positive": 0.02}) in diagnosis.findings


@pytest.mark.parametrize(("n", "verdict"), [(200, "ok"), (199, "look"), (50, "look"), (49, "problem")])
def test_small_sets(tmp_path, n, verdict):
    assert check("small_sets", whole(tmp_path, sizes=LARGE | {"validation": n})).verdict == verdict


def test_the_test_parts_of_folds_are_all_examples_together(tmp_path):
    results = whole(tmp_path, sizes=LARGE | {"test": 40})
    folds = replace(results, card=results.card.model_copy(update={"n_drawn_from": 200}))
    (of_test,) = [each for each in check("small_sets", folds).findings if each.split == "test"]
    assert of_test.values["n"] == 200


def test_an_accuracy_comes_with_its_standard_error(tmp_path):
    """√(0.808 · 0.192 / 1000) = 1.2 points."""
    (of_test,) = [each for each in check("small_sets", whole(tmp_path)).findings if each.split == "test"]
    assert of_test.values == {"n": 1000, "accuracy": pytest.approx(0.808), "standard_error": pytest.approx(0.01246, abs=1e-5)}


@pytest.mark.parametrize("n", [15, 1000])
def test_where_all_answers_are_right_the_bound_of_the_accuracy_is_given(tmp_path, n):
    """15 of 15 leave 0.82 possible."""
    perfect = whole(tmp_path, sizes=LARGE | {"test": n}, accuracies={"features": [1.0], "full": [1.0]})
    (of_test,) = [each for each in check("small_sets", perfect).findings if each.split == "test"]
    bound = binomtest(n, n, alternative="greater").proportion_ci(0.95).low
    assert of_test.values == {"n": n, "accuracy": 1.0, "lowest": pytest.approx(bound)}


# Labels


def rows(*pairs):
    return [{"text": text, "label": label} for text, label in pairs]


def conflicts_of(tmp_path, train):
    """Conflicts of the tiny study with other training rows."""
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in train))
    study, card = tiny_study(tmp_path / "study", data={"train": str(path)})
    return find_conflicts({name: open_split(card.directory, name) for name in card.splits}, study.head.kind)


def test_the_same_text_with_another_label_is_found_also_across_splits_and_without_punctuation(tmp_path):
    train = rows(
        ("Good film!", "positive"),
        ("good  film", "negative"),
        ("never good", "positive"),
        ("bad", "negative"),
        ("bad", "negative"),
    )
    conflicts = conflicts_of(tmp_path, train)
    assert sorted(conflict.members[0].texts[0] for conflict in conflicts) == ["Good film!", "never good"]
    across = next(conflict for conflict in conflicts if conflict.members[0].texts == ("never good",))
    assert across.across_splits
    assert across.is_exact
    assert [(member.split, member.target) for member in across.members] == [("train", 1), ("test", 0)]
    assert not next(conflict for conflict in conflicts if conflict is not across).is_exact


def test_numbers_of_one_text_may_differ_a_little(tmp_path):
    train = rows(("a", 1.0), ("b", 5.0), ("c", 3.0), ("same", 3.0), ("same", 3.5), ("torn", 1.0), ("torn", 5.0))
    assert [conflict.members[0].texts[0] for conflict in _regression(tmp_path, train)] == ["torn"]


def _regression(tmp_path, train):
    for split, part in {"train": train, "validation": rows(("x", 1.0), ("y", 2.0))}.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    data = {"train": str(tmp_path / "train.jsonl"), "validation": str(tmp_path / "validation.jsonl"), "test": None}
    study, card = tiny_study(tmp_path / "study", head="regression", data=data)
    return find_conflicts({name: open_split(card.directory, name) for name in card.splits}, study.head.kind)


@pytest.mark.parametrize("make", [lambda d: tiny_study(d, head="multi_label"), tiny_tagged_study])
def test_consistent_labels_have_no_conflicts_for_other_heads_either(tmp_path, make):
    study, card = make(tmp_path)
    assert find_conflicts({name: open_split(card.directory, name) for name in card.splits}, study.head.kind) == []


@pytest.mark.parametrize("head", ["question_answering", "masked_lm"])
def test_heads_without_one_right_answer_have_no_such_check(tmp_path, head):
    results = whole(tmp_path)
    assert run_check("label_conflicts", replace(results, study=results.study.model_copy(update={"head": _Head(head)}))) is None


class _Head:
    def __init__(self, kind):
        self.kind = kind


def test_the_check_tells_how_many_conflict_and_shows_some(tmp_path):
    path = tmp_path / "train.jsonl"
    train = rows(*[(f"text {i}", "negative" if i % 2 else "positive") for i in range(20)], ("text 0", "negative"))
    path.write_text("".join(json.dumps(row) + "\n" for row in train))
    study, card = tiny_study(tmp_path / "study", data={"train": str(path)})
    results = replace(whole(tmp_path), study=study, card=card)
    diagnosis = check("label_conflicts", results)
    assert diagnosis.verdict == "problem"
    counts, shown = diagnosis.findings
    assert counts.values == {"n_affected": 2, "n": 39, "n_texts": 1, "n_exact": 1, "n_across": 0}
    assert shown.values == {"text": "text 0", "labels": [("positive", "train"), ("negative", "train")]}


@pytest.mark.parametrize(("flipped", "verdict"), [((), "ok"), (FLIPPED, "look")])
def test_labels_that_the_seeds_contradict(tmp_path, flipped, verdict):
    results = with_flips(tmp_path, flipped=flipped, sharpness=8.0)
    diagnosis = check("label_errors", results)
    assert diagnosis.verdict == verdict
    assert diagnosis.findings[0].values == {"n": 2 * len(flipped), "of": 2 * N, "splits": ["validation", "test"]}
    assert len(found(diagnosis, "suspect_label")) == (3 if flipped else 0)
    said = [diagnosis_findings.finding(each) for each in diagnosis.findings]
    if flipped:
        assert said[0] == "40 of the 800 labels of validation and test (5 %) look wrong, by what the runs of full predict"
        assert re.fullmatch(r"\w+-\d+ \(\w+\) is labelled \w+, and \w+ has a probability of [01].\d\d", said[1])
    else:
        assert said == ["none of the 800 labels of validation and test looks wrong, by what the runs of full predict"]


def test_a_model_that_contradicts_many_labels_judges_none(tmp_path):
    diagnosis = check("label_errors", with_flips(tmp_path, flipped=tuple(range(0, N, 5)) + tuple(range(1, N, 5)), sharpness=8.0))
    (only,) = diagnosis.findings
    assert (diagnosis.verdict, only.code) == ("ok", "labels_not_judged")
    assert diagnosis_findings.finding(only).startswith("labels cannot be judged: the runs of full contradict ")


# Learning


@pytest.mark.parametrize(
    ("part", "value", "end"),
    [
        (Range(low=1e-5, high=1e-3, log=True), 1.5e-5, "low"),
        (Range(low=1e-5, high=1e-3, log=True), 1e-4, None),
        (Range(low=1e-5, high=1e-3, log=True), 9e-4, "high"),
        (Range(low=0, high=1), 0.95, "high"),
        (Range(low=0, high=1), 0.85, None),
        (Choices(choices=(8, 16, 32)), 32, "high"),
        (Choices(choices=(8, 16, 32)), 16, None),
        (Choices(choices=(8, 16)), 16, None),
    ],
)
def test_the_end_of_a_range_is_a_tenth_of_it_in_its_own_scale(part, value, end):
    assert end_of(part, value) == end


@pytest.mark.parametrize(("rate", "verdict"), [(1e-4, "ok"), (9.9e-4, "look")])
def test_a_chosen_rate_at_the_end_of_its_range(tmp_path, rate, verdict):
    search = {"space": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}, "n_trials": 3}
    asked = {"arms": ARMS | {"full": {"search": search}}}
    sweep = make_sweep(StudyDir(tmp_path, "small")).model_copy(update={"chosen": {"learning_rate": rate}})
    diagnosis = check("learning_rate", whole(tmp_path, sweeps={"full": sweep}, **asked))
    assert diagnosis.verdict == verdict
    if verdict == "look":
        assert overrides(diagnosis) == ["arms.full.search.space.learning_rate.high=3e-3"]


@pytest.mark.parametrize("rate", [2e-6, 2e-3])
def test_a_rate_that_is_unusual_for_the_encoder(tmp_path, rate):
    diagnosis = check("learning_rate", whole(tmp_path, arms=ARMS | {"full": {"learning_rate": rate}}))
    assert diagnosis.verdict == "look"
    assert hint("unusual_rate", arm="full", rate=rate, low=2e-5, high=5e-4) in diagnosis.hints


def test_a_score_that_still_rises_is_under_training(tmp_path):
    rising = check("under_training", whole(tmp_path, curve=[0.5, 0.55, 0.6, 0.65, 0.71]))
    assert rising.verdict == "problem"
    assert found(rising, "last_steps", "full")[0].values["gain"] == pytest.approx(0.06)
    assert "arms.full.epochs=4" in overrides(rising)
    slowly = check("under_training", whole(tmp_path, curve=[0.5, 0.6, 0.7, 0.78, 0.80]))
    assert slowly.verdict == "look"


@pytest.mark.parametrize(("n", "verdict"), [(29, "problem"), (30, "look"), (99, "look"), (100, "ok")])
def test_few_steps_are_under_training(tmp_path, n, verdict):
    run = {"n_steps": n, "planned_steps": n}
    assert check("under_training", whole(tmp_path, run=run)).verdict == verdict


def test_a_loss_that_still_falls_is_seen(tmp_path):
    assert loss_fall([1.0] * 40 + [0.5] * 10) == pytest.approx(0.5)
    assert loss_fall([1.0] * 9) is None
    results = replace(whole(tmp_path), study_dir=StudyDir(tmp_path, "small"))
    for record in results.records.values():
        write_losses(results.run_dir_of(record.digest), [2.0 - 0.04 * i for i in range(50)])
    assert losses_of(results, record)[:2] == [2.0, 1.96]
    assert check("under_training", results).verdict == "look"


def test_twice_as_long_or_up_to_a_hundred_steps(tmp_path):
    assert train_longer(whole(tmp_path), "full") == "arms.full.epochs=4"
    assert train_longer(whole(tmp_path, run={"planned_steps": 10}), "full") == "arms.full.epochs=20"
    assert train_longer(whole(tmp_path, training={"max_steps": 200}), "full") == "arms.full.max_steps=400"


@pytest.mark.parametrize(
    ("curve", "losses", "verdict"),
    [
        ([0.7, 0.8, 0.8, 0.79, 0.79], None, "ok"),
        ([0.7, 0.8, 0.8, 0.79, 0.77], None, "look"),
        ([0.7, 0.8, 0.8, 0.77, 0.74], None, "problem"),
        (SCORES, [0.5, 0.4, 0.4, 0.42, 0.43], "ok"),
        (SCORES, [0.5, 0.4, 0.5, 0.6, 0.8], "look"),
    ],
)
def test_a_score_that_falls_or_a_loss_that_rises_after_its_best_is_over_fitting(tmp_path, curve, losses, verdict):
    assert check("over_fitting", whole(tmp_path, curve=curve, losses=losses)).verdict == verdict


def test_runs_that_collapsed_are_not_said_to_over_fit(tmp_path):
    results = whole(tmp_path, curve=[0.7, 0.8, 0.8, 0.77, 0.74], run={"status": "collapsed"})
    assert run_check("over_fitting", results) is None


def test_one_evaluation_cannot_show_over_fitting(tmp_path):
    assert check("over_fitting", whole(tmp_path, curve=[0.8])).findings == (finding("validated_once"),)


@pytest.mark.parametrize(("n_steps", "verdict"), [(200, "ok"), (70, "ok"), (60, "problem")])
def test_early_stopping_before_a_third_of_the_steps(tmp_path, n_steps, verdict):
    arms = ARMS | {"full": {"learning_rate": 1e-4, "strategies": [{"kind": "early_stopping", "patience": 2}]}}
    diagnosis = check("early_stopping", whole(tmp_path, arms=arms, run={"n_steps": n_steps}))
    assert diagnosis.verdict == verdict
    numbers = diagnosis.findings[0].values
    assert (numbers["n_stopped"], numbers["n_runs"], numbers["patience"]) == (0 if n_steps == 200 else 5, 5, 2)
    assert verdict == "ok" or diagnosis.hints == (hint("more_patience", arm="full", patience=4),)


def test_without_early_stopping_there_is_no_such_check(tmp_path):
    assert run_check("early_stopping", whole(tmp_path)) is None


@pytest.mark.parametrize(
    ("ratio", "broken", "verdict"), [(0.1, True, "ok"), (0.0, False, "look"), (0.0, True, "problem"), (0.6, False, "look")]
)
def test_no_warm_up_or_too_much(tmp_path, ratio, broken, verdict):
    statuses = {("full", 0): "diverged"} if broken else {}
    diagnosis = check("warm_up", whole(tmp_path, training={"warmup_ratio": ratio}, statuses=statuses))
    assert diagnosis.verdict == verdict
    only_full = finding("warm_up", arm="full", n_warmup=round(200 * ratio), n_steps=200, ratio=ratio)
    assert diagnosis.findings == (only_full,), "a frozen encoder needs none"


# Seeds


def test_runs_that_broke_are_counted_and_gentler_steps_advised(tmp_path):
    statuses = {("full", 0): "diverged", ("full", 1): "collapsed", ("features", 2): "failed"}
    diagnosis = check("broken_runs", whole(tmp_path, statuses=statuses))
    assert diagnosis.verdict == "problem"
    assert [each.values["counts"] for each in diagnosis.findings] == [{"failed": 1}, {"collapsed": 1, "diverged": 1}]
    gentler = ("arms.full.learning_rate=3.3e-5", "arms.full.warmup_ratio=0.2")
    assert diagnosis.hints == (
        hint("see_status", study="small"),
        hint("gentler_steps", *gentler, arm="full", rate=1e-4),
    )
    assert check("broken_runs", whole(tmp_path)).verdict == "ok"


def test_a_run_at_the_constant_level_after_few_steps_has_learned_too_little(tmp_path):
    results = whole(tmp_path, statuses={("full", 0): "collapsed"}, run={"n_steps": 7, "planned_steps": 7})
    (change,) = check("broken_runs", results).hints
    assert change == hint("learn_more", "arms.full.epochs=30", "arms.full.learning_rate=3e-4", arm="full", n_steps=7, rate=1e-4)


def test_a_run_at_the_constant_level_with_a_rate_beyond_the_usual_was_shaken_however_few_its_steps(tmp_path):
    arms = ARMS | {"full": {"learning_rate": 5e-3}}
    results = whole(tmp_path, arms=arms, statuses={("full", 0): "collapsed"}, run={"planned_steps": 7})
    assert [each.code for each in check("broken_runs", results).hints] == ["gentler_steps"]


def test_the_biased_optimizer_is_named_where_it_broke_runs(tmp_path):
    arms = ARMS | {"full": {"learning_rate": 1e-4, "strategies": [{"kind": "legacy_adam"}]}}
    diagnosis = check("broken_runs", whole(tmp_path, arms=arms, statuses={("full", 0): "collapsed"}))
    assert diagnosis.hints == (hint("remove_legacy_adam", arm="full"),)


def test_an_arm_no_better_than_the_constant_answer_is_a_problem(tmp_path):
    assert check("above_constant", whole(tmp_path)).verdict == "ok"
    level = {"features": [0.5, 0.51, 0.49, 0.5, 0.5], "full": GOOD["full"]}
    diagnosis = check("above_constant", whole(tmp_path, accuracies=level))
    assert diagnosis.verdict == "problem"
    assert diagnosis.hints == (hint("not_learned", arm="features"),)


def test_an_arm_above_the_constant_answer_whose_interval_includes_zero_is_not_said_to_have_learned_nothing(tmp_path):
    wide = {"features": [0.5, 0.62, 0.49, 0.6, 0.51], "full": GOOD["full"]}
    diagnosis = check("above_constant", whole(tmp_path, accuracies=wide))
    assert diagnosis.verdict == "look"
    assert diagnosis.hints == (hint("barely_learned", arm="features", head="classification", metric="accuracy"),)
    words = diagnosis_hints.hint(diagnosis.hints[0])
    assert words.endswith("not shown to be better than always answering the most frequent label")


def test_an_inconclusive_difference_comes_with_the_seeds_needed_to_detect_it(tmp_path):
    close = {"features": [0.80, 0.83, 0.79, 0.82, 0.80], "full": [0.82, 0.81, 0.82, 0.80, 0.83]}
    results = whole(tmp_path, accuracies=close)
    diagnosis = check("instability", results)
    assert diagnosis.verdict == "look"
    (pair,) = results.summary.comparison.headline_pairs
    (of_pair,) = found(diagnosis, "not_claimed", "full")
    assert (of_pair.values["verdict"], of_pair.values["p_holm"]) == ("inconclusive", pair.p_holm)
    n = next(needed.n_for_observed for needed in results.summary.insights.seeds_needed if needed.baseline == "features")
    assert diagnosis.hints == (hint("more_seeds_for_power", f"seeds.n={n}", arm="full", baseline="features", n=n),)


def test_where_more_seeds_will_not_help_examples_are_asked_for(tmp_path):
    close = {"features": [0.80, 0.83, 0.79, 0.82, 0.80], "full": [0.82, 0.81, 0.82, 0.80, 0.83]}
    results = whole(tmp_path, accuracies=close)
    comparison = results.summary.comparison
    pairs = [pair.model_copy(update={"source": "examples", "p_many_seeds": 0.3, "seeds_share": 0.1}) for pair in comparison.pairs]
    comparison = comparison.model_copy(update={"pairs": tuple(pairs)})
    diagnosis = check("instability", results.with_summary(results.summary.model_copy(update={"comparison": comparison})))
    assert [(each.code, each.split) for each in diagnosis.hints] == [("larger_split", "test")]
    sentence = comparison_text.pair(comparison.headline_pairs[0], comparison)
    assert sentence.endswith("more seeds will not help; a larger test set will")


def test_no_seeds_are_asked_for_where_seeds_cannot_be_added_one_by_one(tmp_path):
    close = {"features": [0.80, 0.83, 0.79, 0.82, 0.80, 0.81, 0.79, 0.8, 0.82], "full": [0.8, 0.81, 0.82] * 3}
    results = whole(tmp_path, accuracies=close, seeds={"design": {"crossed": {"init": 3, "order": 3}}})
    diagnosis = check("instability", results)
    (of_pair,) = found(diagnosis, "not_claimed", "full")
    assert (of_pair.values["n"], of_pair.values["p_holm"], of_pair.values["crossed"]) == (9, None, True)
    assert diagnosis.hints == (hint("own_seeds", arm="full", baseline="features"),)


def test_a_wide_spread_is_a_problem_by_itself(tmp_path):
    wide = GOOD | {"full": [0.6, 0.9, 0.7, 0.85, 0.75]}
    diagnosis = check("instability", whole(tmp_path, accuracies=wide))
    assert diagnosis.verdict == "problem"
    (spread,) = found(diagnosis, "spread", "full")
    assert (spread.values["sd"], spread.values["n"]) == (pytest.approx(0.1194, abs=1e-3), 5)
    assert hint("more_stable", arm="full") in diagnosis.hints


@pytest.mark.parametrize(("n", "verdict"), [(2, "problem"), (3, "look"), (4, "look"), (5, "ok")])
def test_few_seeds(tmp_path, n, verdict):
    diagnosis = check("few_seeds", whole(tmp_path, accuracies={arm: scores[:n] for arm, scores in GOOD.items()}))
    assert diagnosis.verdict == verdict
    assert diagnosis.findings[0].values["counts"]["full"] == n


@pytest.mark.parametrize(
    ("seeds", "given"),
    [
        ({"n": 3, "max": 4, "until": {"half_width": 0.1, "batch": 1}}, ("seeds.n=5", "seeds.max=6")),
        ({"n": 3, "max": 20, "until": {"half_width": 0.1}}, ("seeds.n=5",)),
        ({"n": 3, "design": {"only": "order"}}, ("seeds.n=5",)),
    ],
)
def test_seeds_are_added_by_the_design_that_the_study_has(tmp_path, seeds, given):
    few = {arm: scores[:3] for arm, scores in GOOD.items()}
    diagnosis = check("few_seeds", whole(tmp_path, accuracies=few, seeds=seeds))
    assert diagnosis.hints == (hint("more_seeds", *given),)


def test_seeds_without_a_score_are_run_first_and_only_what_is_then_missing_is_added(tmp_path):
    lost = {("full", 0): "failed", ("full", 1): "failed"}
    assert check("few_seeds", whole(tmp_path, statuses=lost)).hints == (hint("see_status", study="small"),)
    diverged = {("full", 0): "diverged", ("full", 1): "diverged"}
    assert check("few_seeds", whole(tmp_path, statuses=diverged)).hints == (hint("more_seeds", "seeds.n=7"),)


def test_selected_seeds_are_not_made_a_sample_by_more_of_them(tmp_path):
    few = whole(tmp_path, accuracies={arm: scores[:2] for arm, scores in GOOD.items()})
    study = make_study(seeds={"start": 4, "stop_at": 0.5, "keep": 2})
    diagnosis = check("few_seeds", replace(few, study=study))
    assert diagnosis.hints == (hint("unselected_seeds", "seeds={n: 5}"),)
    assert accepted(study, *diagnosis.hints[0].overrides)


def test_every_check_of_the_table_is_tested_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(CHECKS) >= 15
    assert [name for name in CHECKS if f'"{name}"' not in text] == []


# The command


def test_a_study_without_runs_is_refused(tmp_path):
    study = make_study()
    write_record(StudyDir(tmp_path, study.name).config_path, study)
    with pytest.raises(UserError, match="has no finished runs yet"):
        diagnose_command("small", tmp_path, as_json=False)
    with pytest.raises(UserError, match="there is no study 'gone' here"):
        diagnose_command("gone", tmp_path, as_json=False)
