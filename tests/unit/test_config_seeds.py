"""What can be asked of seeds: what does not fit is refused at its place with what to do; old studies stay what they were."""

from __future__ import annotations

import json

import pytest

from bertft_core.config import parse_study
from tests.helpers.small_configs import STUDY, load, refusal

BASE = {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}
UNTIL = "until: {half_width: 0.1}, max: 9"
MANY = "start: 8, stop_at: 0.3, keep: 2"


@pytest.mark.parametrize(
    ("seeds", "at", "why"),
    [
        ("until: {half_width: 0.1}", "seeds.until", "never stop"),
        ("max: 9", "seeds.max", "maximum"),
        ("n: 2, until: {half_width: 0.1}, max: 9", "seeds.n", "at least 3 seeds"),
        ("n: 9, until: {half_width: 0.1}, max: 9", "seeds.max", "no seeds to add"),
        (f"{UNTIL}, design: {{crossed: {{init: 2, order: 2}}}}", "seeds.until", "grid"),
        (f"{UNTIL}, {MANY}", "seeds.until", "selected"),
        ("until: {half_width: 0.1, split: test}, max: 9", "seeds.until.split", "never on the test set"),
        ("until: {half_width: 0.1, metric: test/accuracy}, max: 9", "seeds.until.metric", "validation set"),
        ("until: {half_width: 0.1, metric: bleu}, max: 9", "seeds.until.metric", "'bleu' is not a metric of the head"),
        ("until: {half_width: 0}, max: 9", "seeds.until.half_width", ""),
        ("start: 8", "seeds.start", "stop_at, keep"),
        ("start: 8, keep: 8, stop_at: 0.3", "seeds.keep", "must continue"),
        ("start: 8, keep: 2, stop_at: 1.0", "seeds.stop_at", ""),
        (f"{MANY}, design: {{only: init}}", "seeds.design", "variance"),
        (f"{MANY}, repeats: 2", "seeds.repeats", "stopped early"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(tmp_path, seeds, at, why):
    error = refusal(tmp_path, f"{STUDY}seeds: {{{seeds}}}\n")
    assert at in error.problem
    assert why in f"{error.problem} {error.found} {error.expected}"
    assert error.hint


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("metric: test/accuracy\n", "metric"),
        ("metric: validation/accuracy\n", "metric"),
        (f"probes: {{}}\nseeds: {{{MANY}}}\n", "probes"),
    ],
)
def test_choosing_on_a_named_split_and_summing_selected_seeds_up_are_refused(tmp_path, text, at):
    assert at in refusal(tmp_path, STUDY + text).problem


def test_early_stopping_on_the_test_set_is_refused(tmp_path):
    stopping = "{kind: early_stopping, patience: 2, metric: test/accuracy}"
    error = refusal(tmp_path, STUDY.replace("{kind: feature_extraction}", stopping))
    assert "arms.features.strategies" in error.problem
    assert error.hint == "write 'accuracy'"


@pytest.mark.parametrize("seeds", [f"{{{UNTIL}}}", f"{{{MANY}}}"])
def test_search_seeds_keep_away_from_all_seeds_there_may_be(tmp_path, seeds):
    assert load(tmp_path, f"{STUDY}seeds: {seeds}\n")
    searching = STUDY.replace("n_trials: 2", "n_trials: 2\n      first_seed_index: 7")
    assert "seed indices 7 to" in refusal(tmp_path, f"{searching}seeds: {seeds}\n").problem


def test_the_interim_analyses_end_at_the_maximum():
    def interim_sizes(**seeds):
        return parse_study(BASE | {"seeds": seeds}).seeds.interim_sizes

    assert interim_sizes(n=3, until={"half_width": 0.1, "batch": 4}, max=12) == (3, 7, 11, 12)
    assert interim_sizes(n=3, until={"half_width": 0.1, "batch": 100}, max=12) == (3, 12)
    assert interim_sizes(n=5) == ()


def test_studies_that_ask_for_nothing_new_have_the_digest_they_always_had():
    """Recorded before seeds could be added, selected or replicated, and before a validation set could be halved."""
    study = parse_study(BASE | {"seeds": {"design": {"crossed": {"init": 2, "order": 2}}}})
    assert study.digest == "d54aae2ac2b69bcf1841b1744415e1d18a53289f5913c561fb096fba9019cf6d"
    assert parse_study(BASE).digest == "3238d053f2f6b60d09c4edd1e137151c2336a1eac61cf649f3fa72d799aa85ac"
    values = json.loads(study.model_dump_json())
    assert set(values["seeds"]) == {"n", "first", "design", "repeats"}
    assert set(values["data"]["split"]) == {"validation_ratio", "test_ratio"}


@pytest.mark.parametrize(
    "seeds",
    [
        {"n": 3, "until": {"half_width": 0.1}, "max": 9},
        {"start": 8, "stop_at": 0.3, "keep": 2},
        {"design": {"crossed": {"init": 2, "order": 2, "replicates": 3}}},
    ],
)
def test_what_is_asked_survives_a_trip_through_json_and_is_in_the_digest(seeds):
    study = parse_study(BASE | {"seeds": seeds})
    again = parse_study(json.loads(study.model_dump_json()))
    assert again == study
    assert again.digest == study.digest != parse_study(BASE).digest
