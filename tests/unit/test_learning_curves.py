"""An arm with a learning curve becomes one arm for each size, each with a subset of its own seed; and what is refused."""

from __future__ import annotations

import pytest

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.data.study_checks import refuse_unfit_subset
from bertft_core.planning.run_specs import plan_repeats, plan_runs, plan_trial, search_digest
from bertft_core.training.cost_estimate import planned_steps
from tests.helpers.small_records import make_card

BASE = {"name": "c", "data": {"source": "bundled", "name": "reviews"}}
SIZES = [20, 8, 80]


def study_of(curve, *overrides, base=BASE, **arm):
    return parse_study(base | {"arms": {"x": {"learning_curve": curve, **arm}}}, overrides)


def test_every_size_is_an_arm_named_by_it_in_equal_width():
    study = study_of({"sizes": SIZES}, epochs=2)
    assert list(study.arms) == ["x-n08", "x-n20", "x-n80"]
    assert [arm.grid_values for arm in study.arms.values()] == [{"train_examples": size} for size in sorted(SIZES)]
    assert [arm.train_examples for arm in study.arms.values()] == sorted(SIZES)
    assert {study.training_of(arm).epochs for arm in study.arms} == {2}
    assert StudyConfig.model_validate_json(study.model_dump_json()) == study
    assert study.own_settings("x-n20") == {"train_examples": 20}


def test_a_grid_can_have_sizes_beside_other_settings():
    study = parse_study(BASE | {"arms": {"x": {"grid": {"train_examples": [8, 20], "learning_rate": [1e-5, 3e-5]}}}})
    assert [arm.train_examples for arm in study.arms.values()] == [8, 8, 20, 20]


def test_an_override_may_name_an_arm_that_it_makes():
    study = study_of({"sizes": SIZES}, "arms.x-n20.epochs=7")
    assert [study.training_of(arm).epochs for arm in study.arms] == [3, 7, 3]


def test_each_seed_has_a_subset_of_its_own_that_all_arms_of_the_seed_share(tmp_path):
    arms = {"full": {}, "x": {"learning_curve": {"sizes": SIZES}}, "y": {"train_examples": 20, "batch_size": 4}}
    study, card = parse_study(BASE | {"arms": arms, "seeds": {"n": 3, "repeats": 1}}), make_card(tmp_path)
    specs = plan_runs(study, card, {})
    subsets = {(spec.arm, spec.index): spec.seeds.examples for spec in specs}
    assert {seed for (arm, _), seed in subsets.items() if arm == "full"} == {None}
    drawn = [{seed for (arm, index), seed in subsets.items() if index == i and arm != "full"} for i in range(3)]
    assert [len(seeds) for seeds in drawn] == [1, 1, 1]
    assert len(set.union(*drawn)) == 3
    assert all(not {spec.seeds.init, spec.seeds.order, spec.seeds.dropout} & drawn[spec.index] for spec in specs)
    assert len({spec.setting_digest for spec in specs}) == 5
    assert len({spec.digest for spec in specs}) == 15
    of_first = {spec.arm: spec.seeds for spec in specs if spec.index == 0}
    assert all(spec.seeds == of_first[spec.arm] for spec in plan_repeats(study, card, {}))


def test_fixed_subsets_are_the_same_for_all_seeds(tmp_path):
    study = study_of({"sizes": SIZES, "subsets": "fixed"})
    assert len({spec.seeds.examples for spec in plan_runs(study, make_card(tmp_path), {})}) == 1
    assert study.digest != study_of({"sizes": SIZES}).digest


def test_a_search_draws_subsets_of_its_own_and_is_another_one_for_another_size(tmp_path):
    search = {"space": {"learning_rate": {"low": 1e-5, "high": 1e-3}}}
    study, card = study_of({"sizes": [8, 20]}, search=search), make_card(tmp_path)
    trial = plan_trial(study, card, "x-n20", {}, trial=0)
    assert {spec.train_examples for spec in trial} == {20}
    report = {spec.seeds.examples for spec in plan_runs(study, card, {})}
    assert len(report | {spec.seeds.examples for spec in trial}) == len(report) + len(trial)
    assert search_digest(study, card, "x-n08") != search_digest(study, card, "x-n20")


