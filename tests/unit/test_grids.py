"""Arms with a grid: which arms they become, what these are known by, and where mistakes are reported."""

from __future__ import annotations

import pytest

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.config.grids import MAX_ARMS

BASE = {"name": "g", "data": {"source": "bundled", "name": "reviews"}}


def study_of(grid, *overrides, **arm):
    return parse_study(BASE | {"arms": {"base": {}, "x": {"grid": grid, **arm}}}, overrides)


def test_every_combination_is_an_arm_and_the_last_key_varies_fastest():
    study = study_of({"learning_rate": [1e-5, 3e-5], "batch_size": [8, 16]}, epochs=2)
    assert list(study.arms) == ["base", "x-g01", "x-g02", "x-g03", "x-g04"]
    assert [study.arms[arm].grid_values for arm in ("x-g02", "x-g03")] == [
        {"learning_rate": 1e-5, "batch_size": 16},
        {"learning_rate": 3e-5, "batch_size": 8},
    ]
    assert study.training_of("x-g03").learning_rate == 3e-5
    assert {study.training_of(f"x-g0{i}").epochs for i in range(1, 5)} == {2}


def test_any_setting_of_an_arm_can_be_in_it_dotted_or_nested():
    dotted = {
        "data.subsample.train": [50],
        "head.pooling": ["mean"],
        "encoder.checkpoint": ["a/b"],
        "strategies.llrd.decay": [0.8],
    }
    nested = {
        "data": {"subsample": {"train": [50]}},
        "head": {"pooling": ["mean"]},
        "encoder": {"checkpoint": ["a/b"]},
        "strategies": {"llrd": {"decay": [0.8]}},
    }
    study = study_of(dotted)
    assert study.arms == study_of(nested).arms
    own = study.of_arm("x-g01")
    assert (own.data.subsample, own.head.pooling, own.encoder.checkpoint) == ({"train": 50}, "mean", "a/b")
    assert [(each.kind, each.decay) for each in study.arms["x-g01"].strategies] == [("llrd", 0.8)]


def test_a_strategy_can_be_on_and_off_and_keeps_its_other_settings():
    study = study_of({"strategies.mixout": [None, {}, {"p": 0.3}]}, strategies=[{"kind": "llrd", "decay": 0.7}])
    kinds = [[each.kind for each in study.arms[f"x-g0{i}"].strategies] for i in (1, 2, 3)]
    assert kinds == [["llrd"], ["llrd", "mixout"], ["llrd", "mixout"]]
    changed = study_of({"strategies.freezing.layers": [1, 2]}, strategies=[{"kind": "freezing", "embeddings": False}])
    assert [(s.layers, s.embeddings) for i in (1, 2) for s in changed.arms[f"x-g0{i}"].strategies] == [(1, False), (2, False)]
    for off_and_on in ([None, {}], [False, True]):
        alone = study_of({"strategies.mixout": off_and_on})
        assert [each.kind for arm in alone.arms.values() for each in arm.strategies if arm.grid_values] == ["full", "mixout"]


def test_a_stored_study_is_read_back_as_it_is_and_arms_without_grids_keep_their_digest():
    study = study_of({"learning_rate": [1e-5, 3e-5]})
    again = StudyConfig.model_validate_json(study.model_dump_json())
    assert again == study
    assert again.digest == study.digest
    plain = {"base": {}, "a": {"learning_rate": 1e-5}}
    assert parse_study(BASE | {"arms": plain}).digest == parse_study(BASE | {"arms": plain, "max_arms": 7}).digest


def test_an_override_may_name_the_grid_or_an_arm_that_it_makes():
    study = study_of({"learning_rate": [1e-5, 3e-5]}, "arms.x-g02.epochs=7", "arms.x-g01.epochs=5")
    assert [study.training_of(arm).epochs for arm in ("x-g01", "x-g02")] == [5, 7]
    assert len(study_of({"learning_rate": [1e-5, 3e-5]}, "arms.x.grid.batch_size=[8,16,32]").arms) == 1 + 6


