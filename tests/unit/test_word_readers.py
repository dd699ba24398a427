"""CoNLL and CoNLL-U files give back the sentences that were written, and every malformed line is refused by number."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.data.readers import reader_of

ODD_WORDS = [
    "#",
    "##",
    "#tag",
    "-",
    "--",
    "_",
    '"',
    "'",
    "O",
    "B-PER",
    "0",
    "1-2",
    "8.1",
    "-DOCSTART",
    "\u200b",
    "\ufe0f",
    "🏳️‍🌈",
    "é",
    "e\u0301",
]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, columns=(), file_format=None) -> list:
    return list(reader_of(path, file_format)(path, columns or ("tokens", "tags")))


def words_and_tags(path: Path, columns=(), file_format=None) -> list[tuple]:
    return [(words, tags) for _, (words, tags, _) in read(path, columns, file_format)]


def refused(path: Path, columns=()) -> UserError:
    with pytest.raises(UserError) as caught:
        read(path, columns)
    error = caught.value
    assert error.path == str(path)
    assert error.expected
    assert error.hint
    return error


def conll(folder: Path, content: str) -> Path:
    return write(folder / "train.conll", content)


def conllu(folder: Path, *lines: str) -> Path:
    return write(folder / "train.conllu", "\n".join(lines) + "\n")


def node(number: str, form: str, upos: str = "NOUN", **more: str) -> str:
    cells = {"lemma": "_", "upos": upos, "xpos": "NN", "feats": "_", "head": "0", "deprel": "root", "deps": "_", "misc": "_"}
    return "\t".join([number, form, *(cells | more).values()])


# CoNLL


@pytest.mark.parametrize("separator", ["\t", " ", "   "])
def test_a_sentence_ends_at_a_blank_line_also_one_of_white_space(tmp_path, separator):
    rows = ["EU B-ORG", "said O", "", "No O", "\t", "\t \t", "Paris B-LOC", " ", "Yes O"]
    path = conll(tmp_path, "\n".join(row.replace(" ", separator) if row.strip() else row for row in rows))
    assert read(path) == [
        (1, (("EU", "said"), ("B-ORG", "O"), (1, 2))),
        (4, (("No",), ("O",), (4,))),
        (7, (("Paris",), ("B-LOC",), (7,))),
        (9, (("Yes",), ("O",), (9,))),
    ]


def some_sentences(rng: random.Random) -> list[tuple]:
    """Words of any characters but white space, many of them odd on purpose."""
    characters = [character for character in map(chr, range(33, 0x3000)) if not character.isspace()] + ["😀", "𝔘", "\ue000"]

    def word() -> str:
        return rng.choice(ODD_WORDS) if rng.random() < 0.3 else "".join(rng.choices(characters, k=rng.randint(1, 5)))

    def sentence() -> tuple:
        pairs = [(word(), rng.choice(["O", "B-x", "#", "="])) for _ in range(rng.randint(1, 6))]
        return tuple(zip(*pairs, strict=True))

    return [sentence() for _ in range(rng.randint(1, 5))]


@pytest.mark.parametrize("seed", range(100))
def test_any_sentences_of_words_without_white_space_are_read_back(tmp_path, seed):
    rng = random.Random(seed)
    separator, blank, end = rng.choice(["\t", " ", "  "]), rng.choice(["", " ", "\t"]), rng.choice(["\n", "\r\n"])
    sentences = some_sentences(rng)
    written = [end.join(map(separator.join, zip(*sentence, strict=True))) for sentence in sentences]
    text = rng.choice(["", "\ufeff"]) + (end + blank + end).join(written) + rng.choice(["", end, end + end])
    assert words_and_tags(conll(tmp_path, text)) == sentences


def test_document_starts_separate_and_are_no_words(tmp_path):
    path = conll(tmp_path, "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n-DOCSTART- (1)\nNo DT I-NP O\n\n-DOCSTART-\n")
    assert read(path) == [(3, (("EU",), ("B-ORG",), (3,))), (5, (("No",), ("O",), (5,)))]


def test_columns_are_chosen_by_position(tmp_path):
    path = conll(tmp_path, "1 EU NNP B-ORG\n2 said VBD O\n")
    assert words_and_tags(path, ("-3", "-1")) == [(("EU", "said"), ("B-ORG", "O"))]
    assert words_and_tags(path, ("tokens", "tags")) == [(("1", "2"), ("B-ORG", "O"))]


def test_comments_are_skipped_and_a_word_that_looks_like_one_is_kept(tmp_path):
    path = conll(tmp_path, "# id 7\n# text = Take # 1 .\nTake\tO\n#\tO\n# a note\n1\tB-x\n\n#\tO\n# 1\tO\n")
    assert words_and_tags(path) == [(("Take", "#", "1"), ("O", "O", "B-x")), (("#", "# 1"), ("O", "O"))]
    spaces = conll(tmp_path, "# newdoc id = 3\n# O\n1 B-x\n# O\n\n# sent_id = 4\n# O\n")
    assert words_and_tags(spaces) == [(("#", "1", "#"), ("O", "B-x", "O")), (("#",), ("O",))]
    wide = conll(tmp_path, "# id 12-ab domain=en\nEU _ _ B-x\n# _ _ O\n\n# id 13-ab domain=en\n# _ _ O\n")
    assert words_and_tags(wide) == [(("EU", "#"), ("B-x", "O")), (("#",), ("O",))]


def test_white_space_other_than_space_and_tab_belongs_to_the_word(tmp_path):
    assert words_and_tags(conll(tmp_path, "10\u00a0km O\na\u2028b\x85 O\n")) == [(("10\u00a0km", "a\u2028b\x85"), ("O", "O"))]
    assert words_and_tags(conll(tmp_path, "New York\tB-LOC\n")) == [(("New York",), ("B-LOC",))]


@pytest.mark.parametrize(
    ("line", "problem", "found"),
    [
        ("said", "only one column", "1 (this file is separated by tabs): 'said'"),
        ("said O", "only one column", "1 (this file"),
        ("said\tO\tO", "too many columns", "3 (this file"),
        ("\tO", "word is empty", repr("\tO")),
        ("\u00a0\tO", "word is empty", "O"),
        ("said\t", "tag is empty", "said"),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(tmp_path, line, problem, found):
    error = refused(conll(tmp_path, f"EU\tB-ORG\n\nHe\tO\n{line}\nit\tO\n"))
    assert problem in error.problem
    assert error.line == 4
    assert found in error.found


def test_too_few_columns_are_compared_with_the_first_line(tmp_path):
    error = refused(conll(tmp_path, "-DOCSTART- O\n\nEU NNP B-ORG\nsaid O\n"))
    assert (error.line, error.problem) == (4, "the line has too few columns")
    assert error.expected == "3 columns, as on line 3"


def test_a_comment_inside_a_sentence_of_a_file_with_spaces_is_refused(tmp_path):
    assert refused(conll(tmp_path, "EU O\n# a note here\nsaid O\n")).line == 2


def test_a_file_of_one_column_is_refused_at_its_first_word(tmp_path):
    error = refused(conll(tmp_path, "\nEU\nsaid\n"))
    assert error.line == 2
    assert error.expected == "a word and its tag"


@pytest.mark.parametrize("columns", [("0", "2"), ("-3", "-1"), ("5", "1")])
def test_a_position_outside_the_file_is_refused(tmp_path, columns):
    error = refused(conll(tmp_path, "\nEU O\n"), columns)
    assert "no such column" in error.problem
    assert error.line == 2


@pytest.mark.parametrize("columns", [("word", "tags"), ("tokens", "pos"), ("0", "9" * 5000), ("0", "1.0")])
def test_a_column_by_name_is_refused_where_the_format_has_no_names(tmp_path, columns):
    error = refused(conll(tmp_path, "\nEU NNP B-ORG\n"), columns)
    assert (error.code, error.line) == ("conll.column-by-name", 2)
    assert "0 to 2" in str(error.expected)


def test_words_and_tags_of_the_same_column_are_refused(tmp_path):
    assert "same column" in refused(conll(tmp_path, "EU O\n"), ("1", "-1")).problem


@pytest.mark.parametrize("content", ["", "\n\t\n", "# a note\n\n"])
@pytest.mark.parametrize("ending", ["conll", "conllu"])
def test_a_file_without_words_is_refused(tmp_path, content, ending):
    error = refused(write(tmp_path / f"train.{ending}", content))
    assert "empty" in error.problem
    assert error.line == 1


# CoNLL-U


def test_multi_word_tokens_and_empty_nodes_are_no_words(tmp_path):
    path = conllu(
        tmp_path,
        "# sent_id = 1",
        "# text = I don't",
        node("1", "I", "PRON"),
        node("2-3", "don't", "_"),
        node("2", "do", "AUX"),
        node("3", "n't", "PART"),
        node("3.1", "go", "VERB"),
        "",
        "# text = New York",
        node("0.1", "is", "VERB"),
        node("1", "New York", "PROPN"),
        "",
    )
    assert read(path) == [
        (3, (("I", "do", "n't"), ("PRON", "AUX", "PART"), (3, 5, 6))),
        (11, (("New York",), ("PROPN",), (11,))),
    ]


def test_other_columns_are_chosen_by_name(tmp_path):
    path = conllu(tmp_path, node("1", "went", "VERB", lemma="go", xpos="VBD", feats="Tense=Past", deprel="root"), "")
    found = {name: words_and_tags(path, ("form", name))[0][1] for name in ("lemma", "upos", "xpos", "feats", "deprel", "tags")}
    assert found == {n: (v,) for n, v in zip(found, ("go", "VERB", "VBD", "Tense=Past", "root", "VERB"), strict=True)}
    assert words_and_tags(path, ("lemma", "upos")) == [(("go",), ("VERB",))]


def test_an_unknown_column_suggests_the_nearest(tmp_path):
    assert refused(conllu(tmp_path, node("1", "a")), ("form", "upso")).hint == "did you mean 'upos'?"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2\tb\tNOUN", "too few columns"),
        (node("2", "b") + "\t_", "too many columns"),
        (node("2", "b").replace("\t", " "), "too few columns"),
        (node("3", "b"), "out of order"),
        (node("1", "b"), "out of order"),
        (node("x", "b"), "out of order"),
        (node("2-", "b"), "out of order"),
        (node("²", "b"), "out of order"),
        (node("2", ""), "form of the word is empty"),
        (node("2", "b", ""), "upos of the word is empty"),
        (node("2", "b", "_"), "upos of the word is unspecified"),
    ],
)
def test_a_malformed_conllu_line_is_refused_with_its_number(tmp_path, line, problem):
    error = refused(conllu(tmp_path, node("1", "z"), "", "# text = a b", node("1", "a"), line, ""))
    assert problem in error.problem
    assert error.line == 5
    assert error.found


def test_the_word_and_the_feature_underscore_are_values(tmp_path):
    assert words_and_tags(conllu(tmp_path, node("1", "_")), ("form", "feats")) == [(("_",), ("_",))]
