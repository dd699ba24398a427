"""Settings that would do nothing or cannot work are refused when they are asked for; a study that was stored with them opens."""

from __future__ import annotations

from typing import Any

import pytest

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.data.study_checks import refuse_missing_layers
from bertft_core.planning.plan_checks import refuse_idle_averages, refuse_idle_unfreezing
from flows.cli.compare_command import MAX_NAME, _folder_name
from tests.helpers.small_records import make_card, make_study

FILES = {"source": "files", "train": "a.csv"}
WEIGHTS = {"kind": "class_weights"}
SWA = {"kind": "swa", "last": 3}


def asked(**changes: Any) -> dict[str, Any]:
    return {"name": "idle", "data": FILES, "arms": {"full": {}}} | changes


def weighted(**settings: Any) -> dict[str, Any]:
    return asked(arms={"full": {"strategies": [WEIGHTS | settings]}})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (asked(data=FILES | {"text": "label"}), "data.label: the column 'label' is also data.text"),
        (asked(data=FILES | {"text": ["body", "body"]}), "data.text: the column 'body' is named twice"),
        (asked(data=FILES | {"text": ["a", "b"], "label": "b"}), "data.label: the column 'b' is also data.text"),
        (
            asked(head="token_classification", data=FILES | {"tokens": "0", "tags": "0"}),
            "data.tags: the column '0' is also data.tokens",
        ),
        (asked(head="question_answering", data=FILES | {"question": "context"}), "data.context: the column 'context' is"),
        (asked(data=FILES | {"test": "t.csv", "split": {"test_ratio": 0.1}}), "data.split.test_ratio: data.test is given"),
        (weighted(beta=0.9), "arms.full.strategies[0].beta: "),
        (weighted(beta=0.9, weights={"good": 2.0}), "arms.full.strategies[0].beta: "),
        (
            asked(arms={"full": {"search": {"space": {"learning_rate": {"choices": [1e-3, 1e-4, 0.001]}}}}}),
            "arms.full.search.space.learning_rate.choices: 0.001 is listed twice",
        ),
        (
            asked(arms={"full": {"search": {"space": {"weight_decay": {"choices": [0, 0.0]}}}}}),
            "arms.full.search.space.weight_decay.choices: 0.0 is listed twice",
        ),
        (asked(arms={"é" * 101: {}}), "the name has 202 bytes"),
        (asked(data=FILES | {"out_of_domain": {"far" * 70: "f.csv"}}), "the name has 210 bytes"),
    ],
)
def test_an_unused_setting_is_refused_in_a_config_and_accepted_in_a_stored_study(values, problem):
    with pytest.raises(UserError) as refused:
        parse_study(values)
    assert problem in str(refused.value)
    assert StudyConfig.model_validate(values).name == "idle"


def test_what_does_something_is_not_refused():
    for values in (
        asked(head="masked_lm", data=FILES | {"text": "label"}),
        weighted(weights="effective_number", beta=0.9),
        asked(arms={"a" * 200: {}}),
        asked(data=FILES | {"split": {"test_ratio": 0.1}}),
    ):
        assert parse_study(values)


def test_averaging_a_single_evaluation_is_refused_unless_a_search_may_choose_more(tmp_path):
    card, once = make_card(tmp_path), {"epochs": 1}
    with pytest.raises(UserError, match=r"arms\.full\.strategies: swa has nothing to average") as refused:
        refuse_idle_averages(make_study(arms={"full": {"strategies": [SWA]}}, training=once), card)
    assert refused.value.found == "last: 3 evaluations, but a run makes only one"
    refuse_idle_averages(make_study(arms={"full": {"strategies": [SWA | {"last": 1}]}}, training=once), card)
    refuse_idle_averages(make_study(arms={"full": {"strategies": [SWA]}}, training={"epochs": 2}), card)
    search = {"space": {"epochs": {"choices": [1, 2]}}, "n_trials": 2}
    refuse_idle_averages(make_study(arms={"full": {"strategies": [SWA], "search": search}}, training=once), card)


@pytest.mark.parametrize(
    ("pace", "n_epochs"), [({}, 2), ({"every_epochs": 0}, 1), ({"every_epochs": 0.5}, 1), ({"every_steps": 4}, 1)]
)
def test_unfreezing_that_begins_in_a_run_is_accepted(tmp_path, pace, n_epochs):
    """80 examples in batches of 16 make 5 steps of an epoch."""
    refuse_idle_unfreezing(unfreezing(pace, epochs=n_epochs), make_card(tmp_path))


@pytest.mark.parametrize("pace", [{}, {"every_steps": 5}, {"every_steps": 100}, {"every_epochs": 3.0}])
def test_unfreezing_that_begins_after_the_last_step_is_refused_unless_a_search_may_choose_more(tmp_path, pace):
    card = make_card(tmp_path)
    with pytest.raises(UserError, match=r"arms\.full\.strategies: gradual_unfreezing never unfreezes anything"):
        refuse_idle_unfreezing(unfreezing(pace, epochs=1), card)
    refuse_idle_unfreezing(unfreezing(pace, search={"space": {"epochs": {"choices": [1, 9]}}, "n_trials": 2}, epochs=1), card)


def test_an_epoch_of_a_subset_is_as_long_as_the_subset(tmp_path):
    """16 of the 80 examples make one step of an epoch: the first layers are unfrozen after step 1 of 3."""
    strategies = [{"kind": "gradual_unfreezing"}]
    study = make_study(arms={"full": {"strategies": strategies, "train_examples": 16}}, training={"batch_size": 16, "epochs": 3})
    refuse_idle_unfreezing(study, make_card(tmp_path))


def unfreezing(pace: dict[str, Any], search: dict[str, Any] | None = None, **training: Any) -> StudyConfig:
    strategies = [{"kind": "gradual_unfreezing"} | pace]
    return make_study(arms={"full": {"strategies": strategies, "search": search}}, training={"batch_size": 16} | training)


@pytest.mark.parametrize(
    ("strategy", "accepted"),
    [
        ({"kind": "freezing", "layers": 2}, True),
        ({"kind": "freezing", "layers": 3}, False),
        ({"kind": "reinit", "layers": 3}, False),
        ({"kind": "gradual_unfreezing", "layers": 3}, True),
        ({"kind": "gradual_unfreezing", "layers": 4}, False),
    ],
)
def test_more_layers_than_the_encoder_has_are_refused(strategy, accepted):
    """Two layers; gradual unfreezing has one stage more, the embeddings."""
    study = make_study(arms={"full": {"strategies": [strategy]}})
    if accepted:
        refuse_missing_layers(study, "full", {"model_type": "bert", "num_hidden_layers": 2})
    else:
        with pytest.raises(UserError, match=f"{strategy['kind']} names more layers than the encoder has"):
            refuse_missing_layers(study, "full", {"model_type": "bert", "num_hidden_layers": 2})


def test_the_folder_of_a_comparison_of_many_long_names_has_a_name_that_fits():
    assert _folder_name(["a", "b"]) == "a+b"
    long = ["x" * 100, "y" * 100, "z" * 100]
    assert len(_folder_name(long)) == MAX_NAME
    assert _folder_name(long) != _folder_name([*long[:2], "w" * 100])
