"""A study whose runs share seeds, from its rows to its paper: no number and no word takes the runs for independent."""

import re

import numpy as np
import pytest

from bertft_core.evaluation import frames
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.summarize import evaluated
from bertft_core.report import comparison_section, paper_tables, summary_rows
from bertft_core.report.drawings.look import PAGE
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.prose import comparison_text, paper_text, study_text
from bertft_core.report.study_report import write_report
from bertft_core.report.text_table import result_table
from bertft_core.statistics.crossed_mean import crossed_mean, crossed_sd_interval
from bertft_core.statistics.mean_intervals import t_interval
from tests.helpers.drawn_marks import marks, svg_of
from tests.helpers.evaluated_studies import make_results
from tests.helpers.report_pages import Page
from tests.helpers.small_records import make_card

pytestmark = pytest.mark.usefixtures("blank_pictures")

PLACES = [(i, j) for i in range(3) for j in range(3)]
LOW = [0.50, 0.52, 0.51, 0.60, 0.62, 0.60, 0.55, 0.56, 0.57]
HIGH = [score + gap for score, gap in zip(LOW, [0.20, 0.21, 0.20, 0.22, 0.24, 0.23, 0.20, 0.21, 0.19], strict=True)]
"""The init seed decides most of it."""
SIZES = {"train": 40, "validation": 100, "test": 100}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    home = tmp_path_factory.mktemp("crossed")
    grid = {"design": {"crossed": {"init": 3, "order": 3}}}
    return make_results(home, {"features": LOW, "full": HIGH}, card=make_card(home, splits=SIZES), seeds=grid)


@pytest.fixture(scope="module")
def comparison(results):
    return compare_studies([results], ComparisonRequest(n_resamples=300))


def row(results, arm=0):
    return summary_rows.row_of(results.summary.arms[arm], "test", "best", "accuracy")


def test_the_row_of_an_arm_knows_that_its_runs_share_seeds(results):
    found = row(results)
    assert (found.t_low, found.t_high) == pytest.approx(crossed_mean(LOW, PLACES).interval())
    assert found.t_high - found.t_low > 2 * np.ptp(t_interval(LOW))
    assert (found.sd_low, found.sd_high) == pytest.approx(crossed_sd_interval(LOW, PLACES))
    assert (found.bootstrap_low, found.bootstrap_high, found.sd_unbiased) == (None, None, None)
    assert found.sd == pytest.approx(np.std(LOW, ddof=1))


def test_gains_over_the_majority_do_not_call_its_runs_seeds(results):
    gain = results.summary.gains_over_majority[0]
    wanted = np.array(crossed_mean(LOW, PLACES).interval()) - gain.constant_score
    assert (gain.t_low, gain.t_high) == pytest.approx(wanted)
    sentence = study_text.gain_over_majority(gain, results.summary)
    assert "over 9 runs (95 % interval" in sentence
    assert "seeds" not in sentence


def test_two_seeds_of_a_kind_have_no_interval_and_that_is_said(tmp_path):
    grid = {"design": {"crossed": {"init": 2, "order": 2}}}
    results = make_results(tmp_path, {"features": LOW[:4], "full": HIGH[:4]}, card=make_card(tmp_path, splits=SIZES), seeds=grid)
    found = row(results)
    assert (found.t_low, found.bootstrap_low, found.sd_low) == (None, None, None)
    sentence = study_text.gain_over_majority(results.summary.gains_over_majority[0], results.summary)
    assert "an interval needs a complete grid of at least 3 × 3 init and order seeds" in sentence
    assert "no interval of their mean is given" in result_table(results.summary)
    assert "that needs at least 3 seeds of each kind" in study_text.cautions(results.study, results.summary)[1]


def test_the_interval_of_a_pair_is_that_of_runs_that_share_seeds_and_nothing_is_claimed(results, comparison):
    (pair,) = comparison.headline_pairs
    gaps = np.subtract(HIGH, LOW)
    assert (pair.seeds.low, pair.seeds.high) == pytest.approx(crossed_mean(gaps, PLACES).interval())
    assert pair.both.high - pair.both.low >= pair.seeds.high - pair.seeds.low
    assert pair.both.low > 0
    assert (pair.crossed, pair.claimed, pair.p_value, pair.tests, pair.stability, pair.aso) == (True, False, None, (), (), None)
    assert (pair.superiority.value, pair.superiority.low, pair.sd_ratio.low, pair.disagreement.p) == (1.0, None, None, None)
    sentence = comparison_text.pair(pair, comparison)
    assert "over 9 paired runs that share seeds and 100 examples: inconclusive (not tested, because runs share seeds;" in sentence
    assert {arm.cells[8] for arm in comparison.arms} == {(2, 2)}
    assert "crossed_design" in {note.kind for note in comparison.notes}


