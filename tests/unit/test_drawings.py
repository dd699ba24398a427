"""Pictures of statistics: marks lie where the numbers say, nothing is shown by colour alone, and each can stand alone."""

import itertools
import re
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from markupsafe import escape

from bertft_core.evaluation.calibration import ReliabilityPoint
from bertft_core.report.comparison_page import write_pictures
from bertft_core.report.curve_bands import ArmCurves, band_of, band_plot
from bertft_core.report.drawings import seed_points
from bertft_core.report.drawings.bars import Bar, BarGroup, bar_plot
from bertft_core.report.drawings.curves_of_runs import Curve, curve_plot
from bertft_core.report.drawings.forest import BESIDE, LEAST_LEFT, MOST_LEFT, ForestRow, forest_plot
from bertft_core.report.drawings.heat_map import heat_map
from bertft_core.report.drawings.layer_profile import Profile, profile_plot
from bertft_core.report.drawings.lines import Line, Reference, line_plot
from bertft_core.report.drawings.look import COLUMN, NOTEBOOK, PAGE, PHONE, variables
from bertft_core.report.drawings.matrix import Chance, matrix_plot
from bertft_core.report.drawings.paired_seeds import PairedSeeds, paired_seeds_plot
from bertft_core.report.drawings.picture import file_of, picture
from bertft_core.report.drawings.reliability_diagram import reliability_plot
from bertft_core.report.drawings.scatter import Group, scatter_plot
from bertft_core.report.drawings.seed_points import ArmRow, SeedPoint, seed_plot
from bertft_core.report.styling import page_style
from tests.helpers.drawn_marks import marks, points_of, svg_of

EVIL = "<b>&\"'"


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
    assert (filled["class"], hollow["class"]) == ("seed ink", "hollow ink"), "a claim is shown by its form, not by its colour"
    thin = marks(picture, "line", "fine")[0]
    assert float(thin["x2"]) == pytest.approx(float(zero["x1"]), abs=0.1)
    assert all(LEAST_LEFT <= float(line[x]) <= PAGE.width - BESIDE for line in marks(picture, "line") for x in ("x1", "x2"))


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
    assert arrow["words"] == "ends further out"


def test_lines_have_bands_references_and_a_name_each_that_covers_no_other():
    lines = [Line(name, i, [(0.0, 0.0), (10.0, 1.0)], [-0.1, 0.9], [0.1, 1.1]) for i, name in enumerate("abc")]
    picture = line_plot(lines, ("n", "score"), references=[Reference("y", 0.5, "half")], x_range=(0.0, 10.0), y_range=(0.0, 2.0))
    drawn = marks(picture, "line", "curve")
    assert [points_of(line) for line in drawn[:3]] == [[(60.0, 280.0), (690.0, 157.0)]] * 3
    assert all(len(set(points_of(area))) == 4 for area in marks(picture, "path", "area"))
    (reference,) = marks(picture, "line", "majority")
    assert float(reference["y1"]) == pytest.approx(280 - 0.25 * 246)
    heights = sorted(float(text["y"]) for text in marks(picture, "text", "name"))
    assert [b - a for a, b in itertools.pairwise(heights)] == pytest.approx([16, 16])
    assert [line["class"] for line in drawn[:3]] == ["curve c0 d0", "curve c1 d1", "curve c2 d2"]
    assert len({line.get("stroke-dasharray") for line in drawn[:3]}) == 3, "neighbours differ in their dash too"


def test_the_reliability_diagram_draws_every_seed_and_weighs_its_dots():
    points = [ReliabilityPoint(0.5, 0.25, 0.1), ReliabilityPoint(0.9, 0.8, 0.9)]
    picture = reliability_plot("full", "c1", [("seed 0", points), ("seed 1", points[:1])], points)
    assert [mark["words"] for tag in ("line", "path") for mark in marks(picture, tag, "faint")] == ["seed 0", "seed 1"]
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
    first, second = (points_of(line) for line in marks(picture, "line", "curve") if "mean" in line["words"])
    assert first == second
    assert "% of the training (steps: short 10, long 100)" in [text["words"] for text in marks(picture, "text")]
    thinned = band_plot([ArmCurves("short", 0, short), ArmCurves("long", 1, long, length=102)], ("step", "loss"))
    assert "% of the training (steps: short 10, long 102)" in [text["words"] for text in marks(thinned, "text")]


def test_names_are_escaped_and_spoken():
    picture = forest_plot([ForestRow(EVIL, 0.1, None, None, False)], EVIL, EVIL)
    root = ElementTree.fromstring(svg_of(picture))
    assert root.get("role") == "img"
    assert EVIL in root.get("aria-label")
    assert "+0.100" in root.get("aria-label")


