"""The report's sections on statistics: there with their data, absent without; and the texts for a paper."""

import re
from dataclasses import replace

import pytest

from bertft_core.config import parse_study
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records.seed_design_records import AdaptiveSeeds, InterimAnalysis, InterimInterval, SelectedSeed, SelectedSeeds
from bertft_core.records.selection_record import ModelSelection, SelectionChoice, SplitUse
from bertft_core.report.drawings.reliability_diagram import reliability_plot
from bertft_core.report.formatting import numbers
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.prose.paper_checklist import FOR_YOU, ITEMS, checklist
from bertft_core.report.prose.paper_text import setup_text
from bertft_core.report.study_report import write_report
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.comparison_records import make_comparison
from tests.helpers.insight_records import make_agreement, make_insights
from tests.helpers.report_pages import Page
from tests.helpers.small_records import make_card, make_record, make_study, make_sweep

pytestmark = pytest.mark.usefixtures("blank_pictures")

CHOSEN = {"full": {"learning_rate": 2e-4, "batch_size": 8}}
OURS = ["claims", "variance", "flips", "howmany", "budget"]


def shown(directory, study=None, status="ok", **changes):
    """Everything a report is made from; `changes` replace parts of the summary."""
    study = study or make_study()
    study_dir, card = StudyDir(directory, study.name), make_card(directory)
    chosen = CHOSEN if "full" in study.arms and study.arms["full"].search else {}
    planned = plan_runs(study, card, chosen)
    records = {spec.digest: make_record(spec, card, study_dir, accuracy=0.7, status=status, error="torn") for spec in planned}
    results = StudyResults(study, card, study_dir, records, planned, {"full": make_sweep(study_dir)} if chosen else {})
    summary = summarize(results).model_copy(update={"comparison": None, "insights": None, "model_selection": None} | changes)
    return results.with_summary(summary), study_dir


def page_of(directory, **changes):
    path = write_report(shown(directory, **changes)[0])
    return Page(path.read_text(encoding="utf-8")), path


def words_of(page):
    return page.words


def test_sections_stand_where_their_data_are(tmp_path):
    page, path = page_of(tmp_path, comparison=make_comparison(), insights=make_insights())
    assert [i for i in page.ids if i in OURS] == OURS
    assert {f"#{name}" for name in OURS} <= set(page.links)
    words = words_of(page)
    assert "full is 13.6 points (accuracy, test) above features over 5 paired seeds and 1,234 examples: claimed" in words
    assert "full initial head weights 0.0200 – 80 % 0.0004" in words
    assert "batch order 0.0000 0.0000 to 0.0100" in words
    assert "not <bad> at all, I would say, and the soup was hot positive negative × 3, positive × 2 2 of 5" in words
    assert "No expected best score over the trials of full: the trials of this search are not independent draws" in words
    drawn = {picture.stem for picture in (path.parent / "figures").iterdir()}
    assert {"differences", "variance", "seeds_needed", "seeds_needed_power", "budget_seeds", "start_many_full"} <= drawn
    assert "budget_trials" not in drawn, "it was refused"


def test_sections_are_absent_without_data(tmp_path):
    page, path = page_of(tmp_path)
    assert [i for i in page.ids if i in OURS] == []
    assert not {f"#{name}" for name in OURS} & set(page.links)
    assert not (path.parent / "figures" / "differences.svg").exists()


def test_each_section_stands_alone(tmp_path):
    whole = make_insights()
    nothing = dict.fromkeys(type(whole).model_fields, ())
    for name, section in (("variance", "variance"), ("agreement", "flips"), ("seeds_needed", "howmany"), ("budgets", "budget")):
        insights = whole.model_copy(update=nothing | {name: getattr(whole, name)})
        page, _ = page_of(tmp_path / name, insights=insights)
        assert [i for i in page.ids if i in OURS] == [section]


def selection():
    choice = SelectionChoice(what="setting", arm="full", split="validation", n_scores=12)
    uses = (SplitUse(split="validation", n_evaluations=1234, n_choices=2), SplitUse(split="test", n_evaluations=6, n_choices=0))
    sizes = {"n_settings": 13, "n_trials": 12, "n_search_runs": 24, "n_report_runs": 6}
    return ModelSelection(**sizes, splits=uses, choices=(choice,))


def test_model_selection_is_shown_where_it_is_known(tmp_path):
    page, _ = page_of(tmp_path, model_selection=selection())
    words = words_of(page)
    assert "selection" in page.ids
    assert "validation 1,234 2 test 6 none" in words
    assert "setting full validation 12 The best of 12 trials of the search (accuracy)." in words
    assert "selection" not in page_of(tmp_path / "without", model_selection=None)[0].ids


