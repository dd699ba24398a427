"""A search over anything an arm may name: what it may choose, and that a trial is the arm that would be written so."""

from __future__ import annotations

import json

import pytest

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.config.search_space import SEARCHABLE
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.planning.plan_checks import refuse_unusable_plan
from bertft_core.planning.run_specs import plan_runs, plan_trial, search_digest
from bertft_core.report.prose.data_card_text import card_text
from bertft_core.storage.study_results import StudyResults
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_study, tiny_tagged_study

BASE = {"name": "s", "data": {"source": "bundled", "name": "entities"}, "head": "token_classification"}
ON_OFF = {"choices": [True, False]}
DECAY = {"low": 0.5, "high": 1.0}
PLACE = "arms.full.search.space."


def searched(space: dict, arm: dict | None = None, overrides=(), **sections) -> StudyConfig:
    return parse_study(BASE | sections | {"arms": {"full": {"search": {"space": space}} | (arm or {})}}, overrides)


def written(arm: dict, **sections) -> StudyConfig:
    return parse_study(BASE | sections | {"arms": {"full": arm}})


@pytest.mark.parametrize(
    ("arm", "settings", "same"),
    [
        ({}, {"strategies.llrd.decay": 0.7}, {"strategies": [{"kind": "llrd", "decay": 0.7}]}),
        (
            {"strategies": [{"kind": "full"}]},
            {"strategies.freezing.layers": 2},
            {"strategies": [{"kind": "freezing", "layers": 2}]},
        ),
        ({}, {"strategies.mixout": False}, {}),
        (
            {},
            {"strategies.mixout": False, "strategies.freezing.layers": 2},
            {"strategies": [{"kind": "freezing", "layers": 2}]},
        ),
        ({"strategies": [{"kind": "mixout"}]}, {"strategies.mixout": False}, {}),
        (
            {"strategies": [{"kind": "mixout", "p": 0.7}]},
            {"strategies.mixout": True},
            {"strategies": [{"kind": "mixout", "p": 0.7}]},
        ),
        (
            {"strategies": [{"kind": "gradual_unfreezing"}]},
            {"strategies.gradual_unfreezing.every_steps": 5},
            {"strategies": [{"kind": "gradual_unfreezing", "every_steps": 5}]},
        ),
        ({}, {"train_examples": 50, "train_subsets": "fixed"}, {"train_examples": 50, "train_subsets": "fixed"}),
        ({"head": {"crf": False}}, {"head.crf": True}, {"head": {"crf": True}}),
        ({}, {"data.max_length": 64, "data.subsample.train": 50}, {"data": {"max_length": 64, "subsample": {"train": 50}}}),
        ({"epochs": 3}, {"max_steps": 7, "data.max_length": 64}, {"epochs": None, "max_steps": 7, "data": {"max_length": 64}}),
    ],
)
def test_a_trial_is_the_arm_that_would_be_written_so(arm, settings, same):
    for study in (written(arm), StudyConfig.model_validate_json(written(arm).model_dump_json())):
        decided, expected = study.decided({"full": settings}), written(same)
        assert decided.training_of("full", settings) == expected.training_of("full")
        assert decided.own_settings("full").get("train_examples") == same.get("train_examples")
        assert decided.arms["full"].train_subsets == expected.arms["full"].train_subsets
        assert decided.arms["full"].strategies == expected.arms["full"].strategies
        assert (decided.of_arm("full").head, decided.of_arm("full").data) == (
            expected.of_arm("full").head,
            expected.of_arm("full").data,
        )


def test_a_search_of_training_settings_alone_decides_nothing_else():
    study = searched({"learning_rate": {"choices": [1e-5, 1e-4]}})
    assert study.decided({"full": {"learning_rate": 1e-4}}) is study
    assert study.variants() == []


