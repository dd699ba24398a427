"""The insights of a study: each part with numbers worked out by hand, and each reason for its absence."""

from dataclasses import replace

import numpy as np
import pytest

from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.evaluation.insights.detectable_effect import ArmMetric, seeds_needed
from bertft_core.evaluation.insights.expected_best_of_n import budgets_of
from bertft_core.evaluation.insights.power import for_half_width
from bertft_core.evaluation.insights.seed_agreement import agreement_of_arms
from bertft_core.evaluation.insights.seed_variance import variance_of_arms
from bertft_core.evaluation.insights.start_many_schedules import start_many_of
from bertft_core.evaluation.insights.study_insights import insights_of
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.adaptive import interval_level
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import Evaluation, Nondeterminism, TrialRow
from bertft_core.records.not_computed import NotComputed
from bertft_core.statistics.sequential_intervals import t_half_width
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from tests.helpers.ensemble_tables import numbered
from tests.helpers.score_grids import GRID
from tests.helpers.small_records import classified, make_card, make_record, make_study, make_sweep

ONE_ARM = {"full": {}}
AT = ArmMetric("accuracy", "test", "best")


def results_of(tmp_path, study, accuracies=None, sweeps=(), statuses=None):
    """A study whose runs all ended, with these test accuracies by seed index, evaluated."""
    card, folder = make_card(tmp_path), StudyDir(tmp_path, study.name)
    planned = plan_runs(study, card, {})
    records = {
        spec.digest: make_record(
            spec, card, folder, accuracy=(accuracies or [0.7] * 99)[spec.index], status=(statuses or {}).get(spec.index, "ok")
        )
        for spec in planned
    }
    results = StudyResults(study, card, folder, records, planned)
    return replace(results.with_summary(summarize(results)), sweeps={sweep.arm: sweep for sweep in sweeps})


def changed(results, **changes):
    """The results with parts of their summary replaced."""
    return results.with_summary(results.summary.model_copy(update=changes))


def crossed_study(**changes):
    return make_study(arms=ONE_ARM, seeds={"design": {"crossed": {"init": 4, "order": 3} | changes}})


def with_scores(results, scores):
    """The one arm of it, with a score for each seed index; None for no score."""
    (arm,) = results.summary.arms
    seeds = [
        seed.model_copy(update={"scores": {} if score is None else {AT.key: score}})
        for seed, score in zip(arm.seeds, scores, strict=True)
    ]
    return changed(results, arms=(arm.model_copy(update={"seeds": tuple(seeds)}),))


def test_a_crossed_study_has_the_reference_components(tmp_path):
    results = with_scores(results_of(tmp_path, crossed_study()), GRID.ravel().tolist())
    ((found,), notes) = variance_of_arms(results)
    init, order, left = found.components
    assert (init.variance, order.variance, left.variance) == pytest.approx((3.6944444, 0.0833333, 2.9166667))
    assert (init.f_p, order.f_p) == pytest.approx((0.0491035, 0.3876863), abs=1e-6)
    assert (init.range, order.range) == pytest.approx((5.0, 1.75))
    assert init.share == pytest.approx(3.6944444 / 6.6944444)
    assert 0 < init.range_p < order.range_p <= 1
    assert (found.n_init, found.n_order, found.n_replicates, found.n_left_out, notes) == (4, 3, 1, 0, ())
    assert found.mean_se == pytest.approx(((14 + 3.25 - 2.9166667) / 12) ** 0.5)


def test_a_gap_costs_a_part_of_the_grid_which_is_counted(tmp_path):
    scores = GRID.ravel().tolist()
    scores[7] = None
    ((found,), _) = variance_of_arms(with_scores(results_of(tmp_path, crossed_study()), scores))
    assert (found.n_init, found.n_order, found.n_runs, found.n_left_out) == (3, 3, 9, 2)


def test_replicates_set_dropout_apart_and_repeats_tell_the_floor(tmp_path):
    results = results_of(tmp_path, crossed_study(replicates=2))
    rng = np.random.default_rng(0)
    floor = Nondeterminism(arm="full", n=3, bitwise=False, largest_difference=0.02, sd=0.011)
    results = changed(with_scores(results, rng.normal(size=24).tolist()), floors=(floor,))
    ((found,), _) = variance_of_arms(results)
    assert [component.source for component in found.components] == ["init", "order", "interaction", "residual"]
    assert (found.n_replicates, found.n_runs, found.components[3].df) == (2, 24, 12)
    assert (found.floor_sd, found.n_floor) == (0.011, 3)