def test_the_report_says_how_the_intervals_were_made(results, comparison):
    summary = results.summary.model_copy(update={"comparison": comparison})
    how = study_text.of_crossed(summary)
    assert "share 3 init and 3 order seeds (crossed)" in how
    assert "Satterthwaite" in how
    assert how in result_table(summary)
    assert how in study_text.cautions(results.study, summary)
    paper = paper_text.statistics(results.with_summary(summary))
    assert how in paper
    assert "over runs of accuracy" in paper
    assert "multi-bootstrap" not in paper
    arms, pairs = paper_tables.tables_of(paper_tables.scores_of_summary(summary), "best/test/accuracy", comparison)
    assert "over n runs that share seeds (crossed)" in arms.caption
    assert "Runs of a crossed design share seeds, so nothing is tested or claimed." in pairs.caption
    compared = paper_tables.tables_of(paper_tables.scores_of_comparison(comparison), "best/test/accuracy", comparison)
    assert compared[0].caption == arms.caption


def test_the_pictures_of_a_comparison_have_its_intervals_and_no_band(comparison):
    section = comparison_section.section(comparison, [])
    low, high = crossed_mean(LOW, PLACES).interval()
    said = f"features: mean {numbers.score(np.mean(LOW))}, interval {intervals.interval(low, high)}"
    seeds, profiles = (section["pictures"][name].figure(PAGE) for name in ("seeds", "profiles"))
    assert said in svg_of(seeds)
    assert marks(profiles, "path", "curve") + marks(profiles, "line", "curve")
    assert marks(profiles, "path", "area") == []
    assert section["rows"][0]["n"] == "9 crossed runs"


@pytest.mark.parametrize("n_replicates", [1, 2])
def test_the_report_names_the_replicates_and_says_which_init_and_order_seed_each_run_has(tmp_path, n_replicates):
    grid = {"design": {"crossed": {"init": 2, "order": 2, "replicates": n_replicates}}}
    scores = {
        arm: [score + gap for gap in (0.0, 0.05)[:n_replicates] for score in of[:4]]
        for arm, of in {"features": LOW, "full": HIGH}.items()
    }
    results = evaluated(make_results(tmp_path, scores, card=make_card(tmp_path, splits=SIZES), seeds=grid))
    page = write_report(results).read_text(encoding="utf-8")
    words = Page(page).words
    assert ("2 init seeds crossed with 2 order seeds, each pair with 2 dropout seeds" in words) == (n_replicates == 2)
    assert "2 init seeds crossed with 2 order seeds" in words
    assert ("differ in the dropout seed alone" in words) == (n_replicates == 2)
    table = page.split('aria-label="Every run"')[1].split("</table>")[0]
    shown = ["init", "order", "replicate"][: n_replicates + 1]
    titles = re.findall('<th scope="col"[^>]*>(.*?)</th>', table)
    assert titles[: len(shown) + 3] == ["arm", "seed", *shown, "status"]
    rows = [re.findall('<td class="n">(.*?)</td>', line)[: len(shown) + 1] for line in table.split("<tr>")[2:]]
    assert rows == [
        [str(seed.index), *(str(getattr(seed.cell, name)) for name in shown)]
        for arm in results.summary.arms
        for seed in arm.seeds
    ]
    assert len({tuple(row[1:]) for row in rows}) == 4 * n_replicates
    runs = frames.runs(results)
    assert set(zip(runs.init_index, runs.order_index, runs.replicate, strict=True)) == {
        (i, j, k) for i in range(2) for j in range(2) for k in range(n_replicates)
    }


def test_runs_with_seeds_of_their_own_have_no_place(tmp_path):
    results = evaluated(make_results(tmp_path, {"features": LOW[:2], "full": HIGH[:2]}))
    page = write_report(results).read_text(encoding="utf-8")
    assert ">init</th>" not in page
    assert not {"init_index", "order_index", "replicate"} & set(frames.runs(results))
