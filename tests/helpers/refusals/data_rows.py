"""Refusals of data files, column by column and head by head."""

import gzip
import json
import re

from tests.helpers.refusals.refusal import Refusal

CHECK = "check-data s.yaml"
TEXTS = "text,label\n" + "".join(f"a {word} film number {i},{word}\n" for i in range(6) for word in ("good", "bad"))
WORDS = "".join(f"I O\nlive{i} O\nin O\nParis B-LOC\n\n" for i in range(9))
TOKENS = "".join(f'{{"tokens": ["I{i}", "Paris"], "tags": ["O", "B-LOC"]}}\n' for i in range(9))
QUESTION = {"id": "q", "question": "Who?", "context": "Ann sat.", "answers": {"text": ["Ann"], "answer_start": [0]}}


def study(data: str = "train: t.csv", *, head: str = "classification") -> str:
    """A study over files in the folder of the config."""
    length = "" if "max_length" in data else ", max_length: 48"
    split = "" if "validation:" in data or "split:" in data else ", split: {validation_ratio: 0.3, test_ratio: 0.3}"
    keys = f"source: files, {data}{length}{split}"
    return f"name: s\nencoder: {{path: encoder}}\nhead: {head}\ndata: {{{keys}}}\narms: {{full: {{}}}}\n"


def rows_of(code: str, text: str | bytes, place: str = "", *, file: str = "t.csv", keys: str = "", **changes: str) -> Refusal:
    """A refusal of the one data file of a study."""
    data = f"train: {file}" + (f", {keys}" if keys else "")
    return Refusal(code, CHECK, {"s.yaml": study(data, **changes), file: text}, place)


def questions(*changes: dict[str, object]) -> str:
    """JSON lines of six questions and these changes of it."""
    every = [QUESTION | {"id": f"q{i}", "question": f"Who is {i}?"} for i in range(9)]
    return "".join(json.dumps(row) + "\n" for row in [*every, *(QUESTION | {"id": "x"} | change for change in changes)])


NER = {"head": "token_classification"}
QA = {"head": "question_answering", "file": "t.jsonl"}

