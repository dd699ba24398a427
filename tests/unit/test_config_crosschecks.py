"""Sections that are each valid but do not fit together are refused before anything is read or trained."""

from __future__ import annotations

import pytest

from tests.helpers.small_configs import STUDY, changed, load, refusal

RANGE = "learning_rate: {low: 1e-5, high: 1e-3, log: true}"
DATA = "{source: bundled, name: reviews}"
FILES = "{source: files, train: a.csv, out_of_domain: {far: f.csv}}"


def space(text: str) -> str:
    return changed(RANGE, text)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("learning_rate: {low: 1e-5, high: 1.5}", "learning_rate", "choose learning_rate 1.5, but learning_rate must be less"),
        ("learning_rate: {low: 0, high: 1e-3}", "learning_rate", "choose learning_rate 0.0, but learning_rate must be greater"),
        ("learning_rate: {low: 2, high: 1}", "learning_rate", "low (2.0) must be smaller than high (1.0)"),
        ("learning_rate: {low: 0, high: 1, log: true}", "learning_rate", "must start above 0"),
        ("learning_rate: {choices: [1e-5, '1e-4']}", "learning_rate", "'1e-4' is a string"),
        ("learning_rate: {choices: [1e-5, fast]}", "learning_rate", "choose learning_rate 'fast'"),
        ("warmup_ratio: {low: 0, high: 1}", "warmup_ratio", "choose warmup_ratio 1.0"),
        ("batch_size: {choices: [8, 0]}", "batch_size", "choose batch_size 0, but batch_size must be greater than or equal to 1"),
        ("batch_size: {choices: [8, 8.5]}", "batch_size", "choose batch_size 8.5"),
        ("batch_size: {choices: [8, '16']}", "batch_size", "'16' is a string"),
        ("batch_size: {low: 8, high: 32}", "batch_size", "add `integer: true`"),
        ("batch_size: {low: 8.5, high: 32, integer: true}", "batch_size", "must be integers"),
        ("precision: {choices: [fp32, fp8]}", "precision", "choose precision 'fp8'"),
        ("precision: {low: 0, high: 1}", "precision", "choose precision 0.0"),
        ("lerning_rate: {low: 1e-5, high: 1e-3}", "lerning_rate", "unknown setting"),
    ],
)
def test_a_search_space_holds_only_settings_a_run_can_have(tmp_path, text, place, words):
    error = refusal(tmp_path, space(text))
    assert error.problem.startswith(f"arms.full.search.space.{place}: ")
    assert words in f"{error.problem}; {error.hint}"
    assert error.line == 12


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate: {low: 1e-5, high: 1}",
        "learning_rate: {choices: [1, 1e-3]}",
        "batch_size: {low: 8, high: 32, integer: true}",
        "max_steps: {choices: [10, 20]}",
        "precision: {choices: [fp32, bf16]}",
        "dropout: {low: 0, high: 0.5}",
    ],
)
def test_a_search_space_may_reach_the_limits(tmp_path, text):
    assert load(tmp_path, space(text)).arms["full"].search is not None


def test_a_misspelt_setting_of_a_space_gets_the_nearest_one(tmp_path):
    assert refusal(tmp_path, space("lerning_rate: {low: 1e-5, high: 1e-3}")).hint == "did you mean 'learning_rate'?"


def test_two_settings_of_a_space_that_do_not_go_together_are_refused(tmp_path):
    two = "batch_size: {choices: [32, 8]}\n        micro_batch_size: {choices: [4, 16]}"
    error = refusal(tmp_path, space(two))
    assert "could choose batch_size 8, micro_batch_size 16, but micro_batch_size must not be larger" in error.problem
    good = "batch_size: {choices: [32, 16]}\n        micro_batch_size: {choices: [4, 16]}"
    assert load(tmp_path, space(good))
    pair = "epochs: {choices: [1, 2]}\n        max_steps: {choices: [10, 20]}"
    assert "either epochs or max_steps" in refusal(tmp_path, space(pair)).problem


def test_a_space_is_judged_with_the_settings_of_its_arm(tmp_path):
    text = changed("  full:\n", "  full:\n    micro_batch_size: 16\n")
    assert load(tmp_path, text)
    error = refusal(tmp_path, text, "arms.full.search.space.batch_size.choices=[8, 32]")
    assert error.problem.startswith("arms.full.search.space: the search could choose")