@pytest.mark.parametrize(
    ("grid", "arm", "place"),
    [
        ([1], {}, "arms.x.grid: it is not a mapping"),
        ({}, {}, "arms.x.grid: it is not a mapping"),
        ({"learning_rate": 1e-5}, {}, "arms.x.grid.learning_rate: it is not a list"),
        ({"learning_rate": []}, {}, "arms.x.grid.learning_rate: it is not a list"),
        ({"batch_size": [8, 8]}, {}, "arms.x.grid.batch_size: a value is listed twice"),
        ({"batch_size": [8]}, {"batch_size": 16}, "arms.x.grid.batch_size: the arm itself gives"),
        ({"strategies.llrd.decay": [0.8]}, {"strategies": [{"kind": "llrd", "decay": 0.7}]}, "arms.x.grid.strategies.llrd.decay"),
        ({"strategies.mixout": ["off", "on"]}, {}, "arms.x.grid.strategies.mixout: 'off' turns the strategy neither on nor off"),
        ({"strategies.mixout": [False, True], "strategies.mixout.p": [0.1]}, {}, "the grid has settings of this strategy too"),
        ({"batch_size": list(range(1, 60))}, {}, "arms.x.grid: it makes 59 arms"),
        (
            {key: list(range(10**3)) for key in ("epochs", "batch_size", "max_steps", "warmup_ratio")},
            {},
            "it makes 1000000000000",
        ),
        ({"learning": [1e-5]}, {}, "unknown key 'arms.x.grid.learning'"),
        ({"batch_size": [8, True]}, {}, "'arms.x.grid.batch_size' is not valid"),
    ],
)
def test_what_cannot_be_expanded_is_refused_by_its_name(grid, arm, place):
    with pytest.raises(UserError) as refused:
        study_of(grid, **arm)
    assert place in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("grid", "place", "hint"),
    [
        ({"learning_rat": [1e-5, 3e-5]}, "arms.x.grid.learning_rat", "did you mean 'learning_rate'?"),
        ({"strategies.llrd.deca": [0.8, 0.9]}, "arms.x.grid.strategies.llrd.deca", "did you mean 'decay'?"),
        ({"strategies": {"lrd": {"decay": [0.8, 0.9]}}}, "arms.x.grid.strategies.lrd.decay", "did you mean 'llrd'?"),
        ({"strategies.mixout": [None, {"pp": 0.3}]}, "arms.x.grid.strategies.mixout.pp", "did you mean 'p'?"),
        ({"learning_rate": [1e-5, "abc"]}, "arms.x.grid.learning_rate", "write a number"),
        ({"data.subsample.test": [10, 20]}, "arms.x.grid.data.subsample.test", "set data.subsample for the whole study"),
    ],
)
def test_a_mistake_is_named_once_as_it_is_written(grid, place, hint):
    with pytest.raises(UserError) as refused:
        study_of(grid)
    assert place in refused.value.problem
    assert "x-g01.strategies" not in str(refused.value)
    assert refused.value.hint == hint


def test_the_limit_can_be_raised_and_counts_all_arms():
    sizes = list(range(1, MAX_ARMS))
    assert len(study_of({"batch_size": sizes}).arms) == MAX_ARMS
    with pytest.raises(UserError, match=f"the study would have {MAX_ARMS + 1}; max_arms is {MAX_ARMS}"):
        study_of({"batch_size": [*sizes, MAX_ARMS]})
    assert len(study_of({"batch_size": [*sizes, MAX_ARMS]}, f"max_arms={MAX_ARMS + 1}").arms) == MAX_ARMS + 1


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(UserError, match="its grid makes an arm 'x-g01', and there is one"):
        parse_study(BASE | {"arms": {"x": {"grid": {"batch_size": [8, 16]}}, "x-g01": {}}})


def test_mistakes_in_a_file_have_the_line_of_the_grid(tmp_path):
    path = tmp_path / "g.yaml"
    text = "name: g\ndata: {source: bundled, name: reviews}\narms:\n  x:\n    grid:\n      batch_size: [8]\n      SETTING\n"
    for setting in ("learning_rate: [7, 1e-5]", "strategies.llrd.decay: [0.8, 9]", "data.subsample.train: [1]", "nonsense: [1]"):
        path.write_text(text.replace("SETTING", setting))
        with pytest.raises(UserError) as refused:
            load_study(path)
        assert (refused.value.path, refused.value.line) == (str(path), 7), setting