def every_kind(look):
    """A figure of each kind, with names that mathematics, Markdown and HTML would read otherwise."""
    name, points = "_a$b_c$", [ReliabilityPoint(0.5, 0.5, 1.0)]
    lines = [Line(name, 3, [(0.0, 0.0), (1.0, 1.0)], [0.0, 0.9], [0.1, 1.0], title="t", marks=True), Line("b", 0, [(0.0, 0.5)])]
    curves = [Curve("seed 0", [(1.0, 0.5), (2.0, 0.4)], False), Curve("seed 1", [(1.0, 0.6)], True)]
    profile = Profile(name, "c0", {"layer 1": {0: 0.1, 1: 0.01}, "head": {0: 2.0}})
    return {
        "lines": line_plot(lines, ("x", "y"), references=[Reference("x", 0.5, "r")], below=[(0.0, "1 h")], look=look),
        "forest": forest_plot([ForestRow(name, 0.1, 0.0, 0.2, True, "c1", [("s", 0.0, 0.1)], "p")], "d", "b", look=look),
        "matrix": matrix_plot([name, "b"], {(name, "b"): Chance(0.3, 0.1, 0.4)}, "p", look=look),
        "bars": bar_plot([BarGroup(name, "c0", [Bar("b", 1.0, 0.5, 9.0, "n")])], "sd", look=look),
        "reliability": reliability_plot(name, "c0", [("s", points)], points, look=look),
        "heat map": heat_map([name], ["1", "2"], {(0, 0): 0.5}, ("r", "c", "m"), 1.0, look=look),
        "profile": profile_plot(
            [profile], ["layer 1", "head"], ("layer", "norm"), reference=(0.5, "r"), logarithmic=True, look=look
        ),
        "runs": curve_plot(name, "c0", curves, ("step", "loss"), ((0.0, 2.0), (0.0, 1.0)), look=look),
        "seeds": seed_plot([ArmRow(name, [SeedPoint(0.5, "s", True)], 0.5, 0.4, 0.6)], "accuracy", 0.5, look=look),
        "scatter": scatter_plot([Group(name, "c0", [(1.0, 2.0), (9.0, 1.0)], ["p", "q"], "")], ("x", "y"), look=look),
        "paired": paired_seeds_plot([PairedSeeds(name, "b", {0: (0.1, 0.2)}, ("c0", "c1"))], "y", "s", maximize=True, look=look),
    }


@pytest.mark.parametrize("look", [PAGE, NOTEBOOK, COLUMN, PHONE], ids=["page", "notebook", "column", "phone"])
def test_every_kind_is_legible_at_every_width_and_the_same_each_time(look):
    again = every_kind(look)
    for kind, figure in every_kind(look).items():
        text = str(figure.svg())
        root = ElementTree.fromstring(text)
        words = ["".join(each.itertext()) for each in root.iter("text")]
        assert any("_a$b_c$" in word for word in [*words, figure.alt]), f"{kind}: nothing is taken for mathematics"
        sizes = {float(size) for size in re.findall(r'font-size="([\d.]+)"', text)}
        assert min(sizes) >= 6.9, f"{kind}: points on paper"
        assert float(root.get("width")) <= look.width * look.points + 1
        assert text == str(again[kind].svg())


def test_a_page_has_a_second_drawing_for_phones_where_the_first_is_wider():
    points = [SeedPoint(0.5, "s", False)] * 2
    drawn = picture(seed_plot, [ArmRow("a", points, 0.5, 0.4, 0.6)], "accuracy", 0.5)
    wide, narrow = re.findall(r"<svg.*?</svg>", drawn.__html__())
    assert wide == str(drawn.svg).replace("<svg", '<svg class="wide"', 1)
    assert ElementTree.fromstring(narrow).attrib.items() >= {"class": "phone", "width": str(PHONE.width)}.items()
    paired = picture(paired_seeds_plot, [PairedSeeds("a", "b", {0: (0.1, 0.2)}, ("c0", "c1"))], "y", "s", maximize=True)
    assert paired.__html__() == paired.svg, "narrow as it is"
    many = picture(scatter_plot, [Group("a", "c0", [(x, x) for x in range(4000)], ["p"] * 4000, "")], ("x", "y"))
    assert many.__html__() == many.svg, "the page would be twice as long"


def test_a_long_name_of_an_axis_is_within_a_phone():
    label = "smallest detectable difference, 80 % power, exact_match"
    text = line_plot([Line("a", 0, [(0.0, 0.0), (1.0, 1.0)])], ("x", label), look=PHONE).svg()
    (size,) = re.findall(rf'<g class="label" font-size="([\d.]+)"[^>]*><text[^>]*>{label}<', text)
    assert 10 <= float(size) < 12.5