def test_too_few_scores_make_no_grid_and_equal_ones_no_shares(tmp_path):
    results = results_of(tmp_path, crossed_study())
    found, notes = variance_of_arms(with_scores(results, [0.5] + [None] * 11))
    assert (found, notes) == ((), (NotComputed(reason="no complete grid", arm="full"),))
    ((same,), _) = variance_of_arms(with_scores(results, [0.5] * 12))
    assert [component.share for component in same.components] == [None] * 3
    assert variance_of_arms(results_of(tmp_path / "joint", make_study(arms=ONE_ARM))) == ((), ())


def overwrite(results, tables):
    """Put these test predictions into the runs of the first arm, seed by seed."""
    for record, table in zip(results.scored_runs(results.summary.arms[0].arm), tables, strict=True):
        write_predictions(results.run_dir_of(record.digest) / record.predictions["best"]["test"], table)


def test_seeds_that_differ_are_counted_and_the_examples_that_flip_most_come_first(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM))
    ids, gold = ["a", "b", "c", "d"], [0, 1, 1, 0]
    answers = np.array([[0, 0, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0]])
    overwrite(results, [classified(ids, gold, np.log(np.eye(2)[of] * 0.8 + 0.1)) for of in answers.T])
    ((found,), notes) = agreement_of_arms(results)
    assert notes == ()
    assert (found.fleiss_kappa, found.disagreement) == pytest.approx((1 / 3, 1 / 3))
    assert (found.n_units, found.n_seeds, found.n_unanimous, found.n_flipping) == (4, 3, 2, 2)
    assert [(e.example_id, e.gold, e.answers, e.n_right) for e in found.most_flipping] == [
        ("a", "negative", {"negative": 2, "positive": 1}, 2),
        ("c", "positive", {"positive": 2, "negative": 1}, 2),
    ]
    mixed = np.array([0.9 * 2 + 0.1, 0.1 * 2 + 0.9]) / 3
    entropy = -(mixed * np.log(mixed)).sum() + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)
    assert found.jensen_shannon == pytest.approx(entropy / 2, abs=1e-6)


def test_numbers_have_no_kappa_but_an_sd(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM))
    study = results.study.model_copy(update={"head": HEAD_CONFIGS["regression"](), "metric": "pearson"})
    heads = {"head": study.head}
    records = {
        digest: record.model_copy(update={"spec": record.spec.model_copy(update=heads), "digest": digest})
        for digest, record in results.records.items()
    }
    results = replace(results, study=study, records=records)
    overwrite(results, [numbered([1.0, 2.0], values) for values in ([1.0, 2.0], [1.0, 3.0], [1.0, 4.0])])
    ((found,), _) = agreement_of_arms(results)
    assert (found.fleiss_kappa, found.disagreement, found.mean_sd) == (None, None, 0.5)
    (only,) = found.most_flipping
    assert (only.example_id, only.gold, only.answers) == ("1", "2", {"mean": 3.0, "min": 2.0, "max": 4.0, "sd": 1.0})


def test_a_seed_whose_predictions_are_gone_is_left_out_and_one_seed_cannot_disagree(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM))
    first, second, _ = results.scored_runs(results.summary.arms[0].arm)
    (results.run_dir_of(first.digest) / first.predictions["best"]["test"]).unlink()
    assert agreement_of_arms(results)[0][0].n_seeds == 2
    (results.run_dir_of(second.digest) / second.predictions["best"]["test"]).unlink()
    found, (note,) = agreement_of_arms(results)
    assert (found, note) == ((), NotComputed(reason="too few predictions", arm="full", n=1, needed=2))


def test_masked_tokens_are_not_compared(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM))
    study = results.study.model_copy(update={"head": HEAD_CONFIGS["masked_lm"]()})
    assert agreement_of_arms(replace(results, study=study)) == ((), (NotComputed(reason="no stored predictions"),))


