"""Further training examples from files of their own, for a study or for one arm."""

from __future__ import annotations

import dataclasses

import pytest

from bertft_core.config import UserError, load_study, parse_study
from bertft_core.data.extra_sources import extra_of, with_sources
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.planning.run_specs import plan_runs
from bertft_core.report.prose.data_card_text import card_text
from tests.helpers.raw_splits import raw
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_study


def study_with(folder, **files):
    """Three arms: no further examples, those of `more`, and those of `odd` and `more`."""
    contents = {"more.csv": "text,label\na fine film,positive\nnot worth it,negative\n", "odd.jsonl": ODD} | files
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)
    more, odd = str(folder / "more.csv"), str(folder / "odd.jsonl")
    return tiny_study(
        folder, arms={"base": {}, "more": {"data": {"extra_train": [more]}}, "both": {"data": {"extra_train": [odd, more]}}}
    )


ODD = '{"text": "we left", "label": "negative"}\n'


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return study_with(tmp_path_factory.mktemp("extra") / "a")


def test_they_are_added_to_train_alone(prepared):
    _, card = prepared
    n = card.splits["train"].n_examples
    assert [card.of_arm(arm).splits["train"].n_examples for arm in ("more", "both")] == [n + 2, n + 3]
    assert list(card.of_arm("both").splits["train"].origin.extra.values()) == [1, 2]
    assert card.splits["train"].origin.extra == {}
    for name in card.evaluated_splits:
        assert len({card.of_arm(arm).splits[name].sha256 for arm in ("base", "more", "both")}) == 1
    assert "with 2 more of" in card_text(card)


def test_digests_depend_on_the_examples_and_not_on_where_the_files_are(prepared, tmp_path):
    digests = {spec.arm: spec.digest for spec in plan_runs(*prepared, {}, 1)}
    assert len(set(digests.values())) == 3
    moved = study_with(tmp_path / "elsewhere")
    assert {spec.arm: spec.digest for spec in plan_runs(*moved, {}, 1)} == digests


def test_an_arm_alone_has_the_digest_that_it_has_among_others(prepared, tmp_path):
    study, card = prepared
    specs = {spec.arm: spec.digest for spec in plan_runs(study, card, {}, 1)}
    alone = study.only("more")
    assert alone.data.extra_train == study.arms["more"].data.extra_train
    (spec,) = plan_runs(alone, prepare_data(alone, home_dir=tmp_path), {}, 1)
    assert spec.digest == specs["more"]


def test_one_that_is_tested_on_is_found_at_its_place(tmp_path):
    _, card = study_with(tmp_path / "a", **{"more.csv": "text,label\nlovely soup,positive\nNever  GOOD,negative\n"})
    (overlap,) = [each for each in card.of_arm("more").findings if each.check == "overlap"]
    assert (overlap.split, overlap.names, overlap.count) == ("test", ("train",), 1)
    assert not [each for each in card.findings if each.check == "overlap"]


def test_two_with_the_same_text_are_shown_with_their_own_file(tmp_path):
    twice = "text,label\nquite new,positive\nquite new,positive\n"
    _, card = study_with(tmp_path / "a", **{"more.csv": twice})
    places = [each for finding in card.of_arm("more").findings for each in finding.examples]
    assert any(place.startswith("more.csv:3: quite new") for place in places)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("text,label\na film,neutral\n", "more.csv:2"),
        ("text,label\na film\n", "more.csv:2"),
        ("text,mark\na film,positive\n", "more.csv:1"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_its_own_file(tmp_path, content, where):
    with pytest.raises(UserError) as refused:
        study_with(tmp_path / "a", **{"more.csv": content})
    assert where in str(refused.value)
    assert refused.value.hint


def test_a_question_that_is_too_long_is_refused_in_its_own_file(tmp_path):
    context = "The mill stands by the river."
    long = " ".join(["why"] * 90)
    row = f'{{"id": "q1", "question": "{long}?", "context": "{context}", "answers": {{"text": ["mill"], "answer_start": [4]}}}}\n'
    (tmp_path / "long.jsonl").write_text(row)
    data = {"source": "bundled", "name": "questions", "extra_train": [str(tmp_path / "long.jsonl")]}
    study = parse_study({"name": "s", "head": "question_answering", "data": data, "arms": {"a": {}}})
    with pytest.raises(UserError, match=r"long\.jsonl:1: the question is too long"):
        prepare_data(study, home_dir=tmp_path)


def test_paths_are_relative_to_the_config_for_the_study_and_for_an_arm(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "name: s\ndata: {source: bundled, name: reviews, extra_train: [a.csv]}\n"
        "arms: {one: {data: {extra_train: [b.csv, sub/c.csv]}}, two: {}}\n"
    )
    study = load_study(tmp_path / "s.yaml")
    assert study.of_arm("two").data.extra_train == (str(tmp_path / "a.csv"),)
    assert study.of_arm("one").data.extra_train == (str(tmp_path / "b.csv"), str(tmp_path / "sub/c.csv"))


@pytest.mark.parametrize("data", [{"extra_train": ["a.csv", "a.csv"]}, {"extra_train": "a.csv"}])
def test_lists_that_name_a_file_twice_or_are_none_are_refused(data):
    base = {"name": "s", "data": {"source": "bundled", "name": "reviews"}}
    with pytest.raises(UserError, match=r"arms\.own\.data\.extra_train"):
        parse_study(base | {"arms": {"own": {"data": data}}})


def test_at_its_default_no_digest_changes():
    base = {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"a": {}}}
    given = base | {"data": base["data"] | {"extra_train": []}}
    assert parse_study(given).digest == parse_study(base).digest