@pytest.mark.parametrize(
    ("space", "place", "words"),
    [
        ({"strategies.llrd.decay": {"low": 0.5, "high": 1.5}}, "strategies.llrd.decay", "decay must be less than or equal to 1"),
        ({"strategies.llrd.decai": DECAY}, "strategies.llrd.decai", "known are strategies.llrd.decay"),
        ({"strategies.lrd.decay": DECAY}, "strategies.lrd.decay", "unknown setting"),
        ({"strategies.mixout": {"low": 0, "high": 1}}, "strategies.mixout", "on or off"),
        ({"strategies.mixout": {"choices": [True, 1]}}, "strategies.mixout", "on or off"),
        ({"strategies.freezing": ON_OFF}, "strategies.freezing", "layers is missing"),
        ({"strategies.freezing.layers": {"low": 0, "high": 3}}, "strategies.freezing.layers", "add `integer: true`"),
        ({"strategies.focal_loss": ON_OFF, "head.crf": ON_OFF}, "strategies.focal_loss", "does not work with a CRF"),
        (
            {"strategies.swa": ON_OFF, "strategies.early_stopping.patience": {"choices": [2]}},
            "strategies.swa",
            "cannot be combined",
        ),
        ({"strategies.early_stopping.patience": {"choices": ["2"]}}, "strategies.early_stopping.patience", "'2' would become 2"),
        ({"strategies.oversampling.ratio": {"choices": [1.0]}}, "strategies.oversampling.ratio", "does not work with the head"),
        ({"head.pooling": {"choices": ["cls"]}}, "head.pooling", "has no such setting"),
        ({"head.crf": {"choices": [1, 0]}}, "head.crf", "neither true nor false"),
        ({"head.crf": {"low": 0, "high": 1}}, "head.crf", "neither true nor false"),
        ({"head.word_prediction": {"choices": ["first", "third"]}}, "head.word_prediction", "'third'"),
        ({"head.crf": ON_OFF, "head.word_prediction": {"choices": ["first", "mean"]}}, "head.word_prediction", "the CRF reads"),
        ({"data.max_length": {"choices": [64, "128"]}}, "data.max_length", "'128' would become 128"),
        ({"data.max_length": {"choices": [64, True]}}, "data.max_length", "a boolean where a number is meant"),
        ({"data.max_length": {"low": 16, "high": 17}}, "data.max_length", "add `integer: true`"),
        ({"data.max_length": {"choices": [64, 1]}}, "data.max_length", "max_length 1"),
        (
            {"data.max_length": {"choices": [64, 16]}, "data.doc_stride": {"choices": [4, 14]}},
            "data.doc_stride",
            "cannot advance",
        ),
        ({"data.extra_train": {"choices": ["more.jsonl"]}}, "data.extra_train", "extra_train"),
        ({"encoder.arm": {"choices": ["a"]}}, "encoder.arm", "an earlier study"),
        ({"batch_size": {"choices": [8, True]}}, "batch_size.choices[1]", "no training setting is true or false"),
        ({"strategies": {"llrd": {"decay": DECAY}}, "strategies.llrd.decay": DECAY}, "strategies.llrd.decay", "given twice"),
    ],
)
def test_what_no_arm_can_have_is_refused_at_its_place_in_the_space(space, place, words):
    with pytest.raises(UserError) as refused:
        searched(space)
    assert refused.value.problem.startswith(f"{PLACE}{place}: ")
    assert words in f"{refused.value.problem}; {refused.value.hint}"
    assert refused.value.hint


@pytest.mark.parametrize("metric", ["test/f1", "accuracy_of_all"])
def test_no_trial_stops_by_another_split(metric):
    stopping = {
        "strategies.early_stopping.patience": {"choices": [2]},
        "strategies.early_stopping.metric": {"choices": ["f1", metric]},
    }
    with pytest.raises(UserError, match=r"space\.strategies\.early_stopping\.metric"):
        searched(stopping)


def test_a_strategy_may_be_on_or_off_beside_one_that_freezes():
    space = {"strategies.llrd": ON_OFF, "strategies.freezing.layers": {"choices": [1, 2]}}
    tried = [searched(space).decided({"full": settings}) for _, settings in searched(space).tried_arms()]
    assert {tuple(each.kind for each in study.arms["full"].strategies) for study in tried} == {
        ("full",), ("freezing",), ("freezing", "llrd")
    }  # fmt: skip


def test_settings_of_a_strategy_that_is_turned_off_are_not_tried():
    space = {"strategies.mixout": ON_OFF, "strategies.mixout.p": {"low": 0.1, "high": 0.9}, "strategies.llrd.decay": DECAY}
    tried = [settings for _, settings in searched(space).tried_arms() if settings]
    assert {settings["strategies.mixout"] for settings in tried} == {True, False}
    assert all(("strategies.mixout.p" in settings) == settings["strategies.mixout"] for settings in tried)


