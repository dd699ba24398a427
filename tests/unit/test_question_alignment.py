"""Answers find their subwords in windows, whatever the text; and every malformed question is refused by file and line."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.data.alignment import question_answering
from bertft_core.data.examples import SourceLocation
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.data.question_windows import NO_TARGET, Window, question_windows, targets_of, text_read, without_spaces
from bertft_core.records import DatasetCard
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_questions

ALPHABETS = (
    "the film was good and it bad 0123456789 ,.-'()  \n\t",
    "äößçéñ ÅŁØ 年東京は日本 \u0301\u0308 ﬁﬂ ½² İıſß Ωω ",
    "😀👩‍👩‍👧🇩🇪 \u200b\u00ad\ufeff\u2028\u00a0\u3000 \x07 word ",
)


# Tokenizers of three kinds: pieces of words, of bytes (several for one character), of anything (with the space before)


def byte_level() -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(names + alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(names)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False, add_prefix_space=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def unigram() -> Any:
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [*names, "▁", *sorted(set("".join(ALPHABETS[:2]).replace(" ", ""))), "▁the", "▁film", "oo"]
    tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(names)
    special = [("<s>", 0), ("</s>", 2)]
    pair = "<s> $A </s> </s> $B </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair=pair, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


@pytest.fixture(scope="module", params=["subwords", "bytes", "unigram"])
def tokenizer(request, tmp_path_factory) -> Any:
    if request.param == "subwords":
        return AutoTokenizer.from_pretrained(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return byte_level() if request.param == "bytes" else unigram()


def random_texts(n: int, seed: int) -> list[tuple[str, str, random.Random]]:
    """Questions and contexts with something to see in each."""
    texts = []
    rng = random.Random(seed)
    while len(texts) < n:
        alphabet = rng.choice((*ALPHABETS, "".join(ALPHABETS)))
        question, context = ("".join(rng.choices(alphabet, k=k)) for k in (3, rng.randint(1, 60)))
        if question.strip() and context.strip():
            texts.append((question, context, rng))
    return texts


def cuts(tokenizer: Any, question: str, rng: random.Random) -> tuple[int, int]:
    """A tiny max_length that leaves room for the context, and a stride that advances."""
    n_fixed = len(tokenizer(question, add_special_tokens=False)["input_ids"]) + tokenizer.num_special_tokens_to_add(pair=True)
    room = rng.randint(1, 9)
    return n_fixed + room, rng.randint(0, room - 1)


def windows_of(tokenizer: Any, question: str, context: str, max_length: int, overlap: int) -> list[Window]:
    (windows,) = question_windows(tokenizer, [question], [context], max_length, overlap)
    return windows


def test_windows_put_together_are_the_whole_context(tokenizer):
    n_cut = 0
    for question, context, rng in random_texts(300, seed=1):
        max_length, overlap = cuts(tokenizer, question, rng)
        windows = windows_of(tokenizer, question, context, max_length, overlap)
        (whole,) = windows_of(tokenizer, question, context, 10_000, 0)
        n_before = len(tokenizer(question, context)["input_ids"]) - whole.n_context - 1  # up to the context
        assert whole.input_ids.tolist() == tokenizer(question, context)["input_ids"]
        ids, offsets = [], []
        for k, window in enumerate(windows):
            assert len(window.input_ids) == n_before + window.n_context + 1 <= max_length
            assert window.input_ids[:n_before].tolist() == whole.input_ids[:n_before].tolist(), "the whole question"
            assert window.input_ids[-1] == whole.input_ids[-1] == tokenizer.sep_token_id
            assert (window.offsets[:n_before] == -1).all()
            assert (window.offsets[-1] == -1).all()
            assert window.null == 0
            assert window.input_ids[0] == tokenizer.cls_token_id
            new = slice(n_before + (overlap if k else 0), -1)
            ids += window.input_ids[new].tolist()
            offsets += window.offsets[new].tolist()
        assert ids == whole.input_ids[n_before:-1].tolist()
        assert offsets == whole.offsets[n_before:-1].tolist()
        n_cut += len(windows) > 1
    assert n_cut > 100


def test_no_answer_is_lost_in_any_text(tokenizer):
    """An answer that fits into what windows share stands whole in one; of any other, a part is taught where there is a piece."""
    n_whole, n_part, n_none = 0, 0, 0
    for question, context, rng in random_texts(600, seed=2):
        max_length, overlap = cuts(tokenizer, question, rng)
        start = rng.randrange(len(context))
        answer = without_spaces(context, start, rng.randint(start + 1, min(len(context), start + 12)))
        if answer is None:
            continue
        windows = windows_of(tokenizer, question, context, max_length, overlap)
        (whole,) = windows_of(tokenizer, question, context, 10_000, 0)
        hit = [i for i, (a, b) in enumerate(whole.offsets.tolist()) if a >= 0 and a < answer[1] and b > answer[0]]
        targets = targets_of(windows, answer)
        read = text_read(windows, targets, context)
        if not hit:
            assert targets == [(NO_TARGET, NO_TARGET)] * len(windows)
            n_none += 1
            continue
        expected = context[whole.offsets[hit[0], 0] : whole.offsets[hit[-1], 1]]
        taught = [t for w, t in zip(windows, targets, strict=True) if t != (w.null, w.null)]
        assert taught, "some window is taught the answer"
        assert all(a <= b for a, b in taught)
        if hit[-1] - hit[0] <= overlap:
            assert read == expected
            n_whole += 1
        else:
            assert read
            assert read in expected
            n_part += read != expected
    assert n_whole > 100
    assert n_part > 20
    assert n_none > 0 or not isinstance(tokenizer.backend_tokenizer.model, models.WordPiece), "control characters are no subwords"


def test_an_answer_on_piece_borders_is_read_letter_by_letter(tokenizer):
    """Whatever a run of pieces says can be an answer: targets and reading are inverse."""
    n = 0
    for question, context, rng in random_texts(300, seed=3):
        (whole,) = windows_of(tokenizer, question, context, 10_000, 0)
        inside = np.flatnonzero(whole.offsets[:, 0] >= 0)
        if len(inside) == 0:
            continue
        first, last = sorted((rng.choice(inside.tolist()), rng.choice(inside.tolist())))
        answer = (int(whole.offsets[first, 0]), int(whole.offsets[last, 1]))
        assert text_read([whole], targets_of([whole], answer), context) == context[answer[0] : answer[1]]
        n += 1
    assert n > 200


def test_unanswerable_questions_point_to_the_first_piece_and_so_do_windows_without_the_answer(tmp_path):
    _, card = tiny_questions(tmp_path)
    split = open_split(card.directory, "train")
    seen = set()
    for i, answers in enumerate(split.table["answers"].to_pylist()):
        starts, ends = split.ragged("starts", i), split.ragged("ends", i)
        at_null = (starts == split.ragged("nulls", i)) & (ends == starts)
        assert len(starts) == len(split.window_lengths(i))
        assert at_null.all() == (not answers)
        assert (starts <= ends).all()
        seen.add((len(starts) > 1, bool(answers), bool(at_null.any())))
    assert (True, True, True) in seen, "an answer stands in some of the windows only"
    assert (False, True, False) in seen


# The card


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def row(name: str, question: str = "the film was", context: str = "the film was good", **more: Any) -> dict[str, Any]:
    start = context.find("good")
    return {"id": name, "question": question, "context": context, "answers": [{"text": "good", "answer_start": start}]} | more


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def study_of(tmp_path, encoder):
    """Rows of the splits, settings of the data → a study."""

    def make(train: list[dict[str, Any]], validation: list[dict[str, Any]] | None = None, **data: Any) -> StudyConfig:
        files = {"train": write(tmp_path / "train.jsonl", train)}
        if validation is not None:
            files["validation"] = write(tmp_path / "validation.jsonl", validation)
        values = {"source": "files", "max_length": 32, "max_question_length": 12} | files | data
        study = {"name": "s", "data": values, "encoder": {"path": str(encoder)}, "head": "question_answering"}
        return parse_study(study | {"arms": {"full": {}}})

    return make


def prepared(study: StudyConfig, tmp_path: Path) -> DatasetCard:
    return prepare_data(study, home_dir=tmp_path / "home")


def findings(card: DatasetCard) -> dict[tuple[str, str], Any]:
    return {(finding.check, finding.split): finding for finding in card.findings}


def test_a_card_counts_questions_by_whether_they_have_an_answer(tmp_path):
    _, card = tiny_questions(tmp_path)
    assert card.labels == ("answerable", "unanswerable")
    assert card.splits["train"].label_counts == {"answerable": 16, "unanswerable": 8}
    assert card.splits["train"].n_windows > card.splits["train"].n_examples == 24
    assert card.splits["test"].constant_scores["f1"] == pytest.approx(1 / 3)
    assert card.splits["test"].truncated_ratio == 0.0
    split = open_split(card.directory, "test")
    assert split.example_ids == [f"test-{i}" for i in range(12)]
    assert question_answering.gold(split).select(["example_id", "answers"]).num_columns == 2


def test_squad_1_has_one_label_and_says_so(tmp_path):
    _, card = tiny_questions(tmp_path, unanswerable=False)
    assert card.labels == ("answerable",)
    assert open_split(card.directory, "train").table.schema.metadata[b"has_null"] == b"0"
    assert card.splits["test"].constant_scores == {"exact": 0.0, "f1": 0.0}


def test_length_before_windows_is_that_of_the_whole_pair(tmp_path):
    study, card = tiny_questions(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(study.encoder.path)
    split = open_split(card.directory, "train")
    whole = [len(tokenizer(*split.texts(i))["input_ids"]) for i in range(split.n)]
    assert split.n_tokens.tolist() == whole
    assert max(whole) > 24 >= max(int(n) for i in range(split.n) for n in split.window_lengths(i))


def test_answers_that_do_not_stand_at_their_place_are_moved_to_the_only_one_and_counted(study_of, tmp_path):
    off = {"answers": [{"text": "good", "answer_start": 12}]}
    before = {"answers": [{"text": "good", "answer_start": -4}]}  # counted from the end it would be right
    card = prepared(study_of([row("a"), row("b", **off), row("c", **before)], [row("v")]), tmp_path)
    finding = findings(card)["repaired_answers", "train"]
    assert finding.count == 2
    assert finding.examples == ("train.jsonl:2: 'good' from 12 to 13", "train.jsonl:3: 'good' from -4 to 13")
    assert [open_split(card.directory, "train").table["answer_read"].to_pylist()] == [["good"] * 3]
    assert ("repaired_answers", "validation") not in findings(card)


def test_answers_that_no_run_of_pieces_reads_as_are_found(study_of, tmp_path):
    inside = row("b", context="the film was goodish", answers=[{"text": "film was go", "answer_start": 4}])
    spaced = row("c", answers=[{"text": " good", "answer_start": 12}])
    nothing = row("d", context="good \u200b film", answers=[{"text": "\u200b", "answer_start": 5}])
    cut = row("e", context="x good film food good", answers=[{"text": "ilm", "answer_start": 8}])
    card = prepared(study_of([row("a"), inside, spaced, nothing, cut], [row("v")]), tmp_path)
    finding = findings(card)["inexpressible_answers", "train"]
    assert finding.count == 3, "white space around an answer is no matter"
    assert finding.examples == (
        "train.jsonl:2: 'film was go' → 'film was good'",
        "train.jsonl:4: '\\u200b' → ''",
        "train.jsonl:5: 'ilm' → 'film'",
    )


def test_contexts_that_two_splits_share_are_found_apart_from_case_and_spaces(study_of, tmp_path):
    shared = row("v", question="and it was", context="The  film was good")
    card = prepared(study_of([row("a"), row("b", context="and it was good")], [shared, row("w", context="but good")]), tmp_path)
    finding = findings(card)["shared_contexts", "validation"]
    assert finding.count == 1
    assert finding.names == ("train",)
    assert finding.examples == ("validation.jsonl:1: and it was",)


def test_several_training_answers_are_reported_and_the_first_is_trained(study_of, tmp_path):
    two = [{"text": "film", "answer_start": 4}, {"text": "good", "answer_start": 13}]
    same = [{"text": "good", "answer_start": 13}] * 3
    card = prepared(study_of([row("a", answers=two), row("b", answers=same)], [row("v", answers=two)]), tmp_path)
    assert findings(card)["several_answers", "train"].count == 1
    split = open_split(card.directory, "train")
    assert split.table["answer_read"].to_pylist() == ["film", "good"]
    assert split.table["answers"].to_pylist() == [["film", "good"], ["good"] * 3]


def test_a_split_with_another_share_of_unanswerable_questions_is_reported(study_of, tmp_path):
    none = {"answers": []}
    card = prepared(study_of([row("a"), row("b", **none)], [row("v"), row("w"), row("x"), row("y", **none)]), tmp_path)
    assert findings(card)["unanswerable_share", "train"].numbers == {"share": 0.5, "validation_share": 0.25}


def test_a_context_is_never_torn_apart_by_a_split(study_of, tmp_path):
    rows = [row(f"{i}-{j}", question=f"was it {j}", context=f"it was good {i}") for i in range(10) for j in range(3)]
    card = prepared(study_of(rows), tmp_path)
    contexts = [set(open_split(card.directory, name).table["text_b"].to_pylist()) for name in ("train", "validation")]
    assert [len(of) for of in contexts] == [8, 2]
    assert not contexts[0] & contexts[1]


# Where questions come from


def test_questions_come_from_every_format_alike(study_of, tmp_path):
    study = study_of([row("a"), row("b", answers=[])], [row("v"), row("w", answers=[])])
    expected = prepared(study, tmp_path).splits["train"].sha256
    rows = [row("a"), row("b", answers=[])]
    with (tmp_path / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows([*list(row.values())[:3], json.dumps(row["answers"])] for row in rows)
    lines = ["\t".join(rows[0]), *("\t".join([*list(row.values())[:3], json.dumps(row["answers"])]) for row in rows)]
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    import pyarrow as pa
    import pyarrow.parquet

    hub = [{"text": [a["text"] for a in r["answers"]], "answer_start": [a["answer_start"] for a in r["answers"]]} for r in rows]
    pa.parquet.write_table(
        pa.Table.from_pylist([r | {"answers": a} for r, a in zip(rows, hub, strict=True)]), tmp_path / "train.parquet"
    )
    (tmp_path / "train.json").write_text(json.dumps([r | {"is_impossible": not r["answers"]} for r in rows]), encoding="utf-8")
    for name in ("train.csv", "train.tsv", "train.parquet", "train.json"):
        other = study.model_copy(update={"data": study.data.model_copy(update={"train": str(tmp_path / name)})})
        assert prepared(other, tmp_path).splits["train"].sha256 == expected, name


def test_columns_may_have_other_names_and_ids_may_be_missing(study_of, tmp_path):
    rows = [{"q": "the film was", "passage": f"good {i}", "a": [{"text": "good", "answer_start": 0}]} for i in range(4)]
    columns = {"id": None, "question": "q", "context": "passage", "answers": "a"}
    card = prepared(study_of(rows[:2], rows[2:], **columns), tmp_path)
    assert open_split(card.directory, "train").example_ids == ["train-00000", "train-00001"]


def test_examples_to_predict_need_no_answers_and_no_id(encoder):
    study = parse_study(
        {"name": "s", "data": {"source": "bundled", "name": "questions"}, "head": "question_answering", "arms": {"a": {}}}
    )
    read = question_answering.reader(study.data, labelled=False)
    example = read("input-00000", (None, "the film was", "it was good", None), SourceLocation("input", 1))
    assert (example.id, example.label) == ("input-00000", None)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    table = question_answering.tokenise(tokenizer, [example], ("answerable",), study.data, True)
    assert table["answers"].to_pylist() == [[]]


# What is refused

GOOD = [{"text": "good", "answer_start": 13}]
TWICE = row("b", context="good film good", answers=[{"text": "good", "answer_start": 2}])
ABSENT = row("b", answers=[{"text": "great", "answer_start": 13}])
MALFORMED = {
    "an answer in another place, repairs refused": (
        row("b", answers=[{"text": "good", "answer_start": 12}]),
        {"misplaced_answers": "refuse"},
        "is not at its answer_start",
    ),
    "an answer that occurs twice": (TWICE, {}, "occurs more than once"),
    "an answer that overlaps itself": (
        row("b", context="xababa", answers=[{"text": "aba", "answer_start": 0}]),
        {},
        "more than once",
    ),
    "an answer that is not there": (ABSENT, {}, "does not occur in its context"),
    "an answer behind the end": (
        row("b", context="good good", answers=[{"text": "good", "answer_start": 99}]),
        {},
        "more than once",
    ),
    "an id that was there before": (row("a"), {}, "duplicate id 'a'"),
    "an id of another type": (row(3.5), {}, "missing or not a name"),  # type: ignore[arg-type]
    "no id": (row(None), {}, "set data.id to null"),  # type: ignore[arg-type]
    "an empty context": (row("b", context=" "), {}, "column 'context' is empty"),
    "an empty question": (row("b", question=""), {}, "column 'question' is empty"),
    "no answers": (row("b", answers=None), {}, "missing or not a list"),
    "answers that are a text": (row("b", answers="good"), {}, "missing or not a list"),
    "an answer without a place": (row("b", answers=[{"text": "good"}]), {}, "no answer_start"),
    "a long question": (row("b", question="the film was " * 5), {}, "the question is too long"),
    "a question that leaves no room": (
        row("b", question="the film was it"),
        {"max_length": 12, "doc_stride": 6},
        "leaves no room for its context",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_question_is_refused_by_file_and_line(study_of, tmp_path, case):
    bad, data, message = MALFORMED[case]
    study = study_of([row("a", question="the film"), bad], [row("v", question="the film")], **data)
    with pytest.raises(UserError, match=message) as caught:
        prepared(study, tmp_path)
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "train.jsonl"), 2)


def test_a_repeated_id_names_both_lines(study_of, tmp_path):
    with pytest.raises(UserError, match="the same id in line 1") as caught:
        prepared(study_of([row("a"), row("b"), row("a")], [row("v")]), tmp_path)
    assert caught.value.line == 3


def test_a_long_question_is_reported_its_length_and_its_limit(study_of, tmp_path):
    long = row("v", question="the film was " * 5)
    with pytest.raises(UserError, match="too long") as caught:
        prepared(study_of([row("a")], [long]), tmp_path)
    assert caught.value.found.startswith("15 tokens")
    assert caught.value.expected == "at most 12 tokens"
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "validation.jsonl"), 1)
    card = prepared(study_of([row("a")], [long], max_question_length=15), tmp_path)
    assert card.splits["validation"].n_examples == 1


def test_unanswerable_questions_that_training_never_shows_are_refused(study_of, tmp_path):
    with pytest.raises(UserError, match="every training question has one") as caught:
        prepared(study_of([row("a")], [row("v"), row("w", answers=[])]), tmp_path)
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "validation.jsonl"), 2)
