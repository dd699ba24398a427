"""Learning curves in the report: points, the law, what doubling would give, and when that cannot be predicted."""

from __future__ import annotations

import dataclasses

import pytest
from scipy import stats

from bertft_core.config import parse_study
from bertft_core.evaluation.grid_means import grid_means
from bertft_core.evaluation.size_curves import learning_curves
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.report import learning_curve_section
from bertft_core.report.prose import learning_curve_text
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.drawn_marks import svg_of
from tests.helpers.small_records import make_card, make_record

SIZES = [5, 10, 20, 40]
RISING = {5: 0.6, 10: 0.75, 20: 0.85, 40: 0.9}


def results_of(folder, arm, means, n=3, missing=(), seeds=None):
    """n seeds of each arm; the score of a seed is that of its size plus 0, 0.025 or −0.025."""
    data = {"source": "bundled", "name": "reviews"}
    study = parse_study({"name": "c", "data": data, "arms": {"base": {}, "x": arm}, "seeds": {"n": n} | (seeds or {})})
    study_dir, card, records = StudyDir(folder, study.name), make_card(folder), {}
    planned = plan_runs(study, card, {})
    for spec in planned:
        score = means.get(spec.train_examples, 0.5) + (0, 0.025, -0.025)[spec.index % 3]
        status = "failed" if (spec.train_examples, spec.index) in missing else "ok"
        records[spec.digest] = make_record(spec, card, study_dir, accuracy=score, status=status, error="torn")
    results = StudyResults(study, card, study_dir, records, planned, {})
    return results.with_summary(summarize(results))


def curves_of(results, sign=1.0):
    return learning_curves(results.summary, 0, sign)


def curve(sizes=SIZES):
    return {"learning_curve": {"sizes": sizes}}


def test_the_points_are_means_over_seeds_with_t_intervals(tmp_path):
    results = results_of(tmp_path, curve(), RISING)
    (found,) = curves_of(results)
    assert (found.name, found.n_seeds, [point.size for point in found.points]) == ("x", 3, SIZES)
    key = results.summary.headline_key
    for point, arm in zip(found.points, results.summary.arms[1:], strict=True):
        scores = [seed.scores[key] for seed in arm.seeds]
        assert point.mean == pytest.approx(sum(scores) / 3)
        low, high = stats.t.interval(0.95, 2, point.mean, stats.sem(scores))
        assert (point.low, point.high) == pytest.approx((low, min(1.0, high)))
    assert grid_means(results.summary) == []


def test_a_curve_that_rises_and_levels_off_says_what_doubling_gives(tmp_path):
    (found,) = curves_of(results_of(tmp_path, curve(), RISING))
    law = found.law
    assert found.unknown is None
    assert law.largest == 40
    assert law.at_largest < law.at_double <= 1.0
    assert law.gain == pytest.approx(law.at_double - law.at_largest)
    assert 0 < law.gain_interval[0] < law.gain < law.gain_interval[1]
    assert law.exponent_interval[0] <= law.exponent <= law.exponent_interval[1]
    assert law.limit - law.factor * 40**-law.exponent == pytest.approx(law.at_largest)
    assert (law.drawn[0][0], law.drawn[-1][0]) == pytest.approx((5, 80))
    assert all(low <= score <= high for _, score, low, high in law.drawn)


def test_of_a_score_to_minimise_a_gain_is_a_lower_one(tmp_path):
    (found,) = curves_of(results_of(tmp_path, curve(), {size: 1.0 - score for size, score in RISING.items()}), -1.0)
    law = found.law
    assert 0 <= law.limit < law.at_double < law.at_largest
    assert law.gain == pytest.approx(law.at_largest - law.at_double)
    assert law.limit + law.factor * 40**-law.exponent == pytest.approx(law.at_largest)
    assert "0." in learning_curve_text.sentences(found, "loss", -1.0)[1]


@pytest.mark.parametrize(
    ("why", "given"),
    [
        ("few_sizes", {"arm": curve(SIZES[:3]), "means": RISING}),
        ("few_seeds", {"arm": curve(), "means": RISING, "missing": {(5, 1)}}),
        ("not_converged", {"arm": curve(), "means": {5: 0.9, 10: 0.85, 20: 0.8, 40: 0.7}}),
        (
            "crossed",
            {
                "arm": {"learning_curve": {"sizes": SIZES, "subsets": "fixed"}},
                "means": RISING,
                "n": 9,
                "seeds": {"design": {"crossed": {"init": 3, "order": 3}}},
            },
        ),
    ],
)
def test_when_it_cannot_be_told_the_report_says_why(tmp_path, why, given):
    (found,) = curves_of(results_of(tmp_path, **given))
    assert (found.unknown, found.law) == (why, None)
    (sentence,) = learning_curve_text.sentences(found, "accuracy", 1.0)
    assert learning_curve_text.UNKNOWN[why] in sentence


def test_an_interval_that_includes_zero_tells_nothing_and_is_shown(tmp_path):
    (found,) = curves_of(results_of(tmp_path, curve(), RISING))
    vague = dataclasses.replace(found, law=dataclasses.replace(found.law, gain_interval=(-0.01, 0.03)), unknown="includes_zero")
    said = learning_curve_text.sentences(vague, "accuracy", 1.0)[0]
    assert "cannot be predicted" in said
    assert "−1.0 to 3.0 points" in said


def test_a_grid_with_sizes_is_a_curve_for_each_of_its_other_settings(tmp_path):
    results = results_of(tmp_path, {"grid": {"train_examples": SIZES, "batch_size": [8, 16]}}, RISING)
    assert [found.name for found in curves_of(results)] == ["x batch_size=8", "x batch_size=16"]
    (grid,) = grid_means(results.summary)
    assert set(grid.marginals) == {"train_examples", "batch_size"}


def test_the_section_has_a_picture_and_a_table_for_each_curve(tmp_path):
    section = learning_curve_section.section(results_of(tmp_path, curve(), RISING))
    (shown,) = section["curves"]
    assert [row["size"] for row in shown["rows"]] == ["5", "10", "20", "40"]
    assert set(section["pictures"]) == {"size_x"}
    assert "power law" in svg_of(section["pictures"]["size_x"])
    assert learning_curve_section.section(results_of(tmp_path / "plain", {}, {})) is None
