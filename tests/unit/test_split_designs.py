"""Split designs from the config to the planned runs: how many there are, what each reads, and what does not fit them."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError, load_study, parse_study
from bertft_core.config.seed_settings import SeedsConfig
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.data_findings import PreparedData, find_all, find_overlap
from bertft_core.data.examples import Example, RawSplit
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DataFinding
from bertft_core.report.prose import data_card_text
from bertft_core.report.prose.data_findings_text import finding_text
from bertft_core.seeds import report_seeds
from tests.helpers.drawn_studies import drawn_study

FOLDS = {"folds": 3, "repeats": 2}
SEARCH = {"space": {"learning_rate": {"choices": [1e-5, 1e-4]}}, "n_trials": 2}


def seeds(design, **more):
    return SeedsConfig.model_validate({"design": {"split": design}} | more)


@pytest.mark.parametrize(
    ("design", "n_splits"), [({"folds": 4}, 4), (FOLDS, 6), ({"resamples": 7, "test_ratio": 0.3}, 7), ({"bootstrap": 8}, 8)]
)
def test_one_seed_on_each_split_unless_more_are_asked_for(design, n_splits):
    assert (seeds(design).n, seeds(design).n_at_first) == (1, n_splits)
    assert seeds(design, n=3).n_at_first == 3 * n_splits
    assert SeedsConfig.model_validate(seeds(design).model_dump()) == seeds(design)
    assert SeedsConfig().n == 5


def test_no_two_runs_share_a_seed_but_folds_of_a_repeat_share_their_division():
    found = [each for _, each in report_seeds(0, seeds(FOLDS, n=2))]
    for stream in ("init", "order", "dropout"):
        assert len({getattr(each, stream) for each in found}) == len(found) == 12
    divisions = [each.split for each in found]
    assert divisions[:3] == [divisions[0]] * 3
    assert len(set(divisions)) == 2
    assert divisions[6:] == divisions[:6]


@pytest.mark.parametrize(("n", "more", "n_more"), [(2, {"folds": 3, "repeats": 4}, 2), (1, FOLDS, 2)], ids=["repeats", "seeds"])
def test_more_splits_and_more_seeds_change_no_earlier_run(tmp_path, n, more, n_more):
    arms = {"whole": {}, "subset": {"train_examples": 8}}
    earlier, later = (
        {spec.digest for spec in plan_runs(*drawn_study(tmp_path, *design, arms=arms), {})}
        for design in ((FOLDS, n), (more, n_more))
    )
    assert earlier < later


def test_a_run_reads_the_data_of_its_own_split(tmp_path):
    study, card = drawn_study(tmp_path, FOLDS)
    assert (len(card.draws), card.n_drawn_from) == (6, 24)
    for spec in plan_runs(study, card, {}):
        own = card.draws[spec.split]
        assert (spec.data_fingerprint, spec.prepared_dir) == (own.fingerprint, own.directory)
        assert card.of_run(spec) == own
        assert f"split {spec.split:02d} · seed {spec.index:03d}" in spec.title
    assert len({draw.fingerprint for draw in card.draws}) == 6
    assert card.fingerprint == card.draws[0].fingerprint
    assert "below is the first of 6 splits of 24 examples" in data_card_text.card_text(card)


def test_the_runs_of_an_arm_on_all_splits_are_of_one_setting(tmp_path):
    """Arms that differ in what no spec holds but its data's fingerprint are of two all the same."""
    arms = {"long": {}, "short": {"data": {"max_length": 24}}, "fast": {"learning_rate": 0.1}}
    specs = plan_runs(*drawn_study(tmp_path, FOLDS, 2, arms=arms), {})
    assert len({(spec.arm, spec.setting_digest) for spec in specs}) == len({spec.setting_digest for spec in specs}) == 3


def test_the_examples_are_tokenised_once_and_as_they_would_be_alone(tmp_path, monkeypatch):
    alignment, calls = ALIGNMENTS["classification"], []

    def counted(tokenizer, examples, *rest):
        calls.append(len(examples))
        return alignment.tokenise(tokenizer, examples, *rest)

    monkeypatch.setitem(ALIGNMENTS, "classification", alignment.__class__(**alignment.__dict__ | {"tokenise": counted}))
    study, card = drawn_study(tmp_path, FOLDS)
    assert calls == [24]
    assert prepare_data(study, home_dir=tmp_path / "home") == card
    assert calls == [24]
    rows = {}
    for draw in card.draws:
        for name in ("train", "validation", "test"):
            split = open_split(draw.directory, name)
            for i, example in enumerate(split.example_ids):
                assert rows.setdefault(example, (split.input_ids(i).tolist(), split.texts(i))) == (
                    split.input_ids(i).tolist(),
                    split.texts(i),
                )
    assert len(rows) == 24