def test_the_steps_of_a_run_are_those_of_its_subset(tmp_path):
    study, card = study_of({"sizes": SIZES}, epochs=2, batch_size=8), make_card(tmp_path)
    assert [planned_steps(spec, card).n_steps for spec in plan_runs(study, card, {}, 1)] == [2, 6, 20]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_curve": [60]}, "learning_curve"),
        ({"learning_curve": {"sizes": [60]}}, "arms.x.learning_curve.sizes"),
        ({"learning_curve": {"sizes": [1, 60]}}, "arms.x.learning_curve.sizes[0]"),
        ({"learning_curve": {"sizes": [60, 60]}}, "60 is listed twice"),
        ({"learning_curve": {"sizes": [True, 60]}}, "arms.x.learning_curve.sizes[0]"),
        ({"learning_curve": {"sizes": [30, 60], "subsets": "each"}}, "arms.x.learning_curve.subsets"),
        ({"learning_curve": {"sizes": [30, 60], "size": 3}}, "arms.x.learning_curve.size"),
        ({"learning_curve": {"sizes": [30, 60]}, "grid": {"epochs": [1, 2]}}, "the arm has a grid too"),
        ({"grid": {"learning_curve": [{"sizes": [30, 60]}]}}, "arms.x.grid.learning_curve: it makes arms itself"),
        ({"learning_curve": {"sizes": [30, 60]}, "train_examples": 30}, "the arm has a learning curve, which gives it"),
        ({"learning_curve": {"sizes": list(range(2, 60))}}, "it makes 58 arms"),
        ({"train_subsets": "fixed"}, "the arm trains on all examples"),
        (
            {"learning_curve": {"sizes": [30, 60]}, "search": {"space": {"train_examples": {"choices": [30, 60]}}}},
            "a grid or learning curve gives this setting",
        ),
        ({"search": {"space": {"train_subsets": {"choices": ["per_seed", "fixed"]}}}}, "the arm trains on all examples"),
    ],
)
def test_what_is_no_curve_is_refused_by_its_name(values, words):
    with pytest.raises(UserError) as refused:
        parse_study(BASE | {"arms": {"x": values}})
    assert words in str(refused.value)
    assert refused.value.hint


def test_subsets_that_would_vary_in_a_design_that_fixes_seeds_are_refused(tmp_path):
    only = BASE | {"seeds": {"n": 3, "design": {"only": "order"}}}
    with pytest.raises(UserError, match=r"arms\.x\.learning_curve: the design"):
        study_of({"sizes": SIZES}, base=only)
    search = {"space": {"train_examples": {"choices": [8, 16]}}}
    with pytest.raises(UserError, match=r"search\.space\.train_examples: .* each seed would train on other examples too"):
        parse_study(only | {"arms": {"x": {"search": search}}})
    specs = plan_runs(study_of({"sizes": SIZES, "subsets": "fixed"}, base=only), make_card(tmp_path), {})
    assert len({spec.seeds.examples for spec in specs}) == 1


def test_pairs_in_both_orders_are_not_cut_apart():
    pairs = BASE | {"data": {"source": "bundled", "name": "pairs", "text": ["premise", "hypothesis"], "symmetric": True}}
    with pytest.raises(UserError, match="both orders"):
        study_of({"sizes": SIZES}, base=pairs)


def test_mistakes_in_a_file_have_the_line_of_the_curve(tmp_path):
    path = tmp_path / "c.yaml"
    text = "name: c\ndata: {source: bundled, name: reviews}\narms:\n  x:\n    batch_size: 8\n    learning_curve: CURVE\n"
    path.write_text(text.replace("CURVE", "{sizes: [30, 60]}") + "seeds: {design: {only: order}}\n")
    with pytest.raises(UserError) as refused:
        load_study(path)
    assert (refused.value.path, refused.value.line) == (str(path), 6)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(81, "at most 80, the whole training set"), (2, "at least 3, one of each label"), (80, None), (3, None)],
)
def test_sizes_that_the_training_set_cannot_have_are_refused_with_the_numbers(tmp_path, size, expected):
    study, card = parse_study(BASE | {"arms": {"x": {"train_examples": size}}}), make_card(tmp_path, ("a", "b", "c"))
    if expected is None:
        refuse_unfit_subset(study, "x", card)
        return
    with pytest.raises(UserError) as refused:
        refuse_unfit_subset(study, "x", card)
    assert (refused.value.found, refused.value.expected) == (f"{size} training examples", expected)


def test_no_split_of_a_design_has_fewer_examples_than_a_subset(tmp_path):
    study, card = parse_study(BASE | {"arms": {"x": {"train_examples": 80}}}), make_card(tmp_path, ("a", "b", "c"))
    refuse_unfit_subset(study, "x", card.model_copy(update={"draws": (card, card)}))
    smaller = make_card(tmp_path, ("a", "b", "c"), {"train": 79, "validation": 8, "test": 8})
    with pytest.raises(UserError) as refused:
        refuse_unfit_subset(study, "x", card.model_copy(update={"draws": (card, smaller)}))
    assert refused.value.expected == "at most 79, the whole training set"


def test_an_override_leaves_a_size_what_its_arm_is_called_by():
    with pytest.raises(UserError, match=r"arms\.x-n08\.train_examples: the arm is shown as the one with train_examples 8, not 9"):
        parse_study(BASE | {"arms": {"x": {"learning_curve": {"sizes": SIZES}}}}, ["arms.x-n08.train_examples=9"])
