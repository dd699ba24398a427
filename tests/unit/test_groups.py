"""Groups stay on one side wherever a split is cut, with sizes and labels near what is wanted."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from bertft_core.config import UserError, parse_study
from bertft_core.config.data_settings import SplitConfig
from bertft_core.data.blocks import deal_blocks, deal_folds, parts_without
from bertft_core.data.examples import Example, RawSplit
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.sources import read_splits
from bertft_core.data.splits import cut_missing, cut_splits
from bertft_core.records.data_card import SplitOrigin
from tests.helpers.raw_splits import ids
from tests.helpers.tiny_encoders import tiny_encoder


def by_author(n: int = 400, n_authors: int = 60, seed: int = 0) -> RawSplit:
    """Texts of authors of very different size, with labels that an author has more or less of."""
    rng = np.random.default_rng(seed)
    authors = rng.choice(n_authors, n, p=rng.dirichlet(np.full(n_authors, 1.0)))
    labels = ["abc"[int(k)] for k in (rng.random(n) * 2 + authors % 2).clip(max=2.9)]
    rows = zip(authors, labels, strict=True)
    examples = tuple(Example(f"train-{i:05d}", (f"text {i}",), label, i + 2, group=str(a)) for i, (a, label) in enumerate(rows))
    return RawSplit(examples, "train.csv", SplitOrigin(path="train.csv"))


def dealt(split: RawSplit, n_folds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Fold and label of every example."""
    blocks = np.unique([int(e.group) for e in split.examples], return_inverse=True)[1]
    strata = np.array(["abc".index(e.stratum) for e in split.examples])
    return deal_folds(blocks, strata, n_folds, np.random.default_rng(seed)), strata


def spread(folds: np.ndarray, strata: np.ndarray, n_folds: int) -> float:
    """Mean squared deviation of the counts of the folds from equal ones."""
    counts = np.array([np.bincount(strata[folds == fold], minlength=3) for fold in range(n_folds)])
    return float(np.mean((counts - counts.mean(axis=0)) ** 2))


GROUPED = SplitConfig(group="author", validation_ratio=0.2, test_ratio=0.2)


def test_no_group_is_in_two_splits_and_the_proportions_stay_near():
    for seed in range(20):
        train = by_author(seed=seed)
        made = cut_missing({"train": train}, GROUPED, seed)
        groups = [{example.group for example in split.examples} for split in made.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))
        assert sorted(i for split in made.values() for i in ids(split)) == ids(train)
        for name in ("validation", "test"):
            assert abs(len(made[name].examples) - 80) <= 12
            for label, n in train.label_counts.items():
                assert abs(made[name].label_counts[label] - 0.2 * n) <= 12


def test_folds_of_groups_are_nearly_as_even_as_those_of_scikit_learn():
    """Which takes groups by their size, so that another seed changes little; here it changes which groups are together."""
    ours, theirs = [], []
    for seed in range(10):
        split = by_author(seed=seed)
        folds, strata = dealt(split, 5, seed)
        groups = [example.group for example in split.examples]
        other = np.zeros(len(groups), int)
        for fold, (_, held) in enumerate(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(strata, strata, groups)):
            other[held] = fold
        ours.append(spread(folds, strata, 5))
        theirs.append(spread(other, strata, 5))
    assert np.sqrt(np.mean(ours)) < 2 * np.sqrt(np.mean(theirs)) < 0.1 * 400 / 15