def test_a_picture_of_a_page_has_its_colours_and_font_and_a_file_has_its_own():
    hostile = 'fill="var(--c0)"'
    page = matrix_plot([hostile, "b"], {(hostile, "b"): Chance(0.7)}, "P(A > B)").svg()
    alone = file_of(page)
    assert "rgb(var(--shade))" in page
    assert not re.search(r"#[0-9a-f]{6}|font-family|background", page)
    assert alone.count("var(") == page.count(escape(hostile)), "words of the user stay"
    assert "#1c2430" in alone, "the light page's ink"
    root = ElementTree.fromstring(alone)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert [root.get("width"), root.get("height")] == root.get("viewBox").split()[2:]
    assert "font-family" in root.attrib


def test_of_a_comparison_for_a_paper_every_picture_is_a_column_wide_and_pdf_too(tmp_path):
    drawn = {"p": picture(matrix_plot, ["a", "b"], {("a", "b"): Chance(0.7)}, "P(A > B)"),
             "l": picture(line_plot, [Line("a", 0, [(0.0, 0.0), (1.0, 1.0)])], ("x", "y"))}  # fmt: skip
    of_page = write_pictures(drawn, tmp_path / "page", paper=False)
    assert [path.name for path in of_page] == ["p.svg", "l.svg"]
    of_paper = write_pictures(drawn, tmp_path / "paper", paper=True)
    assert [path.name for path in of_paper] == ["p.svg", "p.pdf", "l.svg", "l.pdf"]
    widths = [ElementTree.fromstring(path.read_text()).get("width") for path in (of_page[1], of_paper[2])]
    assert widths == ["860", "238"]
    assert of_paper[3].read_bytes().startswith(b"%PDF")


def test_a_file_for_a_paper_is_a_column_wide_with_letters_embedded_and_the_same_each_time():
    name = "größer − 日本"  # of the last no letter is in the font, which is no reason to warn or to stop
    file, again = (forest_plot([ForestRow(name, 0.1, 0.0, 0.2, True)], "d", "← b →", look=COLUMN).pdf() for _ in range(2))
    assert file == again
    assert file.startswith(b"%PDF")
    assert float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", file)[1]) == pytest.approx(3.3 * 72)
    assert b"/FontFile2" in file
    assert b"/Type3" not in file
    assert b"CreationDate" not in file


def test_every_colour_of_a_picture_is_one_of_both_schemes():
    light, dark = str(page_style()).split("@media (prefers-color-scheme: dark)")
    pictures = [svg_of(figure) for figure in every_kind(PAGE).values()]
    used = {name for picture in pictures for name in re.findall(r"var\(--(\w+)\)", picture)}
    assert len(used) >= 8
    assert used <= set(re.findall(r"--(\w+):", light)) & set(re.findall(r"--(\w+):", dark.split("}")[0]))
    assert len(set(variables().values())) == len(variables())
    assert not any(re.search(r'(fill|stroke)="(?!none|var|rgb\(var)', picture) for picture in pictures)


def test_a_person_changes_the_axes_that_a_function_returns():
    figure = seed_plot([ArmRow("a", [SeedPoint(0.5, "s", False)], 0.5, 0.4, 0.6)], "accuracy", None)
    figure.axes[0].set_xlabel("share of right answers")
    figure.axes[0].axvline(0.45, color="#123456")
    assert "share of right answers" in figure.svg()
    assert "#123456" in figure.svg(), "a colour that is no one's of the page stays"
    assert "matplotlib.pyplot" not in sys.modules


def test_the_users_own_settings_of_matplotlib_change_nothing():
    before = str(forest_plot([ForestRow("a", 0.1, 0.0, 0.2, True)], "d", "b").svg())
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9, "axes.xmargin": 1.0}):
        assert str(forest_plot([ForestRow("a", 0.1, 0.0, 0.2, True)], "d", "b").svg()) == before


def lifted_one_by_one(places):
    """Each dot as low as it covers none of those before it, compared with all of them."""
    taken = []
    for place in places:
        lift = 0.0
        while any(abs(place - other) < 1.6 * seed_points.DOT and lift == height for other, height in taken):
            lift += 2 * seed_points.DOT
        taken.append((place, lift))
    highest = max((lift for _, lift in taken), default=0.0)
    return [lift * min(1.0, seed_points.MOST_LIFT / highest) if highest else 0.0 for _, lift in taken]


@pytest.mark.parametrize(("n", "width"), [(0, 1.0), (1, 1.0), (5, 8.0), (60, 30.0), (300, 400.0)])
def test_dots_are_lifted_off_each_other(n, width):
    places = np.random.default_rng(n).uniform(0, width, n).tolist()
    places += [places[0], places[0] + 1.6 * seed_points.DOT] if places else []  # one under another, one that just touches it
    assert seed_points._lifts(places) == lifted_one_by_one(places)
