"""The folder of a comparison: page, record, tables and figures; and a page that shows only what there is."""

import re

from bertft_core.records.comparison_record import COMPARISON_FILE, Comparison, ComparisonNote, Refusal
from bertft_core.report import comparison_section
from bertft_core.report.comparison_page import write_comparison
from bertft_core.report.comparison_table import comparison_table
from bertft_core.statistics.mean_intervals import t_interval
from bertft_core.storage.study_dir import checked_record
from tests.helpers.comparison_records import SCORES, make_arm, make_comparison, make_pair
from tests.helpers.drawn_marks import marks
from tests.helpers.report_pages import EVIL, Page


def words_of(path):
    return Page(path.read_text(encoding="utf-8")).words


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_page_record_tables_and_figures(tmp_path):
    comparison = make_comparison()
    path = write_comparison(comparison, tmp_path)
    assert checked_record(tmp_path / COMPARISON_FILE, Comparison) == comparison
    names = set(files_of(tmp_path))
    assert {
        "comparison.html",
        "tables/results.tex",
        "tables/pairs.csv",
        "figures/differences.svg",
    } <= names
    assert {
        "figures/superiority.svg",
        "figures/paired_seeds.svg",
        "figures/profiles.svg",
        "figures/seeds.svg",
        "figures/differences_log_loss.svg",
    } <= names
    page = Page(path.read_text(encoding="utf-8"))
    assert page.ids == ["arms", "claims", "paper"]
    assert page.tags.count("svg") == 6
    assert not re.search(r"https?://|@import|url\(", path.read_text(encoding="utf-8"))
    words = words_of(path)
    assert "full is 13.6 points (accuracy, test) above features over 5 paired seeds and 1,234 examples: claimed" in words
    assert "1,234 examples" in words
    assert "paired t 5.1, p < 0.001" in words
    assert "examples that one alone gets right 210.2 only full, 33.4 only features, p 0.002" in words


def test_the_same_comparison_gives_the_same_bytes(tmp_path):
    write_comparison(make_comparison(), tmp_path)
    before = files_of(tmp_path)
    write_comparison(make_comparison(), tmp_path)
    assert files_of(tmp_path) == before


def test_a_refusal_is_shown_and_nothing_is_drawn_of_it(tmp_path):
    arms = (make_arm("features", SCORES["features"][:2]), make_arm("full", (), scores={}, counts={"failed": 5}))
    path = write_comparison(make_comparison(arms=arms, pairs=(), refused=(Refusal(reason="few_seeds", arm="full"),)), tmp_path)
    words = words_of(path)
    assert "full is not compared: 0 runs of it ended with a score, and at least 3 are needed" in words
    assert "5 failed" in words
    assert "Every test of every pair" not in words
    assert "Performance profiles" not in words
    assert "Which arm wins" not in words
    assert {name for name in files_of(tmp_path) if name.startswith("figures/")} == {"figures/seeds.svg"}


def test_examples_that_cannot_be_resampled_leave_their_cells_empty(tmp_path):
    fields = (
        "both",
        "examples",
        "source",
        "seeds_share",
        "superiority",
        "aso",
        "disagreement",
        "p_value",
        "p_holm",
        "p_of",
        "n_examples",
    )
    pair = make_pair("full", "features", 0.5, **dict.fromkeys(fields), tests=(), stability=(), effects={}, sd_ratio=None)
    path = write_comparison(make_comparison(pairs=(pair,)), tmp_path)
    words = words_of(path)
    assert "examples fixed" in words
    assert "None" not in words
    assert "← features better · full better →" in words


def test_names_and_sentences_are_escaped(tmp_path):
    arms = (make_arm("features", SCORES["features"]), make_arm(EVIL, SCORES["full"]))
    pair = make_pair("full", "features", 0.5).model_copy(update={"arm": EVIL})
    notes = (ComparisonNote(kind="crossed_design", study=EVIL),)
    path = write_comparison(make_comparison(title=EVIL, arms=arms, pairs=(pair,), notes=notes), tmp_path)
    assert not {"script", "b"} & set(Page(path.read_text(encoding="utf-8")).tags)
    assert words_of(path).count(EVIL) >= 4


def test_of_a_metric_to_minimise_the_lower_profile_is_better(tmp_path):
    better = "The arm whose line is further {} is better"
    assert better.format("up and right") in words_of(write_comparison(make_comparison(), tmp_path / "up"))
    path = write_comparison(make_comparison(headline_direction="minimize"), tmp_path / "down")
    assert better.format("down and left") in words_of(path)


def test_a_bar_over_seeds_alone_is_not_called_one_over_examples(tmp_path):
    whole, seeds_only = make_pair("full", "features", 0.5), make_pair("llrd_0.9", "features", 0.5, both=None)
    shown = {}
    for name, pairs in {"whole": (whole,), "mixed": (whole, seeds_only), "seeds": (seeds_only,)}.items():
        shown[name] = words_of(write_comparison(make_comparison(pairs=pairs), tmp_path / name))
    assert "interval over other seeds and other examples of the same kind. A filled" in shown["whole"]
    assert "kind; where the examples of a pair could not be resampled, over other seeds alone. A filled" in shown["mixed"]
    assert "interval over other seeds, with the same examples. A filled" in shown["seeds"]


def test_the_level_of_an_adaptive_study_and_its_bound_are_rounded_alike_everywhere(tmp_path):
    comparison = make_comparison(level=1 - 0.05 / 3)
    path = write_comparison(comparison, tmp_path)
    tables = [(tmp_path / "tables" / name).read_text(encoding="utf-8") for name in ("results.md", "pairs.md")]
    words = words_of(path)
    assert "is claimed where p (Holm) is at most 0.0167." in words
    assert "The bar is the 98.33 % t-interval of the mean" in words
    arm = comparison.arms[0]
    row = comparison_section._strip(comparison, arm.name)
    assert (row.low, row.high) == t_interval(arm.values(comparison.headline_key), comparison.level)
    assert all("p ≤ 0.0167 " in table for table in tables)
    for text in (words, tables[1], comparison_table(comparison)):
        assert "98.33 % interval" in text
        assert "98.333" not in text


def test_each_seed_has_a_line_in_the_colour_of_the_better_arm_and_unpaired_arms_have_none():
    comparison = make_comparison()
    first = comparison.headline_pairs[0]
    lines = marks(comparison_section.pictures(comparison)["paired_seeds"], "line", "curve")
    arm, baseline = (comparison.arm(name).scores[comparison.headline_key] for name in (first.arm, first.baseline))
    for seed, score in arm.items():
        title = f"seed {seed}: {first.baseline} {baseline[seed]:.3f}, {first.arm} {score:.3f}"
        (css,) = (line["class"].removeprefix("curve ") for line in lines if line["words"] == title)
        better = first.arm if score > baseline[seed] else first.baseline
        assert css == f"c{[each.name for each in comparison.arms].index(better)}"
    unpaired = tuple(pair.model_copy(update={"paired": False}) for pair in comparison.pairs)
    assert "paired_seeds" not in comparison_section.pictures(make_comparison(pairs=unpaired))
