"""Arms with an encoder, head or data settings of their own: what they may change, and what all arms share."""

from __future__ import annotations

import json
import shutil

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.planning.run_specs import plan_runs
from bertft_core.report.prose.data_card_text import card_text, finding_text
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_study

BASE = {"name": "s", "data": {"source": "bundled", "name": "entities"}, "head": "token_classification"}


def study_of(arm: dict, **sections):
    return parse_study(BASE | sections | {"arms": {"base": {}, "own": arm}})


def test_an_arm_overrides_a_section_key_by_key():
    own = study_of({"head": {"crf": True}, "data": {"max_length": 64}}, data=BASE["data"] | {"doc_stride": 8}).of_arm("own")
    assert (own.head.crf, own.head.word_prediction) == (True, "first")
    assert (own.data.max_length, own.data.doc_stride) == (64, 8)


def test_an_encoder_that_is_named_keeps_nothing_of_the_studys():
    own = study_of({"encoder": {"checkpoint": "google-bert/bert-base-uncased"}}).of_arm("own").encoder
    assert (own.checkpoint, own.revision, own.weights_sha256) == ("google-bert/bert-base-uncased", None, None)


def test_another_revision_of_the_studys_encoder_has_other_weights():
    study = study_of({"encoder": {"revision": "0" * 40}})  # the default checkpoint, whose weights are pinned
    own = study.of_arm("own").encoder
    assert (own.checkpoint, own.revision, own.weights_sha256) == (study.encoder.checkpoint, "0" * 40, None)
    pinned = study_of({"encoder": {"revision": "0" * 40, "weights_sha256": "a" * 64}}).of_arm("own").encoder
    assert pinned.weights_sha256 == "a" * 64


def test_a_revision_without_a_checkpoint_is_not_ignored_where_the_study_names_a_folder():
    with pytest.raises(UserError, match=r"arms\.own\.encoder\.revision: the study's encoder has a path"):
        study_of({"encoder": {"revision": "main"}}, encoder={"path": "folder"})
    own = study_of({"encoder": {"revision": "main", "path": None}}, encoder={"path": "folder"}).of_arm("own").encoder
    assert (own.path, own.revision) == (None, "main")


def test_a_sample_of_the_training_set_keeps_the_studys_samples_of_others():
    own = study_of({"data": {"subsample": {"train": 50}}}, data=BASE["data"] | {"subsample": {"test": 40}}).of_arm("own")
    assert own.data.subsample == {"test": 40, "train": 50}


def test_null_is_the_whole_training_set():
    study = study_of({"data": {"subsample": {"train": None}}}, data=BASE["data"] | {"subsample": {"train": 40, "test": 30}})
    assert study.of_arm("own").data.subsample == {"test": 30}
    assert study.own_settings("own") == {"data.subsample.train": None, "data.subsample.test": 30}
    with pytest.raises(UserError, match=r"write {train: null} for the whole training set"):
        study_of({"data": {"subsample": None}})


def test_an_arm_that_changes_nothing_sees_the_study_itself_and_leaves_its_digest():
    study = parse_study(BASE | {"arms": {"base": {}}})
    assert study.of_arm("base") is study
    assert study.digest == parse_study(BASE | {"arms": {"base": {"encoder": None, "head": None, "data": None}}}).digest
    assert study.digest != parse_study(BASE | {"arms": {"base": {"head": {"crf": True}}}}).digest


