"""Tagged words on their way to the model: mistakes are refused with file and line, repairs are counted, labels agree."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from bertft_core.config import UserError, parse_study
from bertft_core.config.data_settings import FileData, HubData
from bertft_core.data import hub_data
from bertft_core.data.alignment import token_classification
from bertft_core.data.alignment.tags import trained_scheme
from bertft_core.data.examples import SourceLocation
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.data.sources import read_splits
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_tagged_study

IOB2 = "The O\nfilm B-THING\nwas O\ngreat B-FEEL\n\nnot B-FEEL\nbad I-FEEL\n"


@pytest.fixture(scope="module")
def encoder_dir(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("tagging") / "encoder")


def data_of(directory, train, validation=IOB2, ending=".conll", **settings):
    """Write both splits; contents are texts, rows for JSONL, or bytes."""
    paths = {}
    for name, content in {"train": train, "validation": validation}.items():
        path = directory / f"{name}{ending}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
            path.write_text(text, encoding="utf-8")
        paths[name] = str(path)
    return FileData(source="files", **paths, **settings)


def agreed(data):
    return token_classification.agree(read_splits(data, "token_classification"), data)


def refusal(data) -> UserError:
    with pytest.raises(UserError) as caught:
        agreed(data)
    return caught.value


def tags_in(splits, name="train"):
    return [example.label for example in splits[name].examples]


def rows(*sentences):
    return [{"tokens": list(words), "tags": list(tags)} for words, tags in sentences]


# Mistakes

GOOD_ROW = (("a", "film"), ("B-THING", "I-THING"))
BAD_ROWS = {
    "fewer tags than words": (
        (["a", "film"], ["O"]),
        "does not have a tag for each word",
        "2 in 'tokens', 1 in 'tags'",
    ),
    "more tags than words": ((["a"], ["O", "O"]), "does not have a tag for each word", "1 in 'tokens', 2 in 'tags'"),
    "no words": (([], []), "there are no words", "[]"),
    "no tags": ((["a"], []), "there are no tags", "[]"),
    "an empty word": ((["a", ""], ["O", "O"]), "word 2 in column 'tokens' is empty", "''"),
    "a blank word": ((["\u00a0", "a"], ["O", "O"]), "word 1 in column 'tokens' is empty", r"'\xa0'"),
    "a number for a word": ((["a", 7], ["O", "O"]), "word 2 in column 'tokens' is not a text", "7"),
    "a missing word": (([None], ["O"]), "word 1 in column 'tokens' is not a text", "None"),
    "half a character": ((["\ud83d"], ["O"]), "word 1 in column 'tokens' is not a text", r"'\ud83d'"),
    "a blank text for words": ((" ", ["O"]), "there are no words", "' '"),
    "a text with more words than tags": (
        ("a film", "O"),
        "does not have a tag for each word",
        "2 in 'tokens', 1 in 'tags'",
    ),
    "an object for words": (({"a": 1}, ["O"]), "the words in column 'tokens' are not a list", "{'a': 1}"),
    "a missing tag": ((["a"], [None]), "the label in column 'tags' is missing", "nothing"),
    "an empty tag": ((["a"], [" "]), "the label in column 'tags' is missing", "' '"),
    "a fraction for a tag": ((["a"], [0.5]), "the value in column 'tags' is not a label", "0.5"),
    "a tag without prefix": (
        (["a", "film"], ["O", "THING"]),
        "the tag 'THING' has no prefix",
        "'THING' at word 2 of the sentence, 'film'",
    ),
    "a prefix of another scheme": ((["a"], ["S-THING"]), "has the unknown prefix 'S'", "'S-THING' at word 1"),
    "a tag without type": ((["a"], ["B-"]), "the tag 'B-' has no type", "'B-' at word 1"),
    "a number for a tag": ((["a"], [3]), "the tag '3' has no prefix", "'3' at word 1"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_malformed_row_is_refused_with_file_and_line(tmp_path, name):
    (words, tags), problem, found = BAD_ROWS[name]
    content = "".join(json.dumps({"tokens": w, "tags": t}) + "\n" for w, t in (GOOD_ROW, (words, tags)))
    error = refusal(data_of(tmp_path, content, rows(GOOD_ROW), ending=".jsonl"))
    assert problem in error.problem
    assert (error.path, error.line) == (str(tmp_path / "train.jsonl"), 2)
    assert found in error.found
    assert error.expected
    assert error.hint


@pytest.mark.parametrize(("ending", "between"), [(".csv", ","), (".tsv", "\t")])
def test_a_cell_of_a_table_holds_words_with_spaces_between(tmp_path, ending, between):
    table = f"tokens{between}tags\n a  new\u00a0film {between}O B-THING\n"
    splits = read_splits(data_of(tmp_path, table, table, ending=ending), "token_classification")
    (example,) = splits["train"].examples
    assert (example.texts, example.label) == (("a", "new\u00a0film"), ("O", "B-THING"))


def test_a_tag_that_cannot_be_read_has_the_line_of_its_word(tmp_path):
    error = refusal(data_of(tmp_path, IOB2 + "\nthe O\nsoup X-THING\n"))
    assert error.line == 10
    assert "in the scheme iob2: the tag 'X-THING' has the unknown prefix 'X'" in error.problem
    assert error.expected == "'O' or B-TYPE, I-TYPE"
    assert "data.scheme" in error.hint


def test_a_type_that_is_never_in_train_has_the_line_of_its_word(tmp_path):
    error = refusal(data_of(tmp_path, IOB2, "The O\n\ncast B-ORG\n"))
    assert error.problem == "the tag 'B-ORG' occurs in validation but never in train"
    assert (error.path, error.line) == (str(tmp_path / "validation.conll"), 3)
    assert "B-THING" in error.expected
    assert "remove it from validation" in error.hint


def test_a_near_miss_is_reported(tmp_path):
    assert refusal(data_of(tmp_path, IOB2, "film B-THINGS\n")).hint == "did you mean 'THING'?"


def test_an_inside_tag_that_only_another_split_has_is_no_mistake(tmp_path):
    splits, labels, findings = agreed(data_of(tmp_path, "film B-THING\n", "the B-THING\nfilm I-THING\n"))
    assert labels == ("O", "B-THING", "I-THING")
    assert tags_in(splits, "validation") == [("B-THING", "I-THING")]
    assert findings == ()


@pytest.mark.parametrize(
    ("train", "settings", "problem"),
    [
        ("a O\nb O\n", {}, "the training set has no entity"),
        ("a X\nb X\n", {"scheme": "plain"}, "the training set has one tag only"),
    ],
)
def test_a_training_set_with_nothing_to_tell_apart_is_refused(tmp_path, train, settings, problem):
    error = refusal(data_of(tmp_path, train, train, **settings))
    assert error.problem == problem
    assert (error.path, error.line) == (str(tmp_path / "train.conll"), 1)


def test_entity_tags_are_not_plain(tmp_path):
    error = refusal(data_of(tmp_path, IOB2, scheme="plain"))
    assert error.problem == "the tags mark entities, but data.scheme is plain"
    assert error.hint == "set data.scheme to iob2"


# Repairs and conversions

INVALID = "The O\nfilm I-THING\nwas O\n\nnot B-FEEL\nbad I-THING\n"


def test_invalid_tags_are_repaired_as_conlleval_reads_them_and_counted(tmp_path):
    splits, labels, findings = agreed(data_of(tmp_path, INVALID, IOB2))
    assert tags_in(splits) == [("O", "B-THING", "O"), ("B-FEEL", "B-THING")]
    assert labels == ("O", "B-FEEL", "I-FEEL", "B-THING", "I-THING")
    (finding,) = findings
    assert (finding.check, finding.split, finding.count) == ("repaired_tags", "train", 2)
    assert (finding.count, finding.numbers["n_sentences"]) == (2, 2)
    assert finding.examples == (
        "train.conll:2: I-THING after O has no B-THING to go on from",
        "train.conll:6: I-THING after B-FEEL has no B-THING to go on from",
    )


def test_invalid_tags_are_refused_where_the_study_says_so(tmp_path):
    error = refusal(data_of(tmp_path, IOB2, INVALID, invalid_tags="refuse"))
    assert error.problem == "the tags break the scheme iob2: I-THING after O has no B-THING to go on from"
    assert (error.path, error.line) == (str(tmp_path / "validation.conll"), 2)
    assert "'film'" in error.found


def test_tags_that_are_all_valid_in_another_scheme_give_a_hint(tmp_path):
    iob1 = "The O\nfilm I-THING\n\nfood I-THING\nsoup B-THING\n"
    _, _, (finding,) = agreed(data_of(tmp_path, iob1, "a B-THING\n"))
    assert finding.names == ("iob2", "iob1")


def test_no_more_than_three_places_are_shown(tmp_path):
    _, _, (finding,) = agreed(data_of(tmp_path, "\n".join(["x I-THING\nO O\n"] * 9), IOB2.replace("FEEL", "THING")))
    assert finding.count == 9
    assert [place.split(":")[1] for place in finding.examples] == ["1", "4", "7"]


SAME = {
    "iob1": ["I-X", "B-X", "I-X", "O", "I-Y"],
    "iob2": ["B-X", "B-X", "I-X", "O", "B-Y"],
    "iobes": ["S-X", "B-X", "E-X", "O", "S-Y"],
    "io": ["I-X", "I-X", "I-X", "O", "I-Y"],
}
"""The same entities in each scheme, as far as it can tell them."""


@pytest.mark.parametrize("source", SAME)
@pytest.mark.parametrize("target", [None, "iob2", "iobes", "io"])
def test_tags_are_converted_to_the_scheme_that_is_trained_on(tmp_path, source, target):
    content = rows(("abcde", SAME[source]))
    data = data_of(tmp_path, content, content, ending=".jsonl", scheme=source, train_scheme=target)
    splits, labels, findings = agreed(data)
    scheme = {"iob1": "iob2"}.get(source, source) if target is None else target
    assert trained_scheme(data) == scheme
    merged = {"iob2": ["B-X", "I-X", "I-X", "O", "B-Y"], "iobes": ["B-X", "I-X", "E-X", "O", "S-Y"], "io": SAME["io"]}
    assert tags_in(splits) == [tuple(merged[scheme] if source == "io" else SAME[scheme])]
    letters = {"iob2": "BI", "iobes": "BIES", "io": "I"}[scheme]
    assert labels == ("O", *(f"{letter}-{kind}" for kind in "XY" for letter in letters))
    loses = scheme == "io" and source != "io"
    assert [(f.check, f.split, f.count) for f in findings] == (
        [("merged_entities", "train", 1), ("merged_entities", "validation", 1)] if loses else []
    )


def test_plain_tags_that_look_like_misspelt_entity_tags_are_found(tmp_path):
    content = rows((("in", "Oslo"), ("O", "b-LOC")))
    _, _, findings = agreed(data_of(tmp_path, content, content, ending=".jsonl", scheme="plain"))
    assert [(f.check, f.split, f.count, f.examples) for f in findings] == [("misspelt_tags", "train", 1, ("'b-LOC' for B-LOC",))]


def test_plain_tags_are_sorted_and_o_is_one_of_them(tmp_path):
    content = rows((("dogs", "run", "-"), ("NOUN", "VERB", "ADJ")))
    splits, labels, findings = agreed(data_of(tmp_path, content, content, ending=".jsonl", scheme="plain"))
    assert labels == ("ADJ", "NOUN", "VERB")
    assert tags_in(splits) == [("NOUN", "VERB", "ADJ")]
    assert findings == ()


def test_given_labels_decide_the_order(tmp_path):
    given = ("B-THING", "I-THING", "O", "B-FEEL", "I-FEEL")
    assert agreed(data_of(tmp_path, IOB2, labels=given))[1] == given
    plain = rows((("a", "b"), ("X", "Y")))
    assert agreed(data_of(tmp_path, plain, plain, ending=".jsonl", scheme="plain", labels=("Y", "Z", "X")))[1] == ("Y", "Z", "X")


@pytest.mark.parametrize(
    ("given", "problem", "line"),
    [
        (("O", "B-THING", "I-THING"), "the tag 'B-FEEL' is unknown", 4),
        (("O", "B-THING", "B-FEEL", "I-FEEL"), "data.labels are not all tags of their types in the scheme iob2", None),
        (("O", "THING", "FEEL"), "data.labels: the tag 'THING' has no prefix, expected 'O' or B-TYPE, I-TYPE", None),
    ],
)
def test_given_labels_that_do_not_fit_are_refused(tmp_path, given, problem, line):
    error = refusal(data_of(tmp_path, IOB2, labels=given))
    assert (error.problem, error.line) == (problem, line)


# Sources


def test_every_format_gives_the_same_examples(tmp_path):
    words, tags = ["not", "bad", ","], ["B-FEEL", "I-FEEL", "O"]
    formats = {
        ".conll": "not B-FEEL\nbad I-FEEL\n, O\n",
        ".conll.txt": "not\tx\tB-FEEL\nbad\tx\tI-FEEL\n,\tx\tO\n\t\n",
        ".jsonl": rows((words, tags)),
        ".jsonl.gz": gzip.compress(json.dumps({"tokens": words, "tags": tags}).encode()),
        ".conllu": "".join(
            f"{i}\t{w}\t_\t{t}\t_\t_\t0\troot\t_\t_\n" for i, (w, t) in enumerate(zip(words, tags, strict=True), 1)
        ),
    }
    for ending, content in formats.items():
        splits, _, _ = agreed(data_of(tmp_path, content, content, ending=ending))
        assert [(e.texts, e.label) for e in splits["train"].examples] == [(tuple(words), tuple(tags))], ending
    for path in (tmp_path / "train.parquet", tmp_path / "validation.parquet"):
        pq.write_table(pa.table({"w": [words], "t": [tags]}), path)
    data = FileData(source="files", train=str(tmp_path / "train.parquet"), validation=str(path), tokens="w", tags="t")
    assert tags_in(agreed(data)[0]) == [tuple(tags)]


def test_multi_word_tokens_comments_and_empty_nodes_of_conllu_are_no_words(tmp_path):
    lines = [
        "# text = don't stop",
        "1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tdo\tdo\tAUX\tVBP\t_\t3\taux\t_\t_",
        "2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_",
        "2.1\tever\t_\tADV\t_\t_\t_\t_\t_\t_",
        "3\tstop\tstop\tVERB\tVB\t_\t0\troot\t_\t_",
    ]
    content = "\n".join(lines) + "\n\n"
    splits, labels, _ = agreed(data_of(tmp_path, content, content, ending=".conllu", scheme="plain", tags="xpos"))
    (example,) = splits["train"].examples
    assert (example.texts, example.label, example.lines) == (("do", "n't", "stop"), ("VBP", "RB", "VB"), (3, 4, 6))
    assert labels == ("RB", "VB", "VBP")


def test_numbers_of_the_hub_become_their_names(monkeypatch):
    import datasets

    names = ["O", "B-X", "I-X"]
    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), "tags": datasets.List(datasets.ClassLabel(names=names))}
    )
    split = datasets.Dataset.from_dict({"tokens": [["a", "b"], ["c"]], "tags": [[1, 2], [0]]}, features=features)
    monkeypatch.setattr(hub_data, "_load", lambda data: {"train": split, "validation": split})
    splits, labels, _ = agreed(HubData(source="hub", name="somebody/tagged"))
    assert tags_in(splits) == [("B-X", "I-X"), ("O",)]
    assert labels == ("O", "B-X", "I-X")


def test_words_without_tags_are_read_for_predicting(tmp_path, encoder_dir):
    data = data_of(tmp_path, IOB2)
    read = token_classification.reader(data, labelled=False)
    from_rows = read("one", (["a", "film"], None), SourceLocation("x", 3))
    from_conll = read("two", (("a", "film"), None, (3, 4)), SourceLocation("x", 3))
    assert (from_rows.label, from_rows.texts, from_conll.lines) == (None, ("a", "film"), (3, 4))
    tokenizer = AutoTokenizer.from_pretrained(encoder_dir)
    table = token_classification.tokenise(tokenizer, [from_rows, from_conll], ("O", "B-X", "I-X"), data, True)
    assert table["tags"].to_pylist() == [[-1, -1], [-1, -1]]


# The stored table


def test_a_prepared_study_has_every_word_with_its_tag(tmp_path):
    study, card = tiny_tagged_study(tmp_path, data={"max_length": 12})
    split = open_split(card.directory, "train")
    assert card.labels == ("O", "B-FEEL", "I-FEEL", "B-THING", "I-THING")
    assert (split.n, card.splits["train"].n_windows) == (24, split.n_windows)
    assert split.n_windows >= 28, "the long sentences have several"
    raw = read_splits(study.data, "token_classification")["train"].examples
    for i, example in enumerate(raw):
        assert [card.labels[tag] for tag in split.ragged("tags", i)] == list(example.label)
        assert split.texts(i) == (" ".join(example.texts),)
        assert len(split.ragged("word_starts", i)) == len(split.ragged("word_lengths", i)) == len(example.texts)
        assert split.window_lengths(i).sum() == len(split.input_ids(i))
    gold = token_classification.gold(split)
    assert str(gold.schema.field("label").type) == "list<element: int32>" or gold.schema.field("label").type == pa.list_(
        pa.int32()
    )
    assert gold["label"].to_pylist() == [[card.labels.index(tag) for tag in example.label] for example in raw]
    assert card.splits["train"].label_counts == token_classification.counts(raw, card.labels)
    assert card.splits["train"].truncated_ratio == 0.0
    assert card.splits["validation"].constant_scores["f1"] == 0.0


def test_the_fingerprint_follows_overlap_and_tags_but_not_the_scheme_they_were_written_in(tmp_path, encoder_dir):
    def fingerprint(**data):
        split = {"train": str(tmp_path / "train.jsonl"), "validation": str(tmp_path / "validation.jsonl")}
        data = {"source": "files", "max_length": 32} | split | data
        study = {"name": "f", "data": data, "head": "token_classification", "encoder": {"path": str(encoder_dir)}}
        return prepare_data(parse_study(study | {"arms": {"full": {}}}), home_dir=tmp_path / "home").fingerprint

    data_of(tmp_path, rows(("abcde", SAME["iob2"])), rows(("abcde", SAME["iob2"])), ending=".jsonl")
    first = fingerprint()
    assert fingerprint(train_scheme="iob2") == first
    assert fingerprint(doc_stride=8) == first, "that is the default"
    others = {fingerprint(doc_stride=7), fingerprint(max_length=31), fingerprint(train_scheme="iobes")}
    assert len(others | {first}) == 4
    data_of(tmp_path, rows(("abcde", SAME["iob1"])), rows(("abcde", SAME["iob1"])), ending=".jsonl")
    assert fingerprint(scheme="iob1") == first


def test_findings_name_copies_conflicts_overlap_and_cut_words(tmp_path, encoder_dir):
    train = "The O\nfilm B-X\n\nthe O\nFilm O\n\nx B-X\n" + "y" * 30 + " O\n\nz O\n"
    data = data_of(tmp_path, train, "Z O\n", max_length=16)
    study = {
        "name": "f",
        "data": data.model_dump(exclude_defaults=True) | {"source": "files"},
        "encoder": {"path": str(encoder_dir)},
    }
    card = prepare_data(parse_study(study | {"head": "token_classification", "arms": {"full": {}}}), home_dir=tmp_path / "home")
    assert [(f.check, f.split, f.count, f.examples) for f in card.findings] == [
        ("duplicates", "train", 1, ("train.conll:4: the Film",)),
        ("conflicting_labels", "train", 1, ("train.conll:4: the Film",)),
        ("overlap", "validation", 1, ("validation.conll:1: Z",)),
        ("cut_words", "train", 1, (f"train.conll:7: x {'y' * 30}",)),
    ]


def test_a_missing_validation_set_is_cut_from_whole_sentences(tmp_path, encoder_dir):
    lines = "\n".join(f"word{i} O\nfilm B-X\n" for i in range(20))
    data = data_of(tmp_path, lines, max_length=16).model_copy(update={"validation": None})
    study = {
        "name": "f",
        "data": data.model_dump(exclude_defaults=True) | {"source": "files"},
        "encoder": {"path": str(encoder_dir)},
    }
    card = prepare_data(parse_study(study | {"head": "token_classification", "arms": {"full": {}}}), home_dir=tmp_path / "home")
    assert {name: split.n_examples for name, split in card.splits.items()} == {"train": 16, "validation": 4}


# Settings that do not fit each other


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"data": {"scheme": "plain", "train_scheme": "iob2"}}, "data.train_scheme"),
        ({"data": {"train_scheme": "iob1"}}, "data.train_scheme"),
        ({"head": {"crf": True, "word_prediction": "mean"}}, "head.word_prediction"),
        ({"data": {"label": "other"}}, "data.label"),
    ],
)
def test_settings_that_cannot_be_together_are_refused(change, place):
    study = {
        "name": "s",
        "data": {"source": "bundled", "name": "entities"} | change.get("data", {}),
        "head": {"kind": "token_classification"} | change.get("head", {}),
        "arms": {"full": {}},
    }
    with pytest.raises(UserError, match=place):
        parse_study(study)
