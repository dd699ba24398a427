"""Refusals of labels, tags, targets and splits: what the examples of a study are together."""

from pathlib import Path
from types import SimpleNamespace

from bertft_core.config.data_settings import FileData
from bertft_core.data.alignment import masked_lm
from bertft_core.data.examples import Example
from bertft_core.data.splits import subsample
from bertft_core.data.study_checks import refuse_unknown_headline
from bertft_core.records import DatasetCard
from bertft_core.storage.study_dir import StudyDir, checked_record
from tests.helpers.raw_splits import raw
from tests.helpers.refusals.data_rows import CHECK, NER, QA, TEXTS, WORDS, questions, rows_of, study
from tests.helpers.refusals.refusal import Refusal

ONE_HOT = "text,a,b\n" + "".join(f"film {i},{i % 2},{1 - i % 2}\n" for i in range(9))
BY_WORD, OF_SENTENCES = "id,word,tag\n1,a,O\n2,b,O\n", "sentence: id, tokens: word, tags: tag"
NO_ANSWER = {"id": "none", "answers": {"text": [], "answer_start": []}}


def _two_files(code: str, train: str, other: str, place: str, *, keys: str = "", head: str = "classification") -> Refusal:
    """A study that names its validation set."""
    ending = "csv" if "," in train.partition("\n")[0] and head != "question_answering" else "jsonl"
    data = f"train: t.{ending}, validation: v.{ending}" + (f", {keys}" if keys else "")
    return Refusal(code, CHECK, {"s.yaml": study(data, head=head), f"t.{ending}": train, f"v.{ending}": other}, place)


def _with_extra(code: str, rows: str, place: str) -> Refusal:
    """A study with further training examples that name their sources."""
    files = {"s.yaml": study("train: t.csv, validation: v.csv, extra_train: [x.csv]"), "t.csv": TEXTS, "v.csv": TEXTS}
    return Refusal(code, CHECK, files | {"x.csv": "text,label,source_id\n" + rows}, place)


def _headline(folder: Path) -> None:
    card = checked_record(StudyDir(folder / "home", "claims").card_path, DatasetCard)
    refuse_unknown_headline("dev", card)


def _no_mask(folder: Path) -> None:
    """A generative tokenizer: an encoder that is refused only where tokens are masked."""
    tokenizer = SimpleNamespace(mask_token_id=None, name_or_path="encoder")
    masked_lm.tokenise(tokenizer, [], (), FileData(source="files", train="t.txt", max_length=48), True)


def _nothing_masked(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "encoder")
    text = Example("input-0", ("the pump is out of order",), None, 1)
    masked_lm.tokenise_new(tokenizer, [text], (), FileData(source="files", train="t.txt", max_length=48), True)


def _drawn(code: str, text: str, place: str, *, extra: str = "", folds: int = 5) -> Refusal:
    """A study that is cross-validated."""
    keys = "source: files, train: t.csv, max_length: 48" + (", extra_train: [x.csv]" if extra else "")
    seeds = f"seeds: {{design: {{split: {{folds: {folds}}}}}}}"
    config = f"name: s\nencoder: {{path: encoder}}\ndata: {{{keys}}}\narms: {{full: {{}}}}\n{seeds}\n"
    return Refusal(code, CHECK, {"s.yaml": config, "t.csv": text} | ({"x.csv": extra} if extra else {}), place)


ROWS = (
    _two_files("label.not-in-train", TEXTS, TEXTS + "film,worse\n", "v.csv:14"),
    rows_of("label.not-one-hot", ONE_HOT + "film,x,1\n", "t.csv:11", keys="label: [a, b]"),
    rows_of("label.not-exactly-one", ONE_HOT + "film,1,1\n", "t.csv:11", keys="label: [a, b]"),
    rows_of("data.list-written-as-text", "text,label\nfilm,\"['a', 'b']\"\n", "t.csv:2", head="multi_label"),
    rows_of(
        "target.nearly-constant",
        "text,label\n" + "".join(f"film {i},{1e9 + i % 2}\n" for i in range(9)),
        "t.csv:2",
        head="regression",
    ),
    rows_of("tags.not-plain", WORDS, "t.conll:1", file="t.conll", keys="scheme: plain", **NER),
    rows_of("tags.unreadable-list", WORDS, file="t.conll", keys="labels: [O, X-]", **NER),
    rows_of("tags.incomplete-list", WORDS, file="t.conll", keys="labels: [O, B-LOC]", **NER),
    rows_of("tag.unknown", WORDS, "t.conll:4", file="t.conll", keys="labels: [O, B-PER, I-PER]", **NER),
    rows_of(
        "words.one-per-row",
        "".join(f'{{"tokens": ["I{i}"], "tags": ["{"O" if i % 2 else "B-LOC"}"]}}\n' for i in range(30)),
        "t.jsonl:1",
        file="t.jsonl",
        **NER,
    ),
    _two_files(
        "question.unanswerable-outside-train",
        questions(),
        questions(NO_ANSWER),
        "v.jsonl:10",
        head="question_answering",
    ),
    rows_of(
        "question.all-too-long",
        questions().replace("Who is", "who " * 90),
        "t.jsonl:1",
        keys="validation: t.jsonl, long_questions: drop",
        **QA,
    ),
    _two_files(
        "split.too-few-to-halve", TEXTS, "text,label\nfilm,good\nfilm,good\n", "v.csv", keys="split: {halve_validation: true}"
    ),
    rows_of(
        "split.too-few-groups",
        "text,label,by\n" + "".join(f"film {i},{'good' if i > 2 else 'bad'},{min(i, 8) // 3}\n" for i in range(12)),
        "t.csv:2",
        keys="split: {group: by}",
    ),
    rows_of("data.no-name", "text,label,by\nfilm,good,Ann\nfilm,bad,\n", "t.csv:3", keys="split: {group: by}"),
    rows_of("group.no-columns", WORDS, "t.conll", file="t.conll", keys="split: {group: document}", **NER),
    _with_extra("extra.unknown-source", "a new film,good,99\n", "x.csv:2"),
    _with_extra("extra.no-source-in-train", "a new film,good,validation-00000\n", "x.csv:2"),
    _drawn("extra.no-source", TEXTS, "x.csv:2", extra="text,label\na new film,good\n"),
    _drawn("split.untrained-label", TEXTS + "a film,odd\n", "t.csv:14"),
    _drawn("split.empty-part", TEXTS, "t.csv", folds=40),
    Refusal("subsample.unknown-split", call=lambda _: subsample({"train": raw("train", ["good", "bad"])}, {"dev": 4}, 0)),
    Refusal("headline.no-split", call=_headline),
    Refusal(
        "metric.not-computable",
        CHECK,
        {"s.yaml": study() + "metric: f1_binary\n", "t.csv": TEXTS + "".join(f"new {i},fair\n" for i in range(6))},
    ),
    Refusal("masked-lm.no-mask-token", call=_no_mask),
    Refusal("masked-lm.empty-text", call=_nothing_masked),
    rows_of("words.sentence-apart", BY_WORD + "1,c,O\n", "t.csv:4", keys=OF_SENTENCES, **NER),
    rows_of("words.no-sentence", "id,word,tag\n,a,O\n", "t.csv:2", keys=OF_SENTENCES, **NER),
    rows_of("data.key-without-use", '{"text": "a", "label": "x"}\n', "t.jsonl", file="t.jsonl", keys="delimiter: ';'"),
    rows_of("data.sentence-without-table", WORDS, "t.conll", file="t.conll", keys="sentence: id", **NER),
)