@pytest.mark.parametrize(
    ("arm", "place"),
    [
        ({"head": {"pooling": "cls"}}, "arms.own.head.pooling"),
        ({"head": {"kind": "regression"}}, "arms.own.head.kind"),
        ({"head": {"crf": True, "word_prediction": "last"}}, "arms.own.head.word_prediction"),
        ({"data": {"max_length": 1}}, "arms.own.data.max_length"),
        ({"data": {"max_length": 16, "doc_stride": 15}}, "arms.own.data.doc_stride"),
        ({"data": {"name": "reviews"}}, "arms.own.data.name"),
        ({"data": {"subsample": {"test": 3}}}, "arms.own.data.subsample.test"),
        ({"data": {"subsample": None}}, "arms.own.data.subsample"),
        ({"encoder": {"path": "x", "checkpoint": "y"}}, "arms.own.encoder.checkpoint"),
        ({"encoder": {"arm": "y"}}, "arms.own.encoder.arm"),
        ({"strategies": [{"kind": "focal_loss"}], "head": {"crf": True}}, "arms.own.strategies"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place_in_the_arm(arm, place):
    with pytest.raises(UserError, match=place.replace(".", r"\.")):
        study_of(arm)


@pytest.mark.parametrize(
    ("arm", "key"),
    [({"data": {"labels": ["a", "b"]}}, "data.labels"), ({"head": {"kind": "x"}}, "head.kind"), ({"seeds": 3}, "seeds")],
)
def test_what_all_arms_share_is_refused_with_the_reason(arm, key):
    with pytest.raises(UserError, match=f"arms.own.{key}: an arm cannot change it; all arms share") as refused:
        study_of(arm)
    assert f"set {key} for the whole study" in refused.value.hint


def test_the_settings_that_any_arm_names_are_known_of_all():
    study = study_of({"head": {"crf": True}, "data": {"subsample": {"train": 50}}})
    assert study.own_settings("base") == {"data.subsample.train": None, "head.crf": False}
    assert study.own_settings("own") == {"data.subsample.train": 50, "head.crf": True}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arms")
    other = tiny_encoder(folder / "roberta", "roberta", seed=3)
    arms = {
        "base": {},
        "other": {"encoder": {"path": str(other)}},
        "short": {"data": {"max_length": 8}},
        "small": {"data": {"subsample": {"train": 6}}},
        "mean": {"head": {"pooling": "mean"}},
    }
    return tiny_study(folder, arms=arms)


def test_all_arms_are_scored_on_the_same_examples(prepared):
    study, card = prepared
    assert set(card.arms) == {"other", "short", "small"}
    for arm in study.arms:
        own = card.of_arm(arm)
        assert [own.splits[name].sha256 for name in card.evaluated_splits] == [
            card.splits[name].sha256 for name in card.evaluated_splits
        ]
    assert card.of_arm("small").splits["train"].n_examples == 6
    assert len({card.of_arm(arm).fingerprint for arm in study.arms}) == 4


def test_a_run_is_known_by_the_encoder_head_and_data_of_its_arm(prepared):
    study, card = prepared
    specs = {spec.arm: spec for spec in plan_runs(study, card, {}, 1)}
    assert len({spec.digest for spec in specs.values()}) == len(study.arms)
    assert specs["other"].encoder.weights_sha256 != specs["base"].encoder.weights_sha256
    assert specs["other"].encoder_dir == card.of_arm("other").encoder_dir
    assert specs["mean"].head.pooling == "mean"
    assert specs["short"].data_fingerprint == card.of_arm("short").fingerprint


def test_an_arm_alone_has_the_digests_that_it_has_in_the_study(prepared, tmp_path):
    study, card = prepared
    specs = {spec.arm: spec for spec in plan_runs(study, card, {}, 1)}
    for arm in study.arms:
        alone = study.only(arm)
        (spec,) = plan_runs(alone, prepare_data(alone, home_dir=tmp_path / arm), {}, 1)
        assert spec.digest == specs[arm].digest


def test_the_card_in_words_has_the_data_of_each_arm_and_no_finding_twice(prepared):
    _, card = prepared
    text = card_text(card)
    assert text.count("fingerprint  ") == 1 + len(card.arms)
    assert [f"arm {arm}: " in text for arm in card.arms] == [True] * len(card.arms)
    assert "max_length   8 tokens; length is the mean after truncation" in text
    windows = {name: split.model_copy(update={"n_windows": split.n_examples + 1}) for name, split in card.splits.items()}
    assert "length is the mean of all windows of an input" in card_text(card.model_copy(update={"splits": windows, "arms": {}}))
    for finding in card.findings:
        assert text.count(f"- {finding.check}: {finding_text(finding)}") == 1


def test_encoders_that_differ_in_what_no_digest_knows_need_folders_of_different_names(tmp_path):
    """Their runs have the same digest: one arm would be given the results of the other."""
    _, card = tiny_study(tmp_path)
    other = tmp_path / "elsewhere" / card.encoder.checkpoint
    shutil.copytree(card.encoder_dir, other)
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(settings | {"hidden_dropout_prob": 0.4}))
    arms = {"full": {}, "dropped": {"encoder": {"path": str(other)}}}
    with pytest.raises(UserError) as caught:
        tiny_study(tmp_path, arms=arms)
    assert caught.value.code == "arm.encoders-of-one-name"
    assert caught.value.found == f"{card.encoder_dir} and {other}"
    arms["dropped"]["encoder"]["path"] = str(other.rename(other.with_name("dropped")))
    study, card = tiny_study(tmp_path, arms=arms)
    assert len({spec.digest for spec in plan_runs(study, card, {}, 1)}) == 2


@pytest.mark.parametrize(
    ("own", "shared", "message"),
    [
        ({"data": {"max_length": 600}}, {}, ["arms.own: ", "arms.own.data.max_length"]),
        ({"encoder": {"path": "nowhere"}}, {}, ["arms.own: ", "arms.own.encoder.path"]),
        (
            {"data": {"subsample": {"train": 8}}},
            {"seeds": {"n": 1, "design": {"split": {"folds": 2}}}, "data": {"validation": None, "test": None}},
            ["use arms.own.train_examples"],
        ),
    ],
)
def test_a_mistake_in_what_one_arm_reads_names_the_arm(tmp_path, own, shared, message):
    with pytest.raises(UserError) as caught:
        prepare_data(tiny_study(tmp_path, arms={"base": {}, "own": own}, **shared)[0], home_dir=tmp_path / "home")
    assert all(part in str(caught.value) for part in message), caught.value