def test_interim_analyses_are_shown(tmp_path):
    analyses = (
        InterimAnalysis(n=3, half_widths={"features": 0.03}, is_enough=False),
        InterimAnalysis(n=7, half_widths={"features": 0.012, "full": 0.011}, is_enough=True),
    )
    interval = InterimInterval(arm="full", split="test", metric="accuracy", n=7, mean=0.8, low=0.78, high=0.82)
    adaptive = AdaptiveSeeds(
        metric="accuracy",
        half_width=0.015,
        plan=(3, 7, 11),
        level=0.9785,
        interim_analyses=analyses,
        ended="narrow enough",
        intervals=(interval,),
    )
    words = words_of(page_of(tmp_path, adaptive=adaptive)[0])
    assert "3 0.030 – no 7 0.012 0.011 yes" in words
    assert "full accuracy on test 7 0.800 0.780 to 0.820" in words
    assert "The mean of every arm is known to ±0.015 (accuracy, validation) with 7 seeds" in words, "in the setup for a paper"


def test_selected_seeds_are_no_sample_in_table_text_and_curves(tmp_path):
    found, _ = shown(tmp_path)
    seeds = (
        SelectedSeed(index=1, score_at_cut=0.7, kept=True, best_score=0.8),
        SelectedSeed(index=0, score_at_cut=0.6, kept=False),
        SelectedSeed(index=2, score_at_cut=None, kept=False),
    )
    selected = SelectedSeeds(start=3, stop_at=0.25, keep=1, seeds=seeds, best=1, cost=1.5)
    arms = tuple(arm.model_copy(update={"selected": selected, "metrics": ()}) for arm in found.summary.arms)
    page, path = page_of(tmp_path, arms=arms)
    words = words_of(page)
    assert "1 0.700 continued 0.800 0 0.600 stopped – 2 – stopped –" in words
    table = (path.parent / "tables" / "results.md").read_text(encoding="utf-8")
    assert "| full | 1 | 0.700 |" in table
    assert "full: one run, the best of 3 started seeds on the validation set." in table
    assert not (path.parent / "figures" / "curves_validation.svg").exists(), "a band over what was selected is no spread"
    assert "It was selected among many and is not a sample" in words


def test_agreement_of_numbers_shows_their_spread(tmp_path):
    numbers = make_agreement("full", "regression").model_copy(
        update={"mean_sd": 0.25, "fleiss_kappa": None, "disagreement": None}
    )
    insights = make_insights().model_copy(update={"agreement": (numbers,)})
    words = words_of(page_of(tmp_path, insights=insights)[0])
    assert "mean sd" in words
    assert "5 40 – – 0.021 0.250" in words


def test_the_setup_names_data_model_settings_search_seeds_and_statistics(tmp_path):
    found, _ = shown(tmp_path, comparison=make_comparison())
    parts = dict(setup_text(found))
    assert list(parts) == ["Data", "Model", "Training", "Search", "Seeds", "Statistics", "Compute", "Software"]
    assert "80 training, 40 validation, 40 test and 20 other_domain examples" in parts["Data"]
    assert "features (feature extraction) and full (full)" in parts["Model"]
    assert "For full: learning rate 0.0002 and batch size 8." in parts["Training"]
    assert "learning rate in [1e-05, 0.001] (log scale) and batch size in {8, 16}" in parts["Search"]
    assert "Each arm is trained 3 times" in parts["Seeds"]
    largest = "the p-value is the largest with seeds and examples, seeds alone and examples alone resampled"
    assert f"multi-bootstrap (Sellam et al. 2022; {largest}; 10,000 resamples" in parts["Statistics"]
    assert "Holm's correction over 6 comparisons" in parts["Statistics"]
    assert "6 report runs took 2 min in total" in parts["Compute"]
    assert parts["Software"] == "Python 3.11.9 and torch 2.13.0; bertft at commit cccccccccccc."


def test_a_study_of_one_arm_without_search_leaves_out_what_it_has_not(tmp_path):
    study = parse_study(make_study().model_dump(mode="json") | {"arms": {"full": {"max_steps": 50, "dropout": 0.2}}})
    found, _ = shown(tmp_path, study=study)
    parts = dict(setup_text(found))
    assert "Search" not in parts
    assert "It is fine-tuned as full (full)." in parts["Model"]
    assert "50 steps" in parts["Training"]
    assert "dropout 0.2" in parts["Training"]
    assert "95 % t-intervals" in parts["Statistics"]


def test_what_most_arms_share_is_said_once_and_an_arm_with_another_value_by_name(tmp_path):
    arms = {"a": {}, "b": {}, "c": {}, "long": {"max_steps": 50}, "strict": {"weight_decay": 0.1}}
    text = dict(setup_text(shown(tmp_path, study=make_study(arms=arms))[0]))["Training"]
    assert "2 epochs" in text
    assert "weight decay 0.01 (none on biases and LayerNorm)" in text
    assert text.count(" For ") == 2
    assert " For long: 50 steps. For strict: weight decay 0.1. We report" in text


def test_failed_runs_are_reported_in_text_and_checklist(tmp_path):
    found, _ = shown(tmp_path, status="failed")
    assert "Runs with problems: features: 3 failed; full: 3 failed." in dict(setup_text(found))["Seeds"]
    answers = {item.question: item.answer for item in checklist(found)}
    assert "full: 3 failed" in answers["Did runs fail, and were they left out?"]
    assert answers["What is the validation score that belongs to the reported score?"] is None, "there is none"


