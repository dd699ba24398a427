"""What `bertft diagnose` advises can be done: `--set` accepts every override, and it goes in the direction that it should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertft_core.config import parse_study
from bertft_core.evaluation.diagnosis.diagnose_study import diagnose, run_check
from bertft_core.evaluation.diagnosis.hint_overrides import accepted, of_training, train_longer
from bertft_core.evaluation.diagnosis.stored_study import improvement
from bertft_core.records import DataFinding, SweepResult
from bertft_core.records.data_card import SearchedCard
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.diagnosed_studies import ARMS, GOOD, LARGE, whole, with_arm, with_card
from tests.helpers.small_records import make_card, make_study, make_sweep

LOG = {"low": 1e-5, "high": 6e-4, "log": True}
CLOSE = {"features": [0.80, 0.83, 0.79, 0.82, 0.80], "full": [0.82, 0.81, 0.82, 0.80, 0.83]}


def searched(tmp_path, space: dict, chosen: dict, **how) -> StudyResults:
    """A study whose arm `full` chose these settings from this space."""
    arms, sweeps = search_of(tmp_path, space, chosen)
    return whole(tmp_path, sweeps=sweeps, arms=arms, **how)


def without_runs(tmp_path, space: dict, chosen: dict) -> StudyResults:
    """The same before its report runs, for what is about its settings alone."""
    arms, sweeps = search_of(tmp_path, space, chosen)
    return StudyResults(make_study(arms=arms), make_card(tmp_path), StudyDir(tmp_path, "small"), {}, sweeps=sweeps)


def search_of(tmp_path, space: dict, chosen: dict) -> tuple[dict[str, dict], dict[str, SweepResult]]:
    sweep = make_sweep(StudyDir(tmp_path, "small")).model_copy(update={"chosen": chosen})
    return ARMS | {"full": {"search": {"space": space, "n_trials": 3}}}, {"full": sweep}


def rates(results: StudyResults, override: str):
    """The space of the learning rate once the override is set."""
    study = parse_study(results.study.model_dump(mode="json"), [override])
    return study.arms["full"].search.space["learning_rate"]


@pytest.mark.parametrize(
    ("space", "chosen", "to", "wanted"),
    [
        (LOG, 1.5e-5, 4.5e-5, {"low": 4.5e-5, "high": 6e-4}),
        (LOG, 5e-4, 1.5e-3, {"low": 1.5e-3, "high": 3e-3}),
        (LOG, 2e-4, 6.7e-5, {"low": 1e-5, "high": 6.7e-5}),
        ({"low": 1e-4, "high": 6e-4, "log": True}, 2e-4, 6.7e-5, {"low": 3.35e-5, "high": 6.7e-5}),
        ({"choices": [1e-4, 3e-4, 6e-4]}, 3e-4, 1e-4, {"choices": (5e-5, 1e-4)}),
        ({"choices": [1e-4, 3e-4, 6e-4]}, 6e-4, 2e-4, {"choices": (1e-4, 2e-4)}),
        ({"choices": [1e-4, 3e-4, 6e-4]}, 1e-4, 2e-4, {"choices": (2e-4, 3e-4, 6e-4)}),
    ],
)
def test_a_searched_setting_is_searched_on_the_wanted_side(tmp_path, space, chosen, to, wanted):
    results = without_runs(tmp_path, {"learning_rate": space}, {"learning_rate": chosen})
    found = rates(results, of_training(results, "full", "learning_rate", to))
    assert (
        found.model_dump(include=set(wanted)) == pytest.approx(wanted) if "low" in wanted else found.choices == wanted["choices"]
    )


def test_training_is_longer_also_where_its_length_is_searched(tmp_path):
    results = without_runs(tmp_path, {"epochs": {"choices": [2, 3, 4]}}, {"epochs": 3})
    assert train_longer(results, "full") == "arms.full.search.space.epochs={choices: [6, 12]}"
    results = without_runs(tmp_path, {"max_steps": {"low": 100, "high": 300, "integer": True}}, {"max_steps": 200})
    assert train_longer(results, "full") == "arms.full.search.space.max_steps={low: 400, high: 800, integer: true}"


def cases(tmp_path) -> dict[str, StudyResults]:
    """Studies with every fault that comes with overrides."""
    broken = {("full", 0): "diverged", ("full", 1): "collapsed"}
    collapsed, short = {("full", 0): "collapsed"}, {"n_steps": 7, "planned_steps": 7}
    until = {"n": 3, "max": 5, "until": {"half_width": 0.1, "batch": 2}}
    duplicates = (DataFinding(check="duplicates", split="train", count=9),)
    low = {"learning_rate": LOG, "warmup_ratio": {"low": 0.0, "high": 0.2}}
    ends = {"weight_decay": {"low": 0.0, "high": 0.1}, "learning_rate": LOG}
    chosen_rates = {"choices": [1e-4, 3e-4, 6e-4]}
    reviews = {"source": "bundled", "name": "reviews"}
    long = with_card(whole(tmp_path), truncated_ratio=0.3)
    from_file = {"source": "files", "train": "train.csv"}
    cut = whole(tmp_path, sizes=LARGE | {"validation": 40}, data=from_file, headline={"split": "validation"})
    origin = cut.card.splits["validation"].origin.model_copy(update={"cut_from_train": True})
    return {
        "broken": whole(tmp_path, statuses=broken),
        "broken after a long warm-up": whole(tmp_path, statuses=broken, training={"warmup_ratio": 0.4}),
        "broken after a search": searched(tmp_path, low, {"learning_rate": 2e-5, "warmup_ratio": 0.0}, statuses=broken),
        "broken after a search of choices": searched(
            tmp_path, {"learning_rate": chosen_rates}, {"learning_rate": 3e-4}, statuses=broken
        ),
        "short": whole(tmp_path, statuses=collapsed, run=short),
        "short after a search": searched(
            tmp_path, {"learning_rate": LOG, "epochs": {"low": 1, "high": 3}},
            {"learning_rate": 1.5e-5, "epochs": 2}, statuses=collapsed, run=short,
        ),
        "at the ends": searched(tmp_path, ends, {"learning_rate": 6e-4, "weight_decay": 0.0}),
        "no warm-up": whole(tmp_path, training={"warmup_ratio": 0.0}),
        "close": whole(tmp_path, accuracies=CLOSE),
        "close with until": whole(tmp_path, accuracies={arm: s[:3] for arm, s in CLOSE.items()}, seeds=until),
        "few": whole(tmp_path, accuracies={arm: s[:2] for arm, s in GOOD.items()}),
        "truncated": with_card(whole(tmp_path, data=reviews | {"max_length": 32}), truncated_ratio=0.3, findings=duplicates),
        "truncated and long": replace(long, card=long.card.model_copy(update={"max_length": 512})),
        "unknown": with_card(whole(tmp_path, encoder={"path": "encoder"}), unknown_token_ratio=0.1),
        "truncated in an arm": with_arm(tmp_path, {"data": {"max_length": 16}}, truncated_ratio=0.3),
        "unknown to an arm's encoder": with_arm(tmp_path, {"encoder": {"revision": "main"}}, unknown_token_ratio=0.1),
        "unequal": with_card(whole(tmp_path), label_counts={"negative": 1900, "positive": 100}),
        "unequal with such an arm": with_card(
            whole(tmp_path, arms=ARMS | {"weighted": {}}, accuracies=GOOD | {"weighted": GOOD["full"]}),
            label_counts={"negative": 1900, "positive": 100},
        ),
        "small": whole(tmp_path, sizes=LARGE | {"validation": 40, "test": 40}),
        "small by choice": whole(tmp_path, sizes=LARGE | {"validation": 40}, data=reviews | {"subsample": {"validation": 40}}),
        "small and cut": with_card(cut, "validation", origin=origin),
    }  # fmt: skip


def test_every_override_of_every_hint_is_accepted_and_changes_the_study(tmp_path):
    given = set()
    for case, results in cases(tmp_path).items():
        hints = [each for diagnosis in diagnose(results) for each in diagnosis.hints if each.overrides]
        given |= {each.code for each in hints}
        refused = [each for each in hints if not accepted(results.study, *each.overrides)]
        assert refused == [], case
    assert given == {
        "gentler_steps", "learn_more", "train_longer", "search_beyond", "set_warmup", "more_seeds_for_power", "more_seeds",
        "raise_max_length", "read_in_windows", "other_encoder", "weight_classes", "macro_f1", "larger_split",
        "whole_split",
    }  # fmt: skip


def test_a_split_of_which_the_study_takes_few_examples_gets_those_that_there_are(tmp_path):
    subsample = {"validation": 40, "test": 900}
    results = whole(
        tmp_path, sizes=LARGE | {"validation": 40}, data={"source": "bundled", "name": "reviews", "subsample": subsample}
    )
    diagnosis = run_check("small_sets", results)
    assert diagnosis is not None
    assert [(each.code, each.overrides) for each in diagnosis.hints] == [("whole_split", ("data.subsample={test: 900}",))]


def test_a_length_that_a_search_has_chosen_is_judged_and_not_set_against_the_search(tmp_path):
    results = searched(tmp_path, {"data.max_length": {"choices": [16, 32]}}, {"data.max_length": 16})
    short = with_card(results, truncated_ratio=0.3).card.model_copy(update={"fingerprint": "b" * 64, "max_length": 16})
    chosen = SearchedCard(arm="full", settings={"data.max_length": 16}, card=short)
    diagnosis = run_check("truncation", replace(results, card=results.card.model_copy(update={"searched": (chosen,)})))
    assert diagnosis is not None
    assert [(each.values.get("arms"), each.values["max_length"]) for each in diagnosis.findings] == [
        (("features",), 32),
        (("full",), 16),
    ]
    assert [each.code for each in diagnosis.hints] == ["shorten_texts"]


def test_an_override_that_changes_nothing_or_is_refused_is_not_accepted():
    study = make_study()
    assert accepted(study, "seeds.n=5")
    assert not accepted(study, "seeds.n=3")
    assert not accepted(study, "seeds.n=0")


@pytest.mark.parametrize(
    ("metric", "before", "after", "gain"),
    [("accuracy", 0.5, 0.55, 0.05), ("mcc", 0.0, -0.02, -0.02), ("log_loss", 0.5, 0.6, -0.2), ("log_loss", 0.0, 0.1, -1.0)],
)
def test_scores_change_in_their_own_unit_and_losses_in_shares(tmp_path, metric, before, after, gain):
    results = replace(whole(tmp_path), study=make_study(metric=metric))
    assert improvement(results, before, after) == pytest.approx(gain)
