"""Every mistake in a study is reported at its place, with what was found, what is valid and what to do."""

from __future__ import annotations

import pickle
from itertools import zip_longest

import pytest

from bertft_core.config import UserError, load_study, parse_study
from bertft_core.config.strategy_settings import KINDS
from bertft_core.config.training_settings import TrainingConfig
from tests.helpers.small_configs import STUDY, changed, refusal

DATA = "{source: bundled, name: reviews}"


@pytest.mark.parametrize(
    ("text", "key", "line", "nearest"),
    [
        (STUDY + "seedz: {n: 3}\n", "seedz", 14, "seed"),
        (changed("batch_size: 16", "bach_size: 16"), "training.bach_size", 4, "batch_size"),
        (changed("  full:\n", "  full:\n    learning_rat: 1\n"), "arms.full.learning_rat", 10, "learning_rate"),
        (changed("n_trials", "trials"), "arms.full.search.trials", 13, "n_trials"),
        (changed("log:", "logg:"), "arms.full.search.space.learning_rate.logg", 12, "log"),
        (changed("{kind:", "{knid: 1, kind:"), "arms.features.strategies[0].knid", 8, "kind"),
        (changed("name: reviews", "name: reviews, max_lenght: 3"), "data.max_lenght", 2, "max_length"),
        (changed(DATA, "{source: files, train: a.csv, tests: b.csv}"), "data.tests", 2, "test"),
        (changed(DATA, "{source: bundled, name: reviews, split: {test_ration: 0.1}}"), "data.split.test_ration", 2, "test_ratio"),
        (STUDY + "head: {kind: classification, knd: 3}\n", "head.knd", 14, "kind"),
        (STUDY + "encoder:\n  chekpoint: x\n", "encoder.chekpoint", 15, "checkpoint"),
        (STUDY + "seeds:\n  design:\n    crossed: {init: 2, order: 2, ordre: 2}\n", "seeds.design.crossed.ordre", 16, "order"),
        (
            changed("{kind: feature_extraction", "{kind: early_stopping, patience: 2, delta: 1"),
            "arms.features.strategies[0].delta",
            8,
            "min_delta",
        ),
    ],
)
def test_an_unknown_key_says_its_path_line_and_nearest_valid_key(tmp_path, text, key, line, nearest):
    error = refusal(tmp_path, text)
    assert error.problem == f"unknown key '{key}'"
    assert (error.path, error.line) == (str(tmp_path / "study.yaml"), line)
    assert nearest in error.expected.removeprefix("one of ").split(", ")
    assert error.hint.startswith(f"did you mean '{nearest}'?")


def test_a_key_of_another_section_is_suggested_with_its_section(tmp_path):
    assert refusal(tmp_path, STUDY + "learning_rate: 1e-4\n").hint == "did you mean 'training.learning_rate'?"


def test_an_unknown_key_comes_before_what_it_leaves_missing_and_the_rest_is_named(tmp_path):
    error = refusal(tmp_path, changed("name: small", "nmae: small\nseed: -1"))
    assert error.problem == "unknown key 'nmae'"
    assert error.hint == "did you mean 'name'? Then fix 'name', 'seed'"


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        (
            changed(DATA, "{source: bundled, train: a.csv}"),
            "unknown key 'data.train' with source: bundled; it belongs to source: files or hub",
            "remove it, or set data.source: files; then fix 'data.name'",
        ),
        (
            changed(DATA, "{source: bundled, name: reviews, header: false}"),
            "unknown key 'data.header' with source: bundled; it belongs to source: files",
            "remove it, or set data.source: files",
        ),
        (
            STUDY + "head: {kind: regression, crf: true}\n",
            "unknown key 'head.crf' with kind: regression; it belongs to kind: token_classification",
            "remove it, or set head.kind: token_classification",
        ),
        (
            changed("{kind: feature_extraction", "{kind: freezing, layers: 1, gamma: 1"),
            "unknown key 'arms.features.strategies[0].gamma' with kind: freezing; it belongs to kind: focal_loss",
            "remove it, or set arms.features.strategies[0].kind: focal_loss",
        ),
    ],
)
def test_a_key_of_another_kind_says_of_which(tmp_path, text, problem, hint):
    error = refusal(tmp_path, text)
    assert (error.code, error.problem, error.hint) == ("config.unknown-key", problem, hint)