def test_single_examples_are_dealt_exactly_in_proportion():
    strata = np.repeat([0, 1, 2], [103, 51, 17])
    folds = deal_folds(np.arange(len(strata)), strata, 5, np.random.default_rng(0))
    counts = np.array([np.bincount(strata[folds == fold], minlength=3) for fold in range(5)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 2


def test_the_cut_follows_the_seed_and_neither_the_order_of_rows_nor_the_sizes_of_groups():
    train = by_author(n_authors=20)
    shuffled = list(train.examples)
    random.Random(1).shuffle(shuffled)
    made = cut_missing({"train": train}, GROUPED, 0)
    again = cut_missing({"train": RawSplit(tuple(shuffled), "", SplitOrigin(path=""))}, GROUPED, 0)
    assert set(ids(again["test"])) == set(ids(made["test"]))
    np.random.seed(3)
    assert ids(cut_missing({"train": train}, GROUPED, 0)["test"]) == ids(made["test"])
    others = {tuple(ids(cut_missing({"train": train}, GROUPED, seed)["test"])) for seed in range(20)}
    assert len(others) > 15


def test_every_part_has_a_label_that_is_in_as_many_groups():
    blocks = np.repeat(np.arange(20), 5)
    strata = np.where(blocks < 2, 1, 0)  # two groups of the second label
    for seed in range(50):
        assert not parts_without(deal_blocks(blocks, strata, (20, 80), np.random.default_rng(seed)), strata, 2)
    assert parts_without(deal_folds(blocks, strata, 3, np.random.default_rng(0)), strata, 3)


def test_a_label_of_a_single_group_is_refused_at_its_place():
    train = by_author()
    odd = Example("train-00400", ("odd",), "d", 402, group="900")
    with pytest.raises(UserError, match="'d' is in too few groups to cut validation") as caught:
        cut_missing({"train": train.derived((*train.examples, odd))}, GROUPED, 0)
    assert (caught.value.path, caught.value.line, caught.value.found) == ("train.csv", 402, "1 left in train, '900'")


def halved(split: RawSplit) -> dict[str, RawSplit]:
    data = {"source": "files", "train": "t.csv", "validation": "v.csv", "split": {"halve_validation": True, "group": "author"}}
    study = parse_study({"name": "s", "data": data, "arms": {"a": {}}})
    return cut_splits({"train": by_author(), "validation": split}, study.data, 0)


def test_validation_is_halved_by_whole_groups():
    made = halved(by_author(seed=7))
    groups = [{example.group for example in made[name].examples} for name in ("validation", "test")]
    assert not groups[0] & groups[1]
    assert abs(len(made["test"].examples) - 200) <= 15
    one = by_author().examples[:1]
    with pytest.raises(UserError, match="too small to halve"):
        halved(by_author().derived(one * 2))


def write(folder, ending: str) -> str:
    """Thirty texts of ten authors in this format; the file's path."""
    rows = [{"text": f"the film was good {i}", "label": "ab"[i % 2], "author": 7 + i // 3} for i in range(30)]
    path = folder / f"t.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif ending == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        mark = "," if ending == "csv" else "\t"
        path.write_text("\n".join([mark.join(rows[0]), *(mark.join(map(str, row.values())) for row in rows)]) + "\n")
    return str(path)


def data_of(path: str, head: str = "classification", group: str = "author", **keys: object):
    data = {"source": "files", "train": path, "split": {"group": group}, **keys}
    return parse_study({"name": "s", "head": head, "data": data, "arms": {"a": {}}}).data


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_with_columns_gives_the_groups(tmp_path, ending):
    examples = read_splits(data_of(write(tmp_path, ending)))["train"].examples
    assert [example.group for example in examples] == [str(7 + i // 3) for i in range(30)]


def test_a_column_that_is_not_in_the_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no column 'patient'"):
        read_splits(data_of(write(tmp_path, "csv"), group="patient"))


def test_questions_are_grouped_by_a_field_of_theirs_or_of_their_article(tmp_path):
    answers = [{"text": "lever", "answer_start": 4}]
    paragraph = {
        "context": "The lever is down.",
        "qas": [{"id": str(i), "question": f"What {i}?", "answers": answers, "by": f"x{i}"} for i in range(2)],
    }
    articles = [{"title": title, "paragraphs": [paragraph]} for title in ("Pump", "Mill")]
    (tmp_path / "q.json").write_text(json.dumps({"data": articles}, indent=1))
    for group, found in {"title": ["Pump", "Pump", "Mill", "Mill"], "by": ["x0", "x1", "x0", "x1"]}.items():
        data = data_of(str(tmp_path / "q.json"), "question_answering", group)
        assert [e.group for e in read_splits(data, "question_answering")["train"].examples] == found


def test_words_in_rows_have_the_group_of_their_sentence(tmp_path):
    (tmp_path / "w.csv").write_text("sent,tokens,tags,doc\n1,a,O,d1\n1,b,O,d1\n2,c,O,d2\n")
    data = data_of(str(tmp_path / "w.csv"), "token_classification", "doc", sentence="sent")
    assert [e.group for e in read_splits(data, "token_classification")["train"].examples] == ["d1", "d2"]


def test_groups_that_are_in_two_given_files_are_found(tmp_path):
    rows = [f"the food was fine {i},{'ab'[i % 2]},{author}" for i, author in enumerate((9, 10, 99, 9, 98))]
    (tmp_path / "v.csv").write_text("\n".join(["text,label,author", *rows]) + "\n")
    study = parse_study(
        {
            "name": "s",
            "data": data_of(write(tmp_path, "csv"), validation=str(tmp_path / "v.csv"), max_length=16).model_dump(),
            "encoder": {"path": str(tiny_encoder(tmp_path / "bert"))},
            "arms": {"a": {}},
        }
    )
    (found,) = [each for each in prepare_data(study, home_dir=tmp_path).findings if each.check == "shared_groups"]
    assert (found.split, found.names, found.count, found.numbers) == ("validation", ("train",), 3, {"n_groups": 2})
    assert found.examples == ("v.csv:2: 9", "v.csv:3: 10")


def test_without_groups_no_digest_changes():
    base = {"name": "s", "data": {"source": "files", "train": "t.csv"}, "arms": {"a": {}}}
    given = base | {"data": base["data"] | {"split": {"group": None}}}
    assert parse_study(given).digest == parse_study(base).digest
    assert "group" not in parse_study(base).model_dump_json()
