"""`--set KEY=VALUE` changes one value, and is the one that is blamed when it is wrong."""

from __future__ import annotations

import pytest

from tests.helpers.small_configs import STUDY, changed, load, refusal


def test_a_value_is_read_as_yaml(tmp_path):
    study = load(
        tmp_path, STUDY, "arms.full.learning_rate=2e-5", "description=no", "data.max_length=32", "arms.full.max_grad_norm=null"
    )
    assert study.training_of("full").learning_rate == 2e-5
    assert study.training_of("full").max_grad_norm is None
    assert study.training_of("features").max_grad_norm == 1.0
    assert (study.description, study.data.max_length) == ("no", 32)


def test_sections_that_the_file_leaves_out_are_made(tmp_path):
    study = load(
        tmp_path, STUDY, "seeds.design.only=order", "execution.slots=2", "arms.features.search.space.batch_size.choices=[8]"
    )
    assert study.seeds.design.only == "order"
    assert study.execution.slots == 2
    assert study.arms["features"].search.space["batch_size"].choices == (8,)


def test_a_list_item_is_reached_with_a_point_or_brackets(tmp_path):
    for key in ("arms.features.strategies[0].kind=full", "arms.features.strategies.0.kind=full"):
        assert load(tmp_path, STUDY, key).arms["features"].strategies[0].kind == "full"


@pytest.mark.parametrize("key", ["arms[0]={}", "arms[0].batch_size=8", "training[0]=1"])
def test_an_index_into_a_mapping_makes_no_key_of_that_name(tmp_path, key):
    error = refusal(tmp_path, STUDY, key)
    assert (error.code, error.expected) == ("config.override-misplaced", "one of its keys instead of [0]")


def test_an_item_of_a_list_that_the_file_leaves_out_is_refused_with_the_list_to_give(tmp_path):
    without = changed("    strategies:\n      - {kind: feature_extraction}", "    batch_size: 8")
    error = refusal(tmp_path, without, "arms.features.strategies[0].kind=full")
    assert error.expected == "the whole of it: arms.features.strategies=…"


def test_a_search_is_removed_with_null(tmp_path):
    assert load(tmp_path, STUDY).arms["full"].search is not None
    assert load(tmp_path, STUDY, "arms.full.search=null").arms["full"].search is None


def test_a_new_arm_is_given_whole(tmp_path):
    study = load(tmp_path, STUDY, "arms.wide={batch_size: 64}", "arms.wide.learning_rate=1e-4")
    assert (study.training_of("wide").batch_size, study.training_of("wide").learning_rate) == (64, 1e-4)


def test_a_head_that_is_only_named_gets_settings_and_another_kind(tmp_path):
    tags = changed("name: small", "name: small\nhead: token_classification\nmetric: f1")
    assert load(tmp_path, tags, "head.crf=true").head == load(tmp_path, tags, "head={kind: token_classification, crf: true}").head
    assert load(tmp_path, tags, "head.kind=regression", "metric=mse").head.kind == "regression"
    assert "it belongs to kind: token_classification" in str(refusal(tmp_path, tags, "head.kind=regression", "head.crf=true"))


def test_the_last_of_two_overrides_of_a_key_wins(tmp_path):
    assert load(tmp_path, STUDY, "seed=1", "seed=2").seed == 2


def test_the_values_given_are_not_changed(tmp_path):
    assert load(tmp_path, STUDY, "seed=1").digest != load(tmp_path, STUDY).digest
    assert (tmp_path / "study.yaml").read_text() == STUDY


def test_steps_take_the_place_of_epochs(tmp_path):
    assert load(tmp_path, STUDY, "arms.full.max_steps=10").training_of("full").epochs is None
    assert load(tmp_path, STUDY, "training.max_steps=10").training.epochs is None
    assert load(tmp_path, STUDY, "training.evaluate_every_steps=5").training.evaluate_every_epochs is None
    both = changed("batch_size: 16", "epochs: 2")
    assert load(tmp_path, both, "training.max_steps=10", "training.epochs=null").training.max_steps == 10
    assert "either epochs or max_steps" in refusal(tmp_path, both, "training.max_steps=10").problem