def test_a_copy_of_another_example_than_its_source_is_found_whichever_split_tests_it(tmp_path):
    extra = tmp_path / "extra.csv"
    extra.write_text('text,label,source_id\n"the film was awful",negative,train-00002\n')
    _, card = drawn_study(tmp_path / "study", {"folds": 6}, data={"extra_train": [str(extra)]})
    copies = [find_all(PreparedData(raw_parts(draw), {}, card.labels, 48), [find_overlap]) for draw in card.draws]
    assert [bool(each) for each in copies].index(True) > 0, "not the first split"
    (found,) = (each for each in card.findings if each.check == "overlap")
    assert (found.split, found.count, found.names) == ("test", 1, ("train",))
    assert finding_text(found, drawn=True) == "1 text of test, in the split with the most, is also in train"
    training = [draw.splits["train"].origin for draw in card.draws if draw.splits["train"].origin.extra]
    assert {tuple(origin.extra.values()) for origin in training} == {(1,)}
    assert 0 < len(training) < 6, "it follows its source out of the splits that test or validate it"
    assert not any(draw.splits[name].origin.extra for draw in card.draws for name in ("validation", "test"))


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("near_duplicates", "2 texts of train, in the first split, are nearly the same as one of train"),
        ("duplicates", "2 texts of all examples are duplicated in it"),
    ],
)
def test_a_finding_of_a_split_design_says_of_what_it_is(check, words):
    assert finding_text(DataFinding(check=check, split="train", count=2, names=("train",)), drawn=True) == words


def raw_parts(draw):
    """The stored examples of a split, as they were read."""
    parts = {}
    for name in ("train", "validation", "test"):
        split = open_split(draw.directory, name)
        examples = (Example(e, split.texts(i), None, 1) for i, e in enumerate(split.example_ids))
        parts[name] = RawSplit(tuple(examples), name, draw.splits[name].origin)
    return parts


def study_of(**changes):
    values = {
        "name": "s",
        "data": {"source": "files", "train": "t.csv"},
        "arms": {"full": {}},
        "seeds": {"design": {"split": {"folds": 5}}},
    }
    return parse_study(values | changes)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"data": {"source": "files", "train": "t.csv", "test": "u.csv"}}, "data.test"),
        ({"data": {"source": "files", "train": "t.csv", "validation": "u.csv"}}, "data.validation"),
        ({"data": {"source": "hub", "name": "glue"}}, "data.validation"),
        ({"data": {"source": "files", "train": "t.csv", "split": {"test_ratio": 0.2}}}, "data.split.test_ratio"),
        ({"data": {"source": "bundled", "name": "reviews", "split": {"halve_validation": True}}}, "data.split.halve_validation"),
        ({"data": {"source": "bundled", "name": "reviews", "subsample": {"test": 20}}}, "data.subsample.test"),
        ({"arms": {"full": {"search": SEARCH}}}, "arms.full.search"),
        ({"ensemble": True}, "ensemble"),
        ({"seeds": {"first": 3, "design": {"split": {"folds": 5}}}}, "seeds.first"),
        ({"seeds": {"n": 3, "max": 9, "until": {"half_width": 0.1}, "design": {"split": {"folds": 5}}}}, "seeds.until"),
        ({"seeds": {"start": 5, "stop_at": 0.5, "keep": 2, "design": {"split": {"folds": 5}}}}, "seeds.design"),
        ({"seeds": {"n": 2000, "design": {"split": {"folds": 10}}}}, "seeds.n"),
        ({"seeds": {"design": {"split": {"folds": 1}}}}, "folds"),
        ({"seeds": {"design": {"split": {"resamples": 3, "test_ratio": 1.5}}}}, "test_ratio"),
        ({"seeds": {"design": {"split": {"fold": 5}}}}, "seeds.design"),
    ],
)
def test_what_does_not_fit_a_split_design_is_refused_at_its_place(changes, place):
    with pytest.raises(UserError) as caught:
        study_of(**changes)
    assert place in caught.value.problem
    assert caught.value.hint


def test_near_duplicates_are_kept_together_by_splits_of_a_bundled_set(tmp_path):
    """Which has a test set, so that without a design nothing is cut."""
    path = tmp_path / "s.yaml"
    path.write_text("name: s\ndata: {source: bundled, name: reviews, split: {group: near_duplicates}}\narms: {full: {}}\n")
    with pytest.raises(UserError, match="no split is cut"):
        load_study(path)
    path.write_text(path.read_text() + "seeds: {design: {split: {folds: 5}}}\n")
    assert load_study(path).seeds.splits.folds == 5


def test_a_learning_curve_may_have_a_subset_of_every_split():
    study = study_of(arms={"full": {"learning_curve": {"sizes": [20, 40]}}})
    assert len(study.arms) == 2