@pytest.mark.parametrize(
    ("split", "problem", "hint"),
    [
        ("{folds: 3, resamples: 4}", "seeds.design.split.resamples: folds and resamples exclude each other", "keep one of them"),
        ("{bootstrap: 3, folds: 4}", "seeds.design.split.bootstrap: folds and bootstrap exclude each other", "keep one of them"),
        (
            "{folds: 3, test_ratio: 0.2}",
            "unknown key 'seeds.design.split.test_ratio' with folds; it belongs to resamples",
            "remove one of them",
        ),
        (
            "{bootstrap: 3, repeats: 2}",
            "unknown key 'seeds.design.split.repeats' with bootstrap; it belongs to folds",
            "remove one of them",
        ),
        ("{fold: 3}", "unknown key 'seeds.design.split.fold'", "did you mean 'folds'?"),
        ("{folds: 3, repeat: 2}", "unknown key 'seeds.design.split.repeat'", "did you mean 'repeats'?"),
    ],
)
def test_keys_of_several_kinds_of_a_split_design_exclude_each_other(tmp_path, split, problem, hint):
    error = refusal(tmp_path, STUDY + f"seeds: {{design: {{split: {split}}}}}\n")
    assert (error.problem, error.hint) == (problem, hint)


@pytest.mark.parametrize("stopping", ["bleu", "accuracyy"])
def test_an_unknown_metric_of_early_stopping_is_to_be_corrected_and_not_the_strategy_removed(tmp_path, stopping):
    error = refusal(tmp_path, changed("{kind: feature_extraction", f"{{kind: early_stopping, patience: 2, metric: {stopping}"))
    assert error.problem.startswith(f"arms.features.strategies[0].metric: '{stopping}' is not a metric of the head")
    assert error.hint == ("did you mean 'accuracy'?" if stopping == "accuracyy" else "correct it or remove it")


@pytest.mark.parametrize("key", ["data.train", "encoder.path", "arms.full.encoder.path"])
@pytest.mark.parametrize("address", ["https://user:secret@example.org/t.csv", "s3://bucket/t.csv", "FILE:///t.csv"])
def test_an_address_is_no_path(tmp_path, key, address):
    (tmp_path / "study.yaml").write_text(changed(DATA, "{source: files, train: a.csv}"))
    with pytest.raises(UserError) as caught:
        load_study(tmp_path / "study.yaml", [f"{key}={address}"])
    assert (caught.value.code, caught.value.problem) == ("path.address", f"{key}: addresses are not read")
    assert caught.value.found == address.replace("user:secret", "***")
    assert "download it" in caught.value.hint
    (tmp_path / "s3:").mkdir()
    assert load_study(tmp_path / "study.yaml", ["data.train=./s3:/a.csv"]), "a folder may be called so"


def test_many_mistakes_are_counted(tmp_path):
    error = refusal(tmp_path, STUDY + "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\n")
    assert error.hint.endswith("then fix 'b', 'c', 'd' and 2 more")


@pytest.mark.parametrize(
    ("text", "key", "line", "hint"),
    [
        (changed("name: small", "seed: 1"), "name", 1, "add it"),
        (changed(DATA, "{name: reviews}"), "data.source", 2, "add it"),
        (changed(DATA, "{sorce: bundled, name: reviews}"), "data.source", 2, "did you mean 'source' instead of 'sorce'?"),
        (changed("{kind:", "{knd:"), "arms.features.strategies[0].kind", 8, "did you mean 'kind' instead of 'knd'?"),
        (changed("high: 1e-3, ", ""), "arms.full.search.space.learning_rate.high", 12, "add it"),
        (changed(DATA, "{source: files}"), "data.train", 2, "add it"),
    ],
)
def test_a_missing_key_is_named(tmp_path, text, key, line, hint):
    error = refusal(tmp_path, text)
    assert (error.problem, error.line, error.hint) == (f"missing key '{key}'", line, hint)
    assert error.expected


