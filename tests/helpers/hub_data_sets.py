"""Small data sets in the layout that the ready studies' repositories have on the hub: files, columns, and names of classes.

The texts are made of the tiny encoder's words. Parquet files carry the schema of `datasets` where the real ones do.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

Columns = dict[str, list[Any]]
SUBJECTS = ("the film", "the soup", "a cast", "the food", "a good end", "the cold soup", "a bad film", "good food")
VERDICTS = ("was great", "was awful", "was never boring", "was not bad", "was lovely but small", "was short and cheap")
TEXTS = tuple(f"{subject} {verdict}" for subject, verdict in itertools.product(SUBJECTS, VERDICTS))
N = {"train": 48, "validation": 12, "test": 6, "validation_matched": 12, "validation_mismatched": 9, "test_matched": 6}
CONLL_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
WNUT_TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
WNUT_TAGS = ("O", *(f"{place}-{name}" for name in WNUT_TYPES for place in "BI"))
UPOS = tuple("NOUN PUNCT ADP NUM SYM SCONJ ADJ PART DET CCONJ PROPN PRON X _ ADV INTJ VERB AUX".split())  # noqa: SIM905


class GlueTask(NamedTuple):
    """Columns of the texts and names of the classes; none for a number."""

    texts: tuple[str, ...]
    classes: tuple[str, ...]


GLUE = {
    "cola": GlueTask(("sentence",), ("unacceptable", "acceptable")),
    "sst2": GlueTask(("sentence",), ("negative", "positive")),
    "mrpc": GlueTask(("sentence1", "sentence2"), ("not_equivalent", "equivalent")),
    "qqp": GlueTask(("question1", "question2"), ("not_duplicate", "duplicate")),
    "stsb": GlueTask(("sentence1", "sentence2"), ()),
    "mnli": GlueTask(("premise", "hypothesis"), ("entailment", "neutral", "contradiction")),
    "qnli": GlueTask(("question", "sentence"), ("entailment", "not_entailment")),
    "rte": GlueTask(("sentence1", "sentence2"), ("entailment", "not_entailment")),
    "wnli": GlueTask(("sentence1", "sentence2"), ("not_entailment", "entailment")),
}


def write_glue(folder: Path) -> None:
    """nyu-mll/glue: a folder for each task, whose test labels are withheld."""
    splits = {}
    for name, task in GLUE.items():
        evaluated = ["validation", "test"] if name != "mnli" else ["validation_matched", "validation_mismatched", "test_matched"]
        splits[name] = ["train", *evaluated]
        label = _class_label(task.classes) if task.classes else _value("float32")
        features = {**{text: _value("string") for text in task.texts}, "label": label, "idx": _value("int32")}
        for split in splits[name]:
            _write(folder / name / f"{split}-00000-of-00001.parquet", _glue_columns(task, split), features)
    _write_card(folder, {name: (name, names) for name, names in splits.items()})


def _glue_columns(task: GlueTask, split: str) -> Columns:
    n, shift = N[split], sorted(N).index(split) * 5
    texts = {column: [TEXTS[(i + shift + 7 * k) % len(TEXTS)] for i in range(n)] for k, column in enumerate(task.texts)}
    n_classes = len(task.classes) or 26
    labels = [-1 if split.startswith("test") else i % n_classes for i in range(n)]
    return {**texts, "label": labels if task.classes else [label / 5 for label in labels], "idx": list(range(n))}


def write_conll2003(folder: Path) -> None:
    """lhoestq/conll2003: no card, but the `dataset_infos.json` of old."""
    tags = {name: _list_of(_class_label(names)) for name, names in (("pos_tags", UPOS), ("chunk_tags", CONLL_TAGS))}
    features = {
        "id": _value("string"),
        "tokens": _list_of(_value("string")),
        **tags,
        "ner_tags": _list_of(_class_label(CONLL_TAGS)),
    }
    for split in ("train", "validation", "test"):
        columns = _tagged_columns(split, "ner_tags", (0, 1, 2, 0, 5, 7))
        columns |= dict.fromkeys(tags, columns["ner_tags"])
        _write(folder / "data" / f"{split}-00000-of-00001.parquet", columns, features)
    infos = {"lhoestq--conll2003": {"description": "", "citation": "", "homepage": "", "license": "", "features": features}}
    (folder / "dataset_infos.json").write_text(json.dumps(infos), encoding="utf-8")


def write_wnut17(folder: Path) -> None:
    """leondz/wnut_17 as the hub converts a script's data: Parquet files alone, in a folder for each configuration."""
    features = {"id": _value("string"), "tokens": _list_of(_value("string")), "ner_tags": _list_of(_class_label(WNUT_TAGS))}
    for split in ("train", "validation", "test"):
        _write(folder / "wnut_17" / split / "0000.parquet", _tagged_columns(split, "ner_tags", (0, 9, 10, 0, 7)), features)


