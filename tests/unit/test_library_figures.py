"""Figures of a study: what is drawn is what the frames say, every arm has one colour, and axes end where the metric does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import bertft_core as bertft
from bertft_core.report.drawings.look import palette
from tests.helpers.evaluated_studies import make_results
from tests.helpers.stored_studies import unpack


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("stored"))


@pytest.fixture(scope="module")
def study(home) -> bertft.Study:
    return bertft.load_study("rich", home=home)


def dots_of(axes, css):
    """Places and fills of one arm's points."""
    (dots,) = (one for one in axes.collections if (one.get_gid() or "").startswith(f"{css}#"))
    return np.asarray(dots.get_offsets()), [tuple(colour) for colour in dots.get_facecolors()]


def lines_of(axes, css):
    return [line for line in axes.lines if (line.get_gid() or "").startswith(f"{css}#")]


def test_every_seed_mean_and_interval_is_drawn(study):
    axes = study.plot.scores().axes[0]
    arms = list(study.config.arms)
    assert [label.get_text() for label in axes.get_yticklabels()] == arms
    of_headline = study.scores.query("checkpoint == 'best' and split == 'test' and metric == 'accuracy'")
    ends = {arm.arm: next(m for m in arm.metrics if (m.checkpoint, m.split, m.metric) == ("best", "test", "accuracy"))
            for arm in study.summary.arms}  # fmt: skip
    n_collapsed = 0
    for place, arm in enumerate(arms):
        rows = of_headline[of_headline["arm"] == arm]
        for kind, chosen in (("seed", rows["status"] != "collapsed"), ("hollow", rows["status"] == "collapsed")):
            n_collapsed += chosen.sum() if kind == "hollow" else 0
            if chosen.any():
                places, fills = dots_of(axes, f"{kind} c{place}")
                assert places[:, 0].tolist() == rows[chosen]["value"].tolist()
                assert all((fill == to_rgba("white")) == (kind == "hollow") for fill in fills)
        (interval,), (mean,) = lines_of(axes, f"interval c{place}"), lines_of(axes, f"mean c{place}")
        assert tuple(interval.get_xdata()) == (ends[arm].t_low, ends[arm].t_high)
        assert mean.get_xdata()[0] == pytest.approx(rows["value"].mean())
    assert n_collapsed


def test_a_curve_is_the_mean_and_its_band_from_lowest_to_highest(study):
    figure = study.plot.curves()
    axes = figure.axes[0]
    assert {text.get_text() for text in axes.texts} >= set(study.config.arms)
    points = study.curves.query("arm == 'full' and part == 'validation' and metric == 'accuracy'").groupby("epoch")["value"]
    place = list(study.config.arms).index("full")
    line = lines_of(axes, f"curve c{place} d{place}")[0]
    assert line.get_ydata() == pytest.approx(points.mean().tolist())
    band = next(patch.get_xy() for patch in axes.patches if patch.get_gid().startswith(f"area c{place}#"))
    assert band[: len(points), 1] == pytest.approx(points.max().tolist())
    assert band[len(points) : 2 * len(points), 1][::-1] == pytest.approx(points.min().tolist())
    assert study.plot.curves(part="train").axes[0].get_ylabel() == "loss, train"
    assert study.plot.curves("grad_norm", part="train").axes[0].get_ylabel() == "grad_norm, train"


def test_claimed_differences_are_filled_and_others_hollow(home, study):
    for of, claimed in ((study, False), (bertft.load_study("claims", home=home), True)):
        axes = of.plot.comparison().axes[0]
        pairs = of.comparison.query("metric == 'accuracy'")
        assert [float(np.asarray(one.get_offsets())[0, 0]) for one in axes.collections] == pairs["difference"].tolist()
        hollow = [tuple(one.get_facecolors()[0]) == to_rgba("white") for one in axes.collections]
        assert hollow == [not claimed] * len(pairs)
        intervals = [line for line in axes.lines if line.get_gid().startswith(("sure", "interval"))]
        assert [tuple(line.get_xdata()) for line in intervals] == list(zip(pairs["low"], pairs["high"], strict=True))


def test_an_arm_has_its_colour_also_where_another_has_no_scores(tmp_path):
    make_results(tmp_path, {"broken": ["failed"] * 3, "fine": [0.7, 0.8, 0.9]})
    axes = bertft.load_study("small", home=tmp_path).plot.scores().axes[0]
    places, fills = dots_of(axes, "seed c1")
    assert (len(places), fills[0][:3]) == (3, to_rgba(palette()["c1"])[:3])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["broken", "fine"]


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
    assert (caught.value.code, bool(caught.value.hint)) == ("study.nothing-named", True)