def test_the_checklist_answers_what_the_records_say_and_leaves_the_rest_to_the_author(tmp_path):
    found, _ = shown(tmp_path)
    items = checklist(found)
    assert [item.answer is None for item in items] == [answer is None for _, _, answer in ITEMS]
    answers = {item.question: item.answer for item in items}
    assert answers["How are the labels distributed?"] == "In training: negative 40 and positive 40."
    assert "6 report runs (3 of features and 3 of full)." in answers["Exactly how many training runs and evaluations were made?"]
    assert "The searches tried 3 settings" in answers["Exactly how many training runs and evaluations were made?"]
    assert "Validation accuracy, mean ± sd: features 0.700 ± 0.000" in str(answers)
    page, path = page_of(tmp_path)
    assert words_of(page).count(FOR_YOU) == sum(answer is None for _, _, answer in ITEMS)
    text = (path.parent / "paper.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^- \*\*.+\?\*\* .", text, re.MULTILINE)) == len(ITEMS)
    assert "We use reviews with" in text


def test_inputs_that_were_cut_off_are_reported_of_every_split(tmp_path):
    found, _ = shown(tmp_path)
    splits = {name: split.model_copy(update={"truncated_ratio": 0.0}) for name, split in found.card.splits.items()}
    whole = replace(found, card=found.card.model_copy(update={"splits": splits}))
    assert "(none was longer and truncated)" in dict(setup_text(whole))["Data"]
    splits["test"] = splits["test"].model_copy(update={"truncated_ratio": 0.125})
    cut = replace(found, card=found.card.model_copy(update={"splits": splits}))
    assert "(12.5 % of the test inputs were longer and truncated)" in dict(setup_text(cut))["Data"]


def test_the_paper_says_what_becomes_of_the_windows_of_a_long_text(tmp_path):
    windows = {"long_texts": "windows"}
    arms = {"mean": {"data": windows}, "learned": {"data": windows, "head": {"aggregate": "attention"}}}
    found, _ = shown(tmp_path, study=make_study(arms=arms))
    own = dict.fromkeys(arms, found.card)
    text = dict(setup_text(replace(found, card=found.card.model_copy(update={"arms": own}))))["Data"]
    size = found.card.max_length
    assert f"For mean, longer inputs are split into overlapping windows of {size} tokens, whose outputs are averaged; for" in text
    assert "averaged with weights that are learned by attention over the windows (Yang et al. 2016)." in text


def test_the_paper_says_what_each_arm_starts_from_and_reads(tmp_path):
    study = make_study(arms={"full": {}, "other": {"encoder": {"path": "x"}, "data": {"max_length": 8}}})
    found, _ = shown(tmp_path, study=study)
    encoder = found.card.encoder.model_copy(update={"checkpoint": "some/bert", "revision": None})
    own = found.card.model_copy(update={"encoder": encoder, "max_length": 8})
    found = replace(found, card=found.card.model_copy(update={"arms": {"other": own}}))
    parts = dict(setup_text(found))
    assert f"Models start from {found.card.encoder.checkpoint}" in parts["Model"]
    assert "(full) and some/bert (other) with a classification head" in parts["Model"]
    assert "and other (full; data.max_length = 8)." in parts["Model"]
    assert f"For full, inputs have at most {found.card.max_length} tokens" in parts["Data"]
    assert "; for other, inputs have at most 8 tokens" in parts["Data"]
    answers = {item.question: item.answer for item in checklist(found)}
    assert f"at most 8 or {found.card.max_length} tokens, depending on the arm." in str(answers)


def test_the_checklist_counts_runs_and_evaluations_that_were_made(tmp_path):
    found, _ = shown(tmp_path, model_selection=selection())
    gone = found.summary.arms[0].seeds[0].run_digest
    fewer = replace(found, records={digest: record for digest, record in found.records.items() if digest != gone})
    answer = {item.question: item.answer for item in checklist(fewer)}[
        "Exactly how many training runs and evaluations were made?"
    ]
    assert "5 report runs (2 of features and 3 of full)." in answer
    assert "Models were evaluated 1,234 times on validation and 6 times on test." in answer


def test_one_is_singular_zero_has_no_sign_and_columns_are_as_wide_as_their_numbers(tmp_path):
    arms = {"a": {}, "b": {}, "c": {}, "once": {"epochs": 1}, "step": {"max_steps": 1}}
    text = dict(setup_text(shown(tmp_path, study=make_study(arms=arms))[0]))["Training"]
    assert "For once: 1 epoch." in text
    assert "For step: 1 step." in text
    assert "1 seed." in reliability_plot("full", "c1", [("seed 0", [])], []).alt
    assert [numbers.score(-0.0004), numbers.signed(-0.0004), numbers.signed(0.0004)] == ["0.000"] * 3
    assert [numbers.signed(-0.001), numbers.signed(0.001), numbers.signed(10.0)] == ["−0.001", "+0.001", "+10.000"]
    assert aligned([("a", "bb"), ("ccc", "1")], right=(1,)) == "a    bb\nccc   1"