def test_the_budget_of_seeds_has_the_reference_numbers_and_hours(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM))
    scores = dict(zip(results.records, [1.0, 2.0, 4.0], strict=True))
    records = {digest: record.model_copy(update={"best_score": scores[digest]}) for digest, record in results.records.items()}
    (view,) = budgets_of(replace(results, records=records))
    assert [point.v for point in view.points] == pytest.approx([7 / 3, 3, 3.3703703704])
    assert [point.u for point in view.points] == pytest.approx([7 / 3, 10 / 3, 4])
    seconds = np.mean([record.train_seconds + record.evaluate_seconds for record in records.values()])
    assert [point.hours for point in view.points] == pytest.approx([n * seconds / 3600 for n in (1, 2, 3)])
    lower = replace(results, records=records, study=make_study(arms=ONE_ARM, metric="log_loss"))
    assert [point.u for point in budgets_of(lower)[0].points] == pytest.approx([7 / 3, 4 / 3, 1])


def test_trials_of_a_random_search_make_a_budget_and_those_of_tpe_are_refused_with_the_reason(tmp_path):
    sweep = make_sweep(StudyDir(tmp_path, "small"))
    (trials,) = [view for view in budgets_of(results_of(tmp_path, make_study(), sweeps=(sweep,))) if view.source == "trials"]
    assert (trials.points, trials.refused) == ((), NotComputed(reason="dependent trials"))
    search = {"space": {"learning_rate": {"low": 1e-5, "high": 1e-3}}, "n_trials": 4, "sampler": "random"}
    study = make_study(arms={"full": {"search": search}})
    results = results_of(tmp_path / "random", study, sweeps=(sweep,))
    (_, two) = budgets_of(results)
    assert (two.n_values, two.refused) == (2, NotComputed(reason="too few scores", n=2, needed=3, detail="trials"))
    digest = next(iter(results.records))
    rows = [
        TrialRow(number=i, state="complete", params={}, score=s, run_digests=(digest,)) for i, s in enumerate([1.0, 2.0, 4.0])
    ]
    (_, three) = budgets_of(replace(results, sweeps={"full": sweep.model_copy(update={"trials": tuple(rows)})}))
    assert [point.u for point in three.points] == pytest.approx([7 / 3, 10 / 3, 4])
    assert three.points[0].hours == pytest.approx(
        (results.records[digest].train_seconds + results.records[digest].evaluate_seconds) / 3600
    )
    given = TrialRow(number=3, state="complete", params={}, score=9.0, run_digests=(digest,), enqueued=True)
    with_given = sweep.model_copy(update={"trials": (*rows, given)})
    assert budgets_of(replace(results, sweeps={"full": with_given}))[1] == three, "an enqueued trial is no draw from the space"
    gone = tuple(row.model_copy(update={"run_digests": ("0" * 64,)}) for row in rows)
    (_, untimed) = budgets_of(replace(results, sweeps={"full": sweep.model_copy(update={"trials": gone})}))
    assert untimed.points[0].hours is None


def test_seeds_needed_tells_each_arm_and_each_pair(tmp_path):
    results = results_of(tmp_path, make_study(arms={"features": {}, "full": {"learning_rate": 1e-3}}))
    scores = {"features": [0.70, 0.72, 0.69, 0.75, 0.71], "full": [0.75, 0.73, 0.74, 0.79, 0.78]}
    first = results.summary.arms[0].seeds[0]
    arms = [
        arm.model_copy(
            update={
                "seeds": tuple(
                    first.model_copy(update={"index": i, "scores": {AT.key: score}}) for i, score in enumerate(scores[arm.arm])
                )
            }
        )
        for arm in results.summary.arms
    ]
    features, full, pair = seeds_needed(results.study, arms, AT)
    assert (features.sd, features.half_width) == pytest.approx((0.0230217, 0.0285853), abs=1e-7)
    assert features.detectable == pytest.approx(2.024 * 0.0230217, abs=1e-4)
    assert (full.arm, pair.arm, pair.baseline) == ("full", "full", "features")
    gaps = np.subtract(scores["full"], scores["features"])
    assert (pair.mean, pair.sd) == pytest.approx((gaps.mean(), gaps.std(ddof=1)))
    assert pair.n_for_observed == 5
    assert [point.n for point in pair.curve][:3] == [3, 4, 5]
    assert pair.curve[2].half_width == pytest.approx(pair.half_width)
    assert not pair.crossed
    assert all(needed.crossed for needed in seeds_needed(crossed_study(), arms, AT))
    looking = make_study(seeds={"n": 5, "until": {"half_width": 0.01}, "max": 40})
    looked, _, wider = seeds_needed(looking, arms, AT)
    level = interval_level(looking)
    assert looked.half_width > features.half_width
    assert looked.half_width == pytest.approx(t_half_width(scores["features"], level))
    assert wider.curve[2].detectable > pair.curve[2].detectable
    assert looked.level == level
    aim = for_half_width(looked, 0.01)
    assert (aim.arm, aim.metric, aim.n, aim.level) == ("features", "accuracy", 5, level)
    assert aim.n_needed > for_half_width(features, 0.01).n_needed