@pytest.mark.parametrize("encoder", [{"checkpoint": "x/y", "revision": "c"}, {"revision": "c"}, {"checkpoint": "x/y"}, {}])
@pytest.mark.parametrize("space", [("checkpoint",), ("revision",), ("checkpoint", "revision")])
def test_the_arm_alone_has_the_trials_that_it_has_among_others(encoder, space):
    """As `bertft replay` prepares them: a revision that the arm names is kept by a checkpoint that the search chooses."""
    choices = {"checkpoint": ["x/y", "x/z"], "revision": ["a", "b"]}
    study = searched(
        {f"encoder.{key}": {"choices": choices[key]} for key in space},
        {"encoder": encoder} if encoder else {},
        encoder={"checkpoint": "u/v", "revision": "d", "weights_sha256": "5" * 64},
    )
    alone = study.only("full")
    assert alone.variants() == study.variants() != []
    for arm, settings in study.variants():
        decided = study.decided({arm: settings}).of_arm(arm).encoder
        assert decided.revision == settings.get("encoder.revision", encoder.get("revision"))
        assert alone.decided({arm: settings}).of_arm(arm).encoder == decided


def test_too_many_data_sets_are_refused():
    with pytest.raises(UserError, match=r"search\.space.* 97 prepared data sets; at most 50"):
        searched({"data.max_length": {"low": 32, "high": 128, "integer": True}})


def test_every_searchable_key_is_one_of_an_arm():
    assert {"strategies.llrd.decay", "strategies.mixout", "head.crf", "data.max_length", "encoder.path"} <= set(SEARCHABLE)
    assert not {"strategies.full", "head.kind", "data.name", "strategies.llrd.kind"} & set(SEARCHABLE)


def test_overrides_reach_dotted_settings_whether_they_are_there_or_not():
    dotted = searched({"strategies.llrd.decay": DECAY}, overrides=[f"{PLACE}strategies.llrd.decay.high=0.9"])
    assert dotted.arms["full"].search.space["strategies.llrd.decay"].high == 0.9
    added = searched({"learning_rate": {"choices": [1e-4]}}, overrides=[f"{PLACE}strategies.llrd.decay={{low: 0.5, high: 1}}"])
    assert list(added.arms["full"].search.space) == ["learning_rate", "strategies.llrd.decay"]
    with pytest.raises(UserError) as refused:
        searched({"learning_rate": {"choices": [1e-4]}}, overrides=[f"{PLACE}strategies.llrd.decay={{low: 0.5, high: 2}}"])
    assert refused.value.path.startswith("--set arms.full")


def test_a_wrong_end_is_found_in_the_file_nested_or_dotted(tmp_path):
    head = json.dumps(BASE)[1:-1]
    for n, space in enumerate(('"strategies.llrd.decay": {high: 1}', "strategies: {\n    llrd: {\n     decay: {high: 1}}}")):
        path = tmp_path / f"{n}.yaml"
        path.write_text(f"{{{head},\n arms: {{full: {{search: {{space: {{\n  {space}}}}}}}}}}}\n")
        with pytest.raises(UserError) as refused:
            load_study(path)
        assert refused.value.line == (3, 5)[n]


def test_paths_of_searched_encoders_start_at_the_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(BASE | {"arms": {"full": {"search": {"space": {"encoder.path": {"choices": ["a", "b"]}}}}}}))
    space = load_study(path).arms["full"].search.space
    assert space["encoder.path"].choices == (str(tmp_path / "a"), str(tmp_path / "b"))


@pytest.fixture(scope="module")
def two_by_two(tmp_path_factory):
    """A search over two lengths and the CRF, with its data prepared."""
    space = {"data.max_length": {"choices": [48, 12]}, "head.crf": ON_OFF, "learning_rate": {"choices": [1e-3, 1e-4]}}
    return tiny_tagged_study(tmp_path_factory.mktemp("searched"), arms={"plain": {}, "full": {"search": {"space": space}}})


def test_every_choice_of_data_has_its_card(two_by_two):
    study, card = two_by_two
    lengths = {params["data.max_length"]: params for params in ({"data.max_length": n, "head.crf": True} for n in (12, 48))}
    specs = {n: plan_trial(study, card, "full", params, trial=0)[0] for n, params in lengths.items()}
    assert specs[12].data_fingerprint != specs[48].data_fingerprint == card.fingerprint
    assert [specs[n].head.crf for n in (12, 48)] == [True, True]
    for n, spec in specs.items():
        assert card.of_run(spec).max_length == n
        assert spec.prepared_dir == card.of_run(spec).directory
    assert "arm full with data.max_length 12, head.crf True: its own encoder or data" in card_text(card)