@pytest.mark.parametrize(
    ("text", "key", "found", "expected"),
    [
        (changed("bundled", "bundeld"), "data.source", "'bundeld'", "one of bundled, files, hub"),
        (changed("feature_extraction", "futl"), "arms.features.strategies[0].kind", "'futl'", f"one of {', '.join(KINDS)}"),
        (
            changed("- {kind: feature_extraction}", "- full"),
            "arms.features.strategies[0]",
            "'full'",
            f"a mapping with kind: {', '.join(KINDS[:-1])} or {KINDS[-1]}",
        ),
        (
            changed(DATA, "reviews"),
            "data",
            "'reviews'",
            "a mapping with source: bundled, files or hub",
        ),
        (
            STUDY + "head: clasification\n",
            "head.kind",
            "'clasification'",
            "one of classification, multi_label, regression, token_classification, question_answering, masked_lm",
        ),
        (
            STUDY + "seeds: {design: jiont}\n",
            "seeds.design",
            "'jiont'",
            "'joint' or a mapping with 'only' or a mapping with 'crossed' or a mapping with 'split'",
        ),
        (STUDY + "seeds: {design: {only: x}}\n", "seeds.design.only", "'x'", "'init', 'order' or 'dropout'"),
        (
            STUDY + "seeds: {design: {every: init}}\n",
            "seeds.design",
            "a mapping with 'every'",
            "'joint' or a mapping with 'only' or a mapping with 'crossed' or a mapping with 'split'",
        ),
        (
            STUDY + "seeds: {design: {crossed: {init: 1, order: 2}}}\n",
            "seeds.design.crossed.init",
            "1",
            "greater than or equal to 2",
        ),
        (STUDY + "execution: {slots: 0}\n", "execution.slots", "0", "greater than or equal to 1"),
        (STUDY + "execution: {slots: many}\n", "execution.slots", "'many'", "an integer or 'auto'"),
        (changed("name: reviews", "name: reviews, text: [a]"), "data.text", "['a']", "a string or a list of 2"),
        (changed("name: reviews", "name: reviews, labels: [0, a]"), "data.labels[0]", "0", "a string"),
        (changed("batch_size: 16", "batch_size: many"), "training.batch_size", "'many'", "an integer"),
        (changed("batch_size: 16", "learning_rate: 1e999"), "training.learning_rate", "inf", "a finite number"),
        (
            changed("{low: 1e-5, high: 1e-3, log: true}", "{choices: [1e-5, null]}"),
            "arms.full.search.space.learning_rate.choices[1]",
            "nothing",
            "true or false or an integer or a number or a string",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_says_what_is_valid_there(tmp_path, text, key, found, expected):
    error = refusal(tmp_path, text)
    assert (error.problem, error.found, error.expected) == (f"'{key}' is not valid", found, expected)
    rows = enumerate(zip_longest(text.splitlines(), STUDY.splitlines()), start=1)
    assert error.line == next(n for n, (row, before) in rows if row != before)


def test_a_mistyped_choice_gets_the_nearest_one(tmp_path):
    assert refusal(tmp_path, changed("bundled", "bundeld")).hint == "did you mean 'bundled'?"
    assert refusal(tmp_path, STUDY + "headline: {checkpoint: finale}\n").hint == "did you mean 'final'?"


def test_an_arm_without_anything_says_how_to_write_it(tmp_path):
    error = refusal(tmp_path, STUDY + "  plain:\n")
    assert error.problem == "'arms.plain' is not valid"
    assert (error.line, error.found, error.hint) == (14, "nothing", "write {} for a mapping without keys")


def test_no_message_shows_pydantics_names(tmp_path):
    for text in (STUDY + "seeds: {design: jiont}\n", changed("log:", "lgo:"), changed("low: 1e-5", "low: 1"), "a: 1\n"):
        message = str(refusal(tmp_path, text))
        for word in ("literal[", "Input should", "function-after", "Value error", "validation error", "OnlyDesign", "Range"):
            assert word not in message


def test_an_unknown_training_key_lists_all_of_them(tmp_path):
    error = refusal(tmp_path, changed("batch_size: 16", "bach_size: 16"))
    assert error.expected == f"one of {', '.join(TrainingConfig.model_fields)}"


def test_a_user_error_survives_a_process_border():
    error = UserError("it is wrong", path="a.csv", line=3, found="x", expected="y", hint="z")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is UserError
    assert vars(again) == vars(error)
    assert str(again) == str(error) == "a.csv:3: it is wrong\n  found:    x\n  expected: y\n  hint:     z"


def test_a_user_error_without_a_place_is_only_its_sentence():
    assert str(UserError("it is wrong")) == "it is wrong"
    assert str(UserError("it is wrong", path="a.csv")) == "a.csv: it is wrong"


@pytest.mark.parametrize(
    ("override", "place", "found", "expected"),
    [
        ("arms={}", "arms", "an empty mapping", "at least 1 entry"),
        ("arms.full.search.space={}", "arms.full.search.space", "an empty mapping", "at least 1 entry"),
        ("arms.full.strategies=[]", "arms.full.strategies", "[]", "at least 1 entry"),
        (
            "arms.full.search.space.batch_size={choices: []}",
            "arms.full.search.space.batch_size.choices",
            "[]",
            "at least 1 entry",
        ),
    ],
)
def test_an_empty_container_is_reported_as_such(tmp_path, override, place, found, expected):
    error = refusal(tmp_path, STUDY, override)
    assert error.problem == f"'{place}' is not valid"
    assert (error.found, error.expected, error.hint) == (found, expected, "add what is missing")


def test_a_choice_of_the_wrong_type_is_named_rather_than_its_list(tmp_path):
    error = refusal(tmp_path, STUDY, "arms.full.search.space.batch_size={choices: [[8]]}")
    assert error.problem == "'arms.full.search.space.batch_size.choices[0]' is not valid"
    assert (error.found, error.expected) == ("[8]", "true or false or an integer or a number or a string")


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(UserError, match="the config cannot be read") as caught:
        load_study(tmp_path)
    assert (caught.value.found, caught.value.hint) == ("a folder", "name a file in it")


@pytest.mark.parametrize(
    ("override", "expected", "hint"),
    [
        ("name=my study", "letters, digits", "choose another name"),
        ("encoder.study=../x", "letters, digits", "choose another name"),
        ("encoder.weights_sha256=abc", "64 digits of hexadecimal", "copy it"),
        ("data.labels=[a, a]", None, "list each label once"),
        ("data.labels=[a, '']", None, "write the names as they are in the data"),
        ("training.micro_batch_size=999", None, "make it smaller"),
        ("training={epochs: 1, max_steps: 2}", None, "write null"),
    ],
)
def test_a_value_that_breaks_a_rule_says_what_to_do_in_words(tmp_path, override, expected, hint):
    (tmp_path / "s.yaml").write_text(STUDY)
    with pytest.raises(UserError) as caught:
        load_study(tmp_path / "s.yaml", [override])
    assert expected is None or caught.value.expected.startswith(expected)
    assert caught.value.hint.startswith(hint)
    assert "^" not in str(caught.value)


def test_a_wrong_value_of_a_mapping_with_own_keys_is_named_itself(tmp_path):
    weights = "arms.full.strategies=[{kind: class_weights, weights: {positive: -1, negative: 1}}]"
    error = refusal(tmp_path, STUDY, weights)
    assert "'arms.full.strategies[0].weights.positive'" in error.problem
    assert error.expected == "greater than or equal to 0"


@pytest.mark.parametrize("choice", ["null", "true"])
def test_a_choice_that_is_no_value_is_not_to_be_put_in_quotes(tmp_path, choice):
    error = refusal(tmp_path, STUDY, f"arms.full.search.space.dropout.choices=[{choice}, 0.1]")
    assert error.hint == "write a number or a name, or remove it"


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        (["seeds.n=true"], "write an integer"),
        (["training.learning_rate=fast"], "write a number"),
        (["data.max_length=many"], "write an integer"),
        (["data.text=[a, b, c]"], "keep 2 of them"),
        (["data.labels=[a, a]"], "list each label once, or remove it"),
        (["data.header=perhaps", "data.source=files", "data.train=x"], "write true or false"),
        (["training.precision=fp64"], "did you mean 'fp16'?"),
        (["arms.full.search.space.seed.choices=[1, 2]"], "correct it or remove it"),
        (["arms.full.search.space.head.kind.choices=[a, b]"], "correct it or remove it"),
        (["seeds.design.only=dropuot"], "did you mean 'dropout'?"),
        (["seeds.design.only=bayes"], "write 'init', 'order' or 'dropout'"),
    ],
)
def test_a_hint_says_what_to_write(overrides, hint):
    values = {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}
    if len(overrides) > 1:
        values["data"] = {"source": "files"}
    with pytest.raises(UserError) as caught:
        parse_study(values, overrides)
    assert caught.value.hint == hint
