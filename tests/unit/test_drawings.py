"""Pictures of statistics: marks lie where the numbers say, nothing is shown by colour alone, and each can stand alone."""

import itertools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bertft_core.evaluation.calibration import ReliabilityPoint
from bertft_core.report import run_plots
from bertft_core.report.curve_bands import ArmCurves, band_of, band_plot
from bertft_core.report.drawings.bars import Bar, BarGroup, bar_plot
from bertft_core.report.drawings.forest import LEAST_LEFT, MOST_LEFT, RIGHT, ForestRow, forest_plot
from bertft_core.report.drawings.lines import Line, Reference, line_css, line_plot
from bertft_core.report.drawings.matrix import Chance, matrix_plot
from bertft_core.report.drawings.reliability_diagram import reliability_plot
from bertft_core.report.styling import page_style, standalone, write_svg

EVIL = "<b>&\"'"


def marks(picture, tag, css=None):
    """Attributes of the shapes of one kind whose class holds all words of `css`, with the words in them."""
    found = []
    for element in ElementTree.fromstring(str(picture)).iter(tag):
        classes = element.get("class", "").split()
        if css is None or set(css.split()) <= set(classes):
            found.append(element.attrib | {"words": "".join(element.itertext())})
    return found


def points_of(path):
    return [tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", path["d"])]


def test_a_forest_plot_sets_differences_and_zero_on_one_scale():
    rows = [ForestRow("a − b", 0.2, 0.1, 0.3, True), ForestRow("c − b", -0.1, -0.4, 0.2, False, thin=[("seeds only", -0.2, 0.0)])]
    picture = forest_plot(rows, "difference", "better →")
    (zero,) = marks(picture, "line", "zero")
    (sure,) = marks(picture, "line", "sure")
    (unsure,) = marks(picture, "line", "interval")
    filled, hollow = marks(picture, "circle")
    per_unit = (float(sure["x2"]) - float(sure["x1"])) / 0.2
    assert float(zero["x1"]) == pytest.approx(float(sure["x1"]) - 0.1 * per_unit, abs=0.2)
    assert float(filled["cx"]) == pytest.approx(float(zero["x1"]) + 0.2 * per_unit, abs=0.2)
    assert float(hollow["cx"]) == pytest.approx(float(zero["x1"]) - 0.1 * per_unit, abs=0.2)
    assert float(unsure["x1"]) == pytest.approx(float(zero["x1"]) - 0.4 * per_unit, abs=0.2)
    assert (filled["class"], hollow["class"]) == ("seed", "hollow"), "a claim is shown by its form, not by its colour"
    thin = marks(picture, "line", "fine")[0]
    assert float(thin["x2"]) == pytest.approx(float(zero["x1"]), abs=0.1)
    assert all(LEAST_LEFT <= float(line[x]) <= RIGHT for line in marks(picture, "line") for x in ("x1", "x2"))


def test_long_names_take_room_from_the_forest_and_are_shortened_at_last():
    picture = forest_plot([ForestRow("x" * 90, 0.2, 0.1, 0.3, True)], "difference", "better →")
    (name,) = marks(picture, "text", "arm")
    assert name["words"] == "x" * 35 + "…"
    assert min(float(line["x1"]) for line in marks(picture, "line", "grid")) >= MOST_LEFT


def test_a_matrix_fills_in_the_other_way_round():
    picture = matrix_plot(["a", "b", "c"], {("b", "a"): Chance(0.8, 0.6, 0.9)}, "P(A > B)")
    words = [text["words"] for text in marks(picture, "text")]
    assert "0.80" in words
    assert "0.20" in words
    assert "0.60 to 0.90" in words
    assert "0.10 to 0.40" in words
    above, below = (cell for cell in marks(picture, "rect") if "none" not in cell["class"])
    assert "against" in above["class"], "the row of a, which loses, is hued the other way"
    assert (float(above["y"]), float(above["x"])) < (float(below["y"]), float(below["x"]))
    assert len(marks(picture, "rect", "none")) == 7


def test_bars_begin_at_zero_and_long_whiskers_are_cut_with_an_arrow():
    bars = [Bar("init", 2.0, 1.0, 3.0, ""), Bar("order", 1.0, 0.0, 50.0, "")]
    picture = bar_plot([BarGroup("full", "c0", bars)], "sd", most=4.0)
    long, short = marks(picture, "rect", "bar")
    (zero,) = marks(picture, "line", "zero")
    assert float(long["x"]) == float(short["x"]) == float(zero["x1"])
    assert float(long["width"]) == pytest.approx(2 * float(short["width"]), abs=0.2)
    (arrow,) = marks(picture, "path", "whisker")
    assert max(x for x, _ in points_of(arrow)) == pytest.approx(640)


def test_lines_have_bands_references_and_a_name_each_that_covers_no_other():
    lines = [Line(name, line_css(i), [(0.0, 0.0), (10.0, 1.0)], [-0.1, 0.9], [0.1, 1.1]) for i, name in enumerate("abc")]
    picture = line_plot(lines, ("n", "score"), references=[Reference("y", 0.5, "half")], x_range=(0.0, 10.0), y_range=(0.0, 2.0))
    drawn = [points_of(path) for path in marks(picture, "path", "curve") if len(points_of(path)) == 2][:3]
    assert drawn == [[(60.0, 280.0), (690.0, 157.0)]] * 3
    assert all(len(points_of(area)) == 4 for area in marks(picture, "path", "area"))
    (reference,) = marks(picture, "line", "majority")
    assert float(reference["y1"]) == pytest.approx(280 - 0.25 * 246)
    heights = sorted(float(text["y"]) for text in marks(picture, "text", "name"))
    assert [b - a for a, b in itertools.pairwise(heights)] == pytest.approx([16, 16])
    assert {line_css(i) for i in range(4)} == {"c0 d0", "c1 d1", "c2 d2", "c3 d3"}, "neighbours differ in their dash too"


def test_the_reliability_diagram_draws_every_seed_and_weighs_its_dots():
    points = [ReliabilityPoint(0.5, 0.25, 0.1), ReliabilityPoint(0.9, 0.8, 0.9)]
    picture = reliability_plot("full", "c1", [("seed 0", points), ("seed 1", points[:1])], points)
    assert [path["words"] for path in marks(picture, "path", "faint")] == ["seed 0", "seed 1"]
    small, large = marks(picture, "circle")
    assert float(small["r"]) < float(large["r"])
    assert float(small["cy"]) == pytest.approx(360 - 0.25 * 326)


def test_bands_are_of_the_runs_that_got_so_far():
    curves = [[(1.0, 0.2), (2.0, 0.4)], [(1.0, 0.4), (2.0, 0.8)], [(1.0, 0.6)], [(1.0, 0.8), (2.0, 0.6), (3.0, 0.9)]]
    band = [(point.x, round(point.mean, 9), point.low, point.high, point.n) for point in band_of(curves)]
    assert band == [(1.0, 0.5, 0.2, 0.8, 4), (2.0, 0.6, 0.4, 0.8, 3)]
    assert band_plot([ArmCurves("full", 0, curves[:1]), ArmCurves("half", 1, [])], ("step", "loss")) is None
    assert len(marks(band_plot([ArmCurves("full", 0, curves)], ("step", "loss")), "path", "area")) == 1


def test_arms_of_very_different_lengths_are_drawn_over_the_share_of_their_training():
    short, long = ([[(end / 2, 0.1), (end, 0.2)]] * 2 for end in (10.0, 100.0))
    picture = band_plot([ArmCurves("short", 0, short), ArmCurves("long", 1, long)], ("step", "loss"))
    first, second = (
        points_of(path) for path in marks(picture, "path", "curve") if len(points_of(path)) == 2 and "mean" in path["words"]
    )
    assert first == second
    assert "% of the training (steps: short 10, long 100)" in [text["words"] for text in marks(picture, "text")]


def test_names_are_escaped_and_spoken():
    picture = forest_plot([ForestRow(EVIL, 0.1, None, None, False)], EVIL, EVIL)
    root = ElementTree.fromstring(str(picture))
    assert root.get("role") == "img"
    assert EVIL in root.get("aria-label")
    assert "+0.100" in root.get("aria-label")


def test_a_picture_can_stand_alone(tmp_path):
    picture = matrix_plot(["a", "b"], {("a", "b"): Chance(0.7)}, "P(A > B)")
    path = write_svg(tmp_path / "figures" / "p.svg", picture)
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height")) == tuple(root.get("viewBox").split()[2:])
    assert "var(" not in text
    assert "#1c2430" in text, "the light page's ink"
    assert "prefers-color-scheme" not in text
    assert standalone(picture) == text


def test_every_class_of_a_picture_has_a_style():
    lines = [Line("a", line_css(3), [(0.0, 0.0), (1.0, 1.0)], [0.0, 0.9], [0.1, 1.0], marks=True)]
    pictures = [
        line_plot(lines, ("x", "y"), references=[Reference("x", 0.5, "r")], below=[(0.0, "1 h")]),
        forest_plot([ForestRow("a", 0.1, 0.0, 0.2, True, "c1", [("s", 0.0, 0.1)], "p")], "d", "b"),
        matrix_plot(["a", "b"], {("a", "b"): Chance(0.3, 0.1, 0.4)}, "p"),
        bar_plot([BarGroup("a", "c0", [Bar("b", 1.0, 0.5, 9.0, "n")])], "sd"),
        reliability_plot("a", "c0", [("s", [ReliabilityPoint(0.5, 0.5, 1.0)])], [ReliabilityPoint(0.5, 0.5, 1.0)]),
    ]
    used = {name for picture in pictures for classes in re.findall(r'class="([^"]+)"', str(picture)) for name in classes.split()}
    styled = set(re.findall(r"\.([a-z][a-z0-9]*)", str(page_style())))
    assert len(used) > 20
    assert used - styled <= {"d0"}, "d0 is a line without dashes"


def lifted_one_by_one(places):
    """Each dot as low as it covers none of those before it, compared with all of them."""
    taken = []
    for place in places:
        lift = 0.0
        while any(abs(place - other) < 1.6 * run_plots.DOT and lift == height for other, height in taken):
            lift += 2 * run_plots.DOT
        taken.append((place, lift))
    highest = max((lift for _, lift in taken), default=0.0)
    return [lift * min(1.0, run_plots.MOST_LIFT / highest) if highest else 0.0 for _, lift in taken]


@pytest.mark.parametrize(("n", "width"), [(0, 1.0), (1, 1.0), (5, 8.0), (60, 30.0), (300, 400.0)])
def test_dots_are_lifted_off_each_other(n, width):
    places = np.random.default_rng(n).uniform(0, width, n).tolist()
    places += [places[0], places[0] + 1.6 * run_plots.DOT] if places else []  # one under another, one that just touches it
    assert run_plots._lifts(places) == lifted_one_by_one(places)