def test_equal_scores_and_too_few_seeds_tell_no_number(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM))
    (found,) = seeds_needed(results.study, with_scores(results, [0.7, 0.7, 0.7]).summary.arms, AT)
    assert (found.sd, found.curve) == (0.0, ())
    assert seeds_needed(results.study, with_scores(results, [0.7, 0.8, None]).summary.arms, AT) == ()


def with_curves(results, curves):
    """Validation accuracies of each run at equal steps."""
    records = {
        digest: record.model_copy(
            update={
                "evaluations": tuple(
                    Evaluation(step=10 * (i + 1), epoch=1.0, metrics={"accuracy": float(value)}) for i, value in enumerate(curve)
                )
            }
        )
        for (digest, record), curve in zip(results.records.items(), curves, strict=True)
    }
    return replace(results, records=records)


def test_schedules_pay_where_the_curves_tell_early(tmp_path):
    results = results_of(tmp_path, make_study(arms=ONE_ARM, seeds={"n": 8}))
    early = np.linspace(0.5, 0.9, 8)[:, None] * np.linspace(0.8, 1.0, 10)[None, :]
    (view,) = start_many_of(with_curves(results, early))
    assert (view.n_curves, view.n_evaluations, view.refused) == (8, 10, None)
    assert [schedule.keep for schedule in view.uncut] == list(range(1, 9))
    assert view.best[1].expected > view.uncut[1].expected
    assert all(schedule.cost <= n + 1e-9 for n, schedule in enumerate(view.best, start=1))
    assert view.worthwhile is not None
    assert start_many_of(with_curves(results, early)) == (view,)
    (flat,) = start_many_of(with_curves(results, np.full((8, 10), 0.5)))
    assert (len(flat.best), flat.worthwhile) == (8, None)


@pytest.mark.parametrize(
    ("n", "lengths", "refused"),
    [
        (4, [3] * 4, NotComputed(reason="too few curves", n=4, needed=5)),
        (5, [3, 3, 3, 3, 2], NotComputed(reason="different steps")),
        (5, [1] * 5, NotComputed(reason="one evaluation")),
    ],
)
def test_curves_that_cannot_be_cut_are_refused_with_the_reason(tmp_path, n, lengths, refused):
    results = results_of(tmp_path, make_study(arms=ONE_ARM, seeds={"n": n}))
    (view,) = start_many_of(with_curves(results, [np.linspace(0.5, 0.6, length) for length in lengths]))
    assert (view.best, view.refused) == ((), refused)


def test_of_selected_seeds_nothing_is_estimated(tmp_path):
    study = make_study(arms=ONE_ARM, seeds={"start": 6, "stop_at": 0.5, "keep": 5})
    found = insights_of(results_of(tmp_path, study, statuses={5: "pruned"}))
    assert (found.variance, found.agreement, found.seeds_needed) == ((), (), ())
    for view in (*found.budgets, *found.start_many):
        assert view.refused == NotComputed(reason="seeds selected")
    assert found.agreement_refused == (NotComputed(reason="seeds selected"),)


def test_the_summary_carries_them_and_survives_its_json(tmp_path):
    results = results_of(tmp_path, crossed_study())
    summary = results.summary
    write_record(tmp_path / "summary.json", summary)
    assert type(summary).model_validate_json(summary.model_dump_json()) == summary
    assert (len(summary.insights.variance), len(summary.insights.agreement), len(summary.insights.budgets)) == (1, 1, 1)