def with_sources_of(folder, ids: list[str], *, with_id: bool):
    """A study whose validation set is cut from forty texts, and further examples made from the examples with these ids."""
    folder.mkdir()
    rows = [(f"id{i}", f"the film was {'good' if i % 2 else 'bad'} {i}", "ab"[i % 2]) for i in range(40)]
    lines = [",".join(row if with_id else row[1:]) for row in rows]
    (folder / "t.csv").write_text("\n".join(["id,text,label" if with_id else "text,label", *lines]) + "\n")
    more = [f"a new film {k},{'ab'[k % 2]},{name}" for k, name in enumerate(ids)]
    (folder / "more.csv").write_text("\n".join(["text,label,source_id", *more]) + "\n")
    data = {"source": "files", "train": str(folder / "t.csv"), "max_length": 16, "extra_train": [str(folder / "more.csv")]}
    study = {"name": "s", "data": data, "encoder": {"path": str(tiny_encoder(folder / "bert"))}, "arms": {"a": {}}}
    return parse_study(study)


def trained_on(study, home) -> tuple[set[str], list[str]]:
    """Ids of the examples of the files that are in train, and texts of those that were added."""
    card = prepare_data(study, home_dir=home)
    train = open_split(card.directory, "train")
    texts = [train.texts(i)[0] for i in range(train.n)]
    return {i for i in train.example_ids if i.startswith("train")}, [text for text in texts if text.startswith("a new")]


@pytest.mark.parametrize("with_id", [True, False])
def test_one_follows_the_example_that_it_was_made_from(tmp_path, with_id):
    ids = [f"id{i}" if with_id else f"train-{i:05d}" for i in range(40)]
    study = with_sources_of(tmp_path / "a", [*ids, ""], with_id=with_id)
    kept, added = trained_on(study, tmp_path / "home")
    assert len(kept) == 32
    assert added == [f"a new film {i}" for i in range(40) if f"train-{i:05d}" in kept] + ["a new film 40"]
    card = prepare_data(study, home_dir=tmp_path / "home")
    assert "with 33 more of" in card_text(card)
    assert "(8 left out, whose sources are not in train)" in card_text(card)


def test_one_of_an_unknown_or_ambiguous_source_is_refused_at_its_line(tmp_path):
    with pytest.raises(UserError, match=r"more\.csv:3: there is no example with the id 'id40'"):
        prepare_data(with_sources_of(tmp_path / "a", ["id1", "id40"], with_id=True), home_dir=tmp_path)
    study = with_sources_of(tmp_path / "b", ["id1"], with_id=True)
    twice = (tmp_path / "b" / "t.csv").read_text() + "id1,another film,a\n"
    (tmp_path / "b" / "t.csv").write_text(twice)
    with pytest.raises(UserError, match=r"more\.csv:2: there are 2 examples with the id 'id1'"):
        prepare_data(study, home_dir=tmp_path)


def test_a_name_that_train_and_another_file_have_means_the_one_of_train():
    further = raw("more", ["a", "a"])
    further = further.derived(tuple(dataclasses.replace(e, source_id=f"{i}") for i, e in enumerate(further.examples)))
    given = {
        name: split.derived(tuple(dataclasses.replace(e, row_id=f"{i + first}") for i, e in enumerate(split.examples)))
        for name, first, split in (("train", 1, raw("train", ["a"])), ("test", 0, raw("test", ["a", "a"])))
    }
    (found,) = with_sources({"more": further}, given).values()
    assert [example.source_id for example in found.examples] == ["test-00000", "train-00000"]
    assert [example.source_id for example in extra_of(found.examples, {"train-00000"})] == ["train-00000"]