def test_report_runs_have_what_was_chosen(two_by_two):
    study, card = two_by_two
    chosen = {"full": {"data.max_length": 12, "head.crf": True, "learning_rate": 1e-4}}
    plain, full = plan_runs(study, card, chosen, 1)
    assert (full.head.crf, full.training.learning_rate, card.of_run(full).max_length) == (True, 1e-4, 12)
    assert (plain.head.crf, card.of_run(plain).max_length) == (False, 48)
    assert plain == plan_runs(study, card, {}, 1)[0]


def test_the_search_knows_every_data_set_that_it_can_choose(two_by_two):
    study, card = two_by_two
    other = card.model_copy(update={"searched": card.searched[:1]})
    assert search_digest(study, card, "full") != search_digest(study, other, "full")
    assert {each.card.max_length for each in card.searched} == {12}


def test_the_search_knows_the_content_of_the_files_that_its_arm_replays_and_no_path(two_by_two):
    _, card = two_by_two

    def digest(path: str, **sha256: str) -> str:
        space = {"space": {"strategies.replay": ON_OFF}}
        study = written({"strategies": [{"kind": "replay", "text": path}], "search": space})
        return search_digest(study, card.model_copy(update={"raw_texts": sha256}), "full")

    digests = [digest("a.txt", **{"a.txt": "1"}), digest("b.txt", **{"b.txt": "1", "other.txt": "2"})]
    assert digests[0] == digests[1] != digest("a.txt", **{"a.txt": "2"})


def test_results_see_each_arm_with_what_was_chosen(two_by_two, tmp_path):
    study, card = two_by_two
    results = StudyResults(study, card, None, {})
    assert results.decided is results
    sweep = type("Sweep", (), {"chosen": {"data.max_length": 12, "head.crf": True}})()
    decided = StudyResults(study, card, None, {}, (), {"full": sweep})
    assert decided.study is study
    assert (decided.of_arm("full").study.head.crf, decided.of_arm("full").card.max_length) == (True, 12)
    assert decided.decided.study.own_settings("full") == {"data.max_length": 12, "head.crf": True}


def test_more_layers_than_any_chosen_encoder_has_are_refused_before_anything_runs(tmp_path):
    space = {"strategies.freezing.layers": {"low": 0, "high": 40, "integer": True}}
    with pytest.raises(UserError, match=r"arms\.full\.search\.space: freezing names more layers") as refused:
        tiny_study(tmp_path, arms={"full": {"search": {"space": space}}})
    assert refused.value.found == "layers: 40"


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"strategies.swa": ON_OFF, "epochs": {"choices": [3, 1]}}, "swa has nothing to average"),
        ({"epochs": {"choices": [1, 100_000_000]}}, "would never end"),
    ],
)
def test_plans_that_cannot_work_are_refused_if_a_search_can_choose_them(tmp_path, space, words):
    study, card = tiny_study(tmp_path, arms={"full": {"search": {"space": space}}})
    with pytest.raises(UserError, match=words):
        refuse_unusable_plan(study, card)
    refuse_unusable_plan(
        study.model_copy(update={"arms": {"full": study.arms["full"].model_copy(update={"search": None})}}), card
    )


def test_encoders_can_be_chosen_between(tmp_path):
    other = str(tiny_encoder(tmp_path / "other", "roberta", seed=3))
    study, card = tiny_study(tmp_path)
    here = study.encoder.path
    arms = {"full": {"search": {"space": {"encoder.path": {"choices": [here, other]}, "strategies.llrd.decay": DECAY}}}}
    study = parse_study(study.model_dump(mode="json") | {"arms": arms})
    card = prepare_data(study, home_dir=tmp_path / "home")
    spec = plan_trial(study, card, "full", {"encoder.path": other, "strategies.llrd.decay": 0.6}, trial=0)[0]
    assert (spec.encoder_dir, spec.strategies[0].decay) == (other, 0.6)
    assert (
        plan_trial(study, card, "full", {"encoder.path": here, "strategies.llrd.decay": 0.6}, trial=0)[0].encoder == card.encoder
    )