def test_an_arm_is_judged_with_the_settings_of_the_study(tmp_path):
    text = changed("  full:\n", "  full:\n    micro_batch_size: 32\n")
    error = refusal(tmp_path, text)
    assert (error.problem, error.line) == ("arms.full: micro_batch_size must not be larger than batch_size", 9)


@pytest.mark.parametrize(
    ("search", "seeds"),
    [("first_seed_index: 0", "n: 5"), ("first_seed_index: 4", "n: 5"), ("n_trials: 1", "first: 1000001")],
)
def test_search_seeds_among_the_report_seeds_are_refused(tmp_path, search, seeds):
    error = refusal(tmp_path, changed("n_trials: 2", search) + f"seeds: {{{seeds}}}\n")
    assert error.problem.startswith("arms.full.search: seed indices")


def test_search_seeds_may_touch_the_report_seeds(tmp_path):
    assert load(tmp_path, changed("n_trials: 2", "first_seed_index: 5") + "seeds: {n: 5}\n")
    assert load(tmp_path, changed("n_trials: 2", "first_seed_index: 3") + "seeds: {n: 5, first: 5}\n")


def test_a_crossed_design_counts_all_its_cells_as_report_seeds(tmp_path):
    text = changed("n_trials: 2", "first_seed_index: 8") + "seeds: {n: 2, design: {crossed: {init: 3, order: 3}}}\n"
    assert "seed indices 8 to 8" in refusal(tmp_path, text).problem


def test_the_headline_is_on_a_split_that_is_scored(tmp_path):
    assert refusal(tmp_path, STUDY + "headline: {split: train}\n").problem.startswith("headline.split: the training set")
    files = changed(DATA, FILES)
    assert load(tmp_path, files + "headline: {split: far}\n")
    assert load(tmp_path, files)  # test, which falls back to validation
    error = refusal(tmp_path, files + "headline: {split: farr}\n")
    assert (error.problem, error.line) == (
        "headline.split: 'farr' is not a split of the data, which has validation, test, far",
        14,
    )
    assert error.hint == "did you mean 'far'?"


def test_subsampled_splits_are_there(tmp_path):
    error = refusal(tmp_path, changed(DATA, FILES[:-1] + ", subsample: {trian: 50}}"))
    assert error.problem == "data.subsample.trian: 'trian' is not a split of the data, which has train, validation, far"
    assert error.hint == "did you mean 'train'?"
    assert "'test' is not a split" in refusal(tmp_path, changed(DATA, FILES[:-1] + ", subsample: {test: 50}}")).problem
    assert load(tmp_path, changed(DATA, FILES[:-1] + ", subsample: {test: 50, far: 9}, split: {test_ratio: 0.2}}"))


@pytest.mark.parametrize("name", ["test", "train", "far-away", "a/b", "''"])
def test_an_out_of_domain_set_needs_a_name_of_its_own(tmp_path, name):
    error = refusal(tmp_path, changed(DATA, f"{{source: files, train: a.csv, out_of_domain: {{{name}: f.csv}}}}"))
    assert error.problem.startswith("data.out_of_domain.")
    assert error.line == 2


def test_the_metric_is_one_of_the_head(tmp_path):
    error = refusal(tmp_path, STUDY + "metric: f1\n")
    assert error.problem.startswith("metric: 'f1' is not a metric of the head 'classification', which has accuracy, f1_macro")
    assert (error.line, error.hint) == (14, "did you mean 'f1_macro'?")
    assert load(tmp_path, STUDY + "metric: log_loss\n").direction == "minimize"


def test_an_arm_name_is_fit_for_a_folder(tmp_path):
    error = refusal(tmp_path, STUDY + "  a/b: {}\n")
    assert (error.problem.partition(":")[0], error.line) == ("arms.a/b", 14)


def test_labels_are_two_or_more_different_names(tmp_path):
    for labels in ("[a]", "[a, a]"):
        assert "two different names" in refusal(tmp_path, changed("name: reviews", f"name: reviews, labels: {labels}")).problem


def test_a_setting_is_either_searched_or_fixed_for_the_search(tmp_path):
    text = changed(RANGE, RANGE + "\n      training: {learning_rate: 1e-4}")
    error = refusal(tmp_path, text)
    assert "'learning_rate' is searched" in str(error)


def test_the_runs_of_a_search_may_be_shorter_than_the_reported_ones(tmp_path):
    study = load(tmp_path, changed(RANGE, RANGE + "\n      training: {max_steps: 7}"))
    (search,) = [arm.search for arm in study.arms.values() if arm.search is not None]
    assert search.training.overrides() == {"max_steps": 7}
