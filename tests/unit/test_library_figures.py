"""Figures of a study: what is drawn is what the frames say, every arm has one colour, and axes end where the metric does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import bertft_core as bertft
from bertft_core.library import study_figures as figures
from tests.helpers.evaluated_studies import make_results
from tests.helpers.stored_studies import unpack


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("stored"))


@pytest.fixture(scope="module")
def study(home) -> bertft.Study:
    return bertft.load_study("rich", home=home)


def test_every_seed_mean_and_interval_is_drawn(study):
    axes = study.plot.scores().axes[0]
    arms = list(study.config.arms)
    assert [label.get_text() for label in axes.get_yticklabels()] == arms
    of_headline = study.scores.query("checkpoint == 'best' and split == 'test' and metric == 'accuracy'")
    for arm, dots in zip(arms, axes.collections, strict=True):
        rows = of_headline[of_headline["arm"] == arm]
        assert np.asarray(dots.get_offsets())[:, 0].tolist() == rows["value"].tolist()
        hollow = [tuple(colour) == to_rgba("white") for colour in dots.get_facecolors()]
        assert hollow == (rows["status"] == "collapsed").tolist()
    lines = [line.get_xdata() for line in axes.lines]
    means = of_headline.groupby("arm", sort=False)["value"].mean()
    ends = {arm.arm: next(m for m in arm.metrics if (m.checkpoint, m.split, m.metric) == ("best", "test", "accuracy"))
            for arm in study.summary.arms}  # fmt: skip
    for row, arm in enumerate(arms):
        assert tuple(lines[2 * row]) == (ends[arm].t_low, ends[arm].t_high)
        assert lines[2 * row + 1][0] == pytest.approx(means[arm])


def test_a_curve_is_the_mean_and_its_band_from_lowest_to_highest(study):
    axes = study.plot.curves().axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(study.config.arms)
    points = study.curves.query("arm == 'full' and part == 'validation' and metric == 'accuracy'").groupby("epoch")["value"]
    line = axes.lines[list(study.config.arms).index("full")]
    assert line.get_ydata().tolist() == pytest.approx(points.mean().tolist())
    assert study.plot.curves(part="train").axes[0].get_ylabel() == "loss, train"
    assert study.plot.curves("grad_norm", part="train").axes[0].get_ylabel() == "grad_norm, train"


def test_claimed_differences_are_filled_and_others_hollow(home, study):
    for of, claimed in ((study, False), (bertft.load_study("claims", home=home), True)):
        figure = of.plot.comparison()
        pairs = of.comparison.query("metric == 'accuracy'")
        dots = figure.axes[0].collections
        assert [float(np.asarray(one.get_offsets())[0, 0]) for one in dots] == pairs["difference"].tolist()
        assert [tuple(one.get_facecolors()[0]) != to_rgba("white") for one in dots] == [claimed] * len(pairs)
        assert [tuple(line.get_xdata()) for line in figure.axes[0].lines[1:]] == list(
            zip(pairs["low"], pairs["high"], strict=True)
        )


def test_an_arm_has_its_colour_also_where_another_has_no_scores(tmp_path):
    make_results(tmp_path, {"broken": ["failed"] * 3, "fine": [0.7, 0.8, 0.9]})
    figure = bertft.load_study("small", home=tmp_path).plot.scores()
    (dots,) = figure.axes[0].collections
    assert tuple(dots.get_edgecolors()[0]) == to_rgba(figures.COLOURS[1])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["broken", "fine"]


def test_an_axis_ends_where_its_metric_does(tmp_path):
    make_results(tmp_path, {"a": [0.5, 1.0], "b": [1.0, 0.5]})
    low, high = bertft.load_study("small", home=tmp_path).plot.scores().axes[0].get_xlim()
    assert high < 1.1
    assert low > -0.1


def test_a_notebook_shows_a_figure_without_pyplot(study):
    assert study.plot.comparison()._repr_png_().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("draw", [lambda plot: plot.scores("accurac"), lambda plot: plot.scores(split="tset"),
                                  lambda plot: plot.curves(part="test"), lambda plot: plot.comparison("accurac")])  # fmt: skip
def test_what_is_not_there_is_one_clear_error(study, draw):
    with pytest.raises(bertft.UserError) as caught:
        draw(study.plot)
    assert (caught.value.code, bool(caught.value.hint)) == ("figure.nothing-named", True)