def test_an_unknown_arm_is_refused_with_the_nearest(tmp_path):
    error = refusal(tmp_path, STUDY, "arms.fulll.learning_rate=1")
    assert error.problem == "there is no arm 'fulll'"
    assert (error.path, error.line) == ("--set arms.fulll.learning_rate=1", None)
    assert (error.expected, error.hint) == ("one of features, full", "did you mean 'full'?")
    assert "arms.zzz={…}" in refusal(tmp_path, STUDY, "arms.zzz.learning_rate=1").hint


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("learning_rate", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("arms..full=3", "KEY=VALUE"),
        ("seed=[1", "not valid YAML"),
        ("seed={a: 1, a: 2}", "not valid YAML"),
        ("seed=!!python/name:os.system x", "not valid YAML"),
        ("name.first=x", "'name' holds a single value, 'small', and no keys"),
        ("arms.features.strategies[3].kind=full", "'arms.features.strategies' is a list"),
        ("arms.features.strategies.first=full", "'arms.features.strategies' is a list"),
        ("arms.full.learning_rat=1", "unknown key 'arms.full.learning_rat'"),
        ("arms.full.learning_rate=fast", "'arms.full.learning_rate' is not valid"),
        ("arms.full.learning_rate=null", "arms.full.learning_rate"),
        ("arms.full.search.space.learning_rate.high=7", "arms.full.search.space.learning_rate"),
        ("arms.features.search.n_trials=2", "missing key 'arms.features.search.space'"),
        ("data={name: reviews}", "missing key 'data.source'"),
        ("metric=acc", "metric: 'acc' is not a metric"),
        ("seeds.first=999999", "arms.full.search: seed indices 1000000 to 1000001 are also report seeds"),
    ],
)
def test_an_error_of_an_override_names_the_override_instead_of_a_line(tmp_path, override, words):
    error = refusal(tmp_path, STUDY, "seed=1", override)
    assert words in str(error)
    assert (error.path, error.line) == (f"--set {override}", None)


def test_an_error_of_the_file_keeps_its_line_beside_an_override(tmp_path):
    error = refusal(tmp_path, changed("batch_size: 16", "batch_size: 0"), "seed=1")
    assert (error.path, error.line) == (str(tmp_path / "study.yaml"), 4)


def test_a_folder_and_a_checkpoint_take_each_others_place_and_two_in_one_file_are_refused(tmp_path):
    of_hub, of_folder = STUDY + "encoder:\n  checkpoint: a/b\n  revision: main\n", STUDY + "encoder:\n  path: /enc\n"
    replaced = load(tmp_path, of_hub, "encoder.path=/enc")
    assert replaced.encoder.path == "/enc"
    assert replaced.encoder.checkpoint == "a/b", "left where it is: the study keeps the digest that it had"
    assert load(tmp_path, of_folder, "encoder.checkpoint=a/b").encoder.path is None
    assert load(tmp_path, of_folder, "encoder.checkpoint=sentence-transformers/all-MiniLM-L6-v2").encoder.path is None
    error = refusal(tmp_path, of_hub + "  path: /enc\n", "seed=1")
    assert error.path == str(tmp_path / "study.yaml")
    assert "'checkpoint' would be ignored" in str(error)
    assert error.line == (of_hub.splitlines().index("  checkpoint: a/b") + 1)
    error = refusal(tmp_path, of_folder, "encoder.revision=main")
    assert "'revision' would be ignored" in str(error)
    assert error.path == "--set encoder.revision=main"
    assert "'checkpoint'" in str(refusal(tmp_path, STUDY, "encoder={path: /enc, checkpoint: a/b}"))


def test_an_index_is_refused_whatever_its_length_and_the_length_of_the_list(tmp_path):
    for index in ("9" * 5000, "1"):
        error = refusal(tmp_path, STUDY, "arms.full.strategies=[{kind: full}]", f"arms.full.strategies[{index}].kind=llrd")
        assert "from 0 to 0" in (error.expected or "")
    error = refusal(tmp_path, STUDY, "arms.full.strategies=[]", "arms.full.strategies[0].kind=llrd")
    assert error.expected == "the whole list: arms.full.strategies=[…]"