ROWS = (
    Refusal("file.not-found", CHECK, {"s.yaml": study()}, "t.csv"),
    rows_of("file.empty", "", "t.csv:1"),
    rows_of("file.wrong-encoding", "text,label\ncafé,bad\n".encode("latin-1"), "t.csv:2"),
    rows_of("file.damaged-gzip", gzip.compress(TEXTS.encode())[:40], "t.csv.gz", file="t.csv.gz"),
    Refusal("file.is-folder", CHECK, {"s.yaml": study(), "t.csv/x": ""}, "t.csv"),
    rows_of("data.unknown-format", TEXTS, "t.dat", file="t.dat"),
    rows_of("data.no-examples", "text,label\n", "t.csv:1"),
    rows_of("data.column-missing-or-duplicate", "texts,label\na,b\n", "t.csv:1"),
    rows_of("data.format-of-head", WORDS, "t.conll", file="t.conll"),
    rows_of("text.empty-or-not-text", TEXTS + " ,bad\n", "t.csv:14"),
    rows_of("label.missing-or-not-label", TEXTS + "film,\n", "t.csv:14"),
    rows_of("label.unknown", TEXTS + "film,worse\n", "t.csv:14", keys="labels: [good, bad]"),
    rows_of("labels.one-only", "text,label\n" + "film,good\n" * 9, "t.csv:2"),
    rows_of("labels.list-missing", '{"text": "a", "label": null}\n', "t.jsonl:1", file="t.jsonl", head="multi_label"),
    rows_of("target.not-a-number", "text,label\nfilm,3\nfilm two,x\n", "t.csv:3", head="regression"),
    rows_of("target.constant", "text,label\n" + "".join(f"film {i},3\n" for i in range(9)), "t.csv:2", head="regression"),
    rows_of("table.cells-of-row", TEXTS + "a,b,c\n", "t.csv:14"),
    rows_of("table.unreadable-row", 'text,label\n"a,b\n', "t.csv:2"),
    rows_of("jsonl.invalid-line", '{"text": "a"\n', "t.jsonl:1", file="t.jsonl"),
    rows_of("jsonl.not-an-object", "[1, 2]\n", "t.jsonl:1", file="t.jsonl"),
    rows_of("json.invalid", "{", "t.json:1", file="t.json", head="question_answering"),
    rows_of("json.duplicate-key", '{"data": [], "data": []}', "t.json:1", file="t.json", head="question_answering"),
    rows_of("parquet.unreadable", b"PAR1 but nothing else", "t.parquet", file="t.parquet"),
    rows_of("split.too-few-to-cut", "text,label\na,x\nb,y\n", "t.csv:2"),
    rows_of("conll.columns-of-line", "I O\nlive\n", "t.conll:2", file="t.conll", **NER),
    rows_of("conll.no-column", WORDS, "t.conll:1", file="t.conll", keys="tags: '5'", **NER),
    rows_of("conll.column-by-name", WORDS, "t.conll:1", file="t.conll", keys="tags: pos", **NER),
    rows_of("conllu.columns-of-line", "1\tI\n", "t.conllu:1", file="t.conllu", **NER),
    rows_of("conllu.no-column", "1\tI\n", "t.conllu", file="t.conllu", keys="tags: posi", **NER),
    rows_of("tag.unreadable", "I X-\n\n" + WORDS, "t.conll:1", file="t.conll", **NER),
    rows_of("tags.one-kind-only", "I O\n\n" * 9, "t.conll:1", file="t.conll", **NER),
    rows_of("tags.break-scheme", "I O\nam I-LOC\n\n" + WORDS, "t.conll:2", file="t.conll", keys="invalid_tags: refuse", **NER),
    rows_of("words.not-a-list", TOKENS + '{"tokens": 5, "tags": ["O"]}\n', "t.jsonl:10", file="t.jsonl", **NER),
    rows_of("words.empty-word", TOKENS + '{"tokens": ["I", 5], "tags": ["O", "O"]}\n', "t.jsonl:10", file="t.jsonl", **NER),
    rows_of("words.tags-differ-in-number", '{"tokens": ["I"], "tags": ["O", "O"]}\n', "t.jsonl:1", file="t.jsonl", **NER),
    rows_of("question.duplicate-id", questions({"id": "q0"}), "t.jsonl:10", **QA),
    rows_of("question.id-missing", questions({"id": None}), "t.jsonl:10", **QA),
    rows_of("question.answer-misplaced", questions({"answers": {"text": ["Bob"], "answer_start": [0]}}), "t.jsonl:10", **QA),
    rows_of("question.too-long", questions({"question": "who " * 90}), "t.jsonl:10", keys="validation: t.jsonl", **QA),
    rows_of(
        "squad.invalid-question",
        '{"data": [{"paragraphs": [{"context": "Ann.", "qas": [{"id": "q", "question": ""}]}]}]}',
        "t.json:1",
        **QA | {"file": "t.json"},
    ),
    rows_of("squad.no-questions", '[{"text": "a", "label": "b"}]', "t.json:1", **QA | {"file": "t.json"}),
    rows_of(
        "masked-lm.unknown-text",
        "".join(f"{letter}\n" for letter in "αβγδεζηθικ"),
        "t.txt:3",
        file="t.txt",
        keys="text_unit: line",
        head="masked_lm",
    ),
    Refusal(
        "data.unknown-bundled-set",
        CHECK,
        {
            "s.yaml": "name: s\nencoder: {path: encoder}\ndata: {source: bundled, name: revews, max_length: 48}\n"
            "arms: {full: {}}\n"
        },
    ),
    Refusal(
        "arm.other-examples",
        CHECK,
        {
            "s.yaml": study("train: t.jsonl, validation: t.jsonl, long_questions: drop", head="question_answering").replace(
                "{full: {}}", "{full: {}, short: {data: {max_question_length: 8}}}"
            ),
            "t.jsonl": questions({"question": "who " * 9}),
        },
    ),
    *(
        Refusal(code, CHECK, {"s.yaml": study().replace("{full: {}}", f"{{full: {{train_examples: {size}}}}}"), "t.csv": text})
        for code, size, text in (
            ("subset.too-large", 60, TEXTS),
            ("subset.too-small", 2, re.sub("([345]),bad", r"\1,odd", TEXTS)),
        )
    ),
    rows_of("encoder.max-length", TEXTS, "encoder/config.json", keys="max_length: 5000"),
)