def write_universal_dependencies(folder: Path) -> None:
    """commul/universal_dependencies: configurations named in the card, tags as texts."""
    for name in ("en_ewt", "fr_gsd"):
        for split in ("train", "validation", "test"):
            columns = _tagged_columns(split, "upos", range(len(UPOS)))
            columns["upos"] = [["X" if UPOS[tag] == "_" else UPOS[tag] for tag in tags] for tags in columns["upos"]]
            columns["tokens"] = [[f"{name[:2]}{word}" for word in words] for words in columns["tokens"]]
            _write(folder / name / f"{split}-00000-of-00001.parquet", columns)
    _write_card(folder, {name: (name, ["train", "validation", "test"]) for name in ("en_ewt", "fr_gsd")})


def _tagged_columns(split: str, column: str, tags: Sequence[int]) -> Columns:
    words = [text.split() for text in TEXTS[: N[split]]]
    endless = itertools.cycle(tags)
    return {
        "id": [str(i) for i in range(len(words))],
        "tokens": words,
        column: [[next(endless) for _ in sentence] for sentence in words],
    }


def write_squad(folder: Path) -> None:
    """rajpurkar/squad: every question has answers, several of them in the validation set."""
    _write_squad(folder, "plain_text", unanswerable=False)


def write_squad_v2(folder: Path) -> None:
    """rajpurkar/squad_v2: a question without answers has empty lists."""
    _write_squad(folder, "squad_v2", unanswerable=True)


def _write_squad(folder: Path, config: str, *, unanswerable: bool) -> None:
    answers = {"text": _list_of(_value("string")), "answer_start": _list_of(_value("int32"))}
    features = {name: _value("string") for name in ("id", "title", "context", "question")} | {"answers": answers}
    for split in ("train", "validation"):
        rows = [_question(split, i, unanswerable and i % 3 == 0) for i in range(N[split])]
        columns = {name: [row[name] for row in rows] for name in features}
        _write(folder / config / f"{split}-00000-of-00001.parquet", columns, features)
    _write_card(folder, {config: (config, ["train", "validation"])})


def _question(split: str, i: int, unanswerable: bool) -> dict[str, Any]:
    sentence = TEXTS[i // 2 if split == "train" else 30 + i // 2]
    context = f"{sentence} and it was hot"
    spans = ["it was hot", "hot"][: 1 if split == "train" else 2]
    answers = {"text": spans, "answer_start": [context.rindex(span) for span in spans]}
    return {
        "id": f"{split}{i:04d}",
        "title": "Food",
        "context": context,
        "question": f"was {'it' if i % 2 else 'the soup'} hot ?",
        "answers": {"text": [], "answer_start": []} if unanswerable else answers,
    }


def _write(path: Path, columns: Columns, features: Mapping[str, Any] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        table = table.select(list(features)).replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    parquet.write_table(table, path)


def _write_card(folder: Path, configs: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """README.md with the data files of each configuration; the file names are `datasets`' own."""
    rows = ["---", "configs:"]
    for name, (directory, splits) in configs.items():
        rows += [f"- config_name: {name}", "  data_files:"]
        rows += itertools.chain.from_iterable((f"  - split: {split}", f"    path: {directory}/{split}-*") for split in splits)
    (folder / "README.md").write_text("\n".join([*rows, "---", ""]), encoding="utf-8")


def _value(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "_type": "Value"}


def _class_label(names: Sequence[str]) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


def _list_of(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {"feature": dict(feature), "_type": "Sequence"}  # the name that lists had when these files were written


REPOSITORIES: dict[str, Callable[[Path], None]] = {
    "nyu-mll/glue": write_glue,
    "lhoestq/conll2003": write_conll2003,
    "leondz/wnut_17": write_wnut17,
    "commul/universal_dependencies": write_universal_dependencies,
    "rajpurkar/squad": write_squad,
    "rajpurkar/squad_v2": write_squad_v2,
}
"""Name on the hub → what writes such a repository to a folder."""
