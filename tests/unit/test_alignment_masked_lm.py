"""Raw texts for masked language modelling: every format, blocks that lose nothing, fixed masks, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.config.data_settings import FileData
from bertft_core.data.alignment import masked_lm
from bertft_core.data.examples import Example
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.masking import Vocabulary, fixed_masks
from bertft_core.records import DatasetCard
from tests.helpers.tiny_encoders import tiny_encoder

TEXT = "the film was good\nand the food\n\n \nit was bad, never boring\n\n\na lovely end\n"
PARAGRAPHS = ["the film was good\nand the food", "it was bad, never boring", "a lovely end"]
ROWS = ["the film was good", "it was bad", "a lovely end"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def tokenizer(encoder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder)


def prepared(encoder: Path, home_dir: Path, *, seed: int = 0, **data: Any) -> DatasetCard:
    values = {"source": "files", "max_length": 16} | {key: str(v) if isinstance(v, Path) else v for key, v in data.items()}
    study = {
        "name": "s",
        "seed": seed,
        "data": values,
        "encoder": {"path": str(encoder)},
        "head": "masked_lm",
        "arms": {"full": {}},
    }
    return prepare_data(parse_study(study), home_dir=home_dir)


def texts_in(card: DatasetCard, split: str = "train") -> list[str]:
    opened = open_split(card.directory, split)
    return [opened.texts(i)[0] for i in range(opened.n)]


def refused(encoder: Path, tmp_path: Path, train: Path, **data: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        prepared(encoder, tmp_path / "home", train=train, validation=train, **data)
    return caught.value


# Formats


@pytest.mark.parametrize(
    ("unit", "texts"),
    [
        ("line", ["the film was good", "and the food", "it was bad, never boring", "a lovely end"]),
        ("paragraph", PARAGRAPHS),
        ("document", [TEXT.strip("\n")]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_text_file_is_read_by_its_unit(encoder, tmp_path, unit, texts, packed):
    path = tmp_path / ("texts.txt.gz" if packed else "texts.txt")
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    card = prepared(encoder, tmp_path, train=path, validation=path, text_unit=unit)
    assert texts_in(card) == texts
    assert card.labels == ()
    assert card.splits["train"].label_counts == {}


def write_table(path: Path) -> None:
    lines = {
        "csv": "text,other\n" + "".join(f"{row},x\n" for row in ROWS),
        "tsv": "text\tother\n" + "".join(f"{row}\tx\n" for row in ROWS),
        "jsonl": "".join(json.dumps({"text": row, "other": 1}) + "\n" for row in ROWS),
    }
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": ROWS, "other": [1, 2, 3]}), path)
    else:
        path.write_text(lines[path.suffix[1:]])


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_needs_no_column_but_the_text(encoder, tmp_path, ending):
    path = tmp_path / f"train.{ending}"
    write_table(path)
    assert texts_in(prepared(encoder, tmp_path, train=path, validation=path)) == ROWS


# What is refused


def test_malformed_files_are_refused_with_file_and_line(encoder, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "good"}\n{"text": "  "}\n')
    error = refused(encoder, tmp_path, path)
    assert (error.path, error.line) == (str(path), 2)
    assert "empty" in error.problem
    path.write_text('{"text": "good"}\n{"text": 7}\n')
    error = refused(encoder, tmp_path, path)
    assert (error.path, error.line, error.found) == (str(path), 2, "7")
    path.write_text('{"body": "good"}\n')
    error = refused(encoder, tmp_path, path)
    assert (error.path, error.line) == (str(path), 1)
    assert "no column 'text'" in error.problem


def test_text_files_that_are_none_are_refused_with_file_and_line(encoder, tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"good\nfilm\n\xff\xfe\n")
    error = refused(encoder, tmp_path, path)
    assert (error.path, error.line) == (str(path), 3)
    path.write_text(" \n\n")
    assert refused(encoder, tmp_path, path).path == str(path)


def test_words_with_tags_and_questions_are_no_raw_text(encoder, tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("good O\n")
    error = refused(encoder, tmp_path, path)
    assert "the head 'masked_lm' cannot be trained" in error.problem
    assert error.path == str(path)


def test_texts_without_any_known_piece_are_refused(encoder, tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("\n\n你好\n\n再见\n")
    error = refused(encoder, tmp_path, path)
    assert (error.path, error.line) == (str(path), 3)
    assert "nothing to predict" in error.problem


def test_a_tokenizer_without_a_mask_is_refused():
    with pytest.raises(UserError, match="no mask token") as caught:
        masked_lm.tokenise(SimpleNamespace(mask_token_id=None, name_or_path="somewhere"), [], (), None, False)
    assert caught.value.found == "somewhere"


# Blocks


def tokenised(tokenizer: Any, texts: list[str], max_length: int) -> PreparedSplit:
    data = FileData(source="files", train="x.txt", max_length=max_length)
    examples = [Example(f"train-{i:05d}", (text,), None, i + 1) for i, text in enumerate(texts)]
    return PreparedSplit(masked_lm.tokenise(tokenizer, examples, (), data, True).combine_chunks(), "train")


def any_text(chance: np.random.Generator) -> str:
    """Words, letters, spaces, controls, accents, other scripts and pictures in any order."""
    ranges = [(0x20, 0x7F), (0x0, 0x20), (0xA0, 0x370), (0x300, 0x370), (0x4E00, 0x4F00), (0x1F600, 0x1F640), (0x20, 0x21)]
    chosen = [ranges[k] for k in chance.integers(len(ranges), size=chance.integers(120))]
    return "".join(chr(chance.integers(*one)) for one in chosen) + " good film" * int(chance.integers(4))


@pytest.mark.parametrize("seed", range(40))
def test_blocks_lose_no_piece_and_repeat_none_of_any_text(tokenizer, seed):
    chance = np.random.default_rng(seed)
    texts, max_length = [*(any_text(chance) for _ in range(5)), "good"], int(chance.integers(4, 40))
    split = tokenised(tokenizer, texts, max_length)
    for i, text in enumerate(texts):
        ends = np.cumsum(split.window_lengths(i))
        blocks = np.split(split.input_ids(i), ends[:-1])
        assert ends[-1] == len(split.input_ids(i))
        assert all(len(block) == max_length for block in blocks[:-1])
        assert len(blocks[-1]) <= max_length
        assert all((block[0], block[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) for block in blocks)
        inner = np.concatenate([block[1:-1] for block in blocks])
        assert inner.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_text_in_several_blocks_stays_one_example_of_one_split(encoder, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{'boring film ' * k} number {k}\n\n" for k in range(1, 21)))
    card = prepared(encoder, tmp_path, train=path, max_length=8)
    splits = {name: open_split(card.directory, name) for name in ("train", "validation")}
    assert {name: split.n for name, split in splits.items()} == {"train": 16, "validation": 4}
    assert len({name for split in splits.values() for name in split.example_ids}) == 20
    assert card.splits["train"].n_windows == splits["train"].n_windows > 2 * splits["train"].n
    assert card.splits["train"].truncated_ratio == 0.0


def test_many_blocks_a_text_are_reported_and_copies_too(encoder, tmp_path):
    train, validation = tmp_path / "train.txt", tmp_path / "validation.txt"
    train.write_text(f"{'boring film ' * 100}\n\ngood\n\nGOOD\n")
    validation.write_text("good\n")
    found = prepared(encoder, tmp_path, train=train, validation=validation, max_length=8).findings
    printed = {(finding.check, finding.split): finding for finding in found}
    assert printed.keys() == {("duplicates", "train"), ("overlap", "validation"), ("many_blocks", "train")}


# Masks


def test_the_fixed_masks_are_stored_and_are_the_gold(encoder, tokenizer, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"the film number {k} was lovely but boring\n\n" for k in range(12)))
    card = prepared(encoder, tmp_path, train=path)
    for name in ("train", "validation"):
        split = open_split(card.directory, name)
        gold = masked_lm.gold(split)
        assert gold.column_names == ["example_id", "targets"]
        vocabulary = Vocabulary.from_metadata(split.metadata)
        assert vocabulary.mask_id == tokenizer.mask_token_id
        assert vocabulary.special_ids == tuple(sorted(tokenizer.all_special_ids))
        assert vocabulary.size == len(tokenizer)
        for i, example_id in enumerate(split.example_ids):
            masks = fixed_masks(example_id, split.input_ids(i), vocabulary)
            assert len(masks.positions) >= 2
            assert np.array_equal(split.ragged("masked", i), masks.positions)
            assert np.array_equal(split.ragged("shown", i), masks.shown)
            assert gold["targets"][i].as_py() == split.input_ids(i)[masks.positions].tolist()
        assert split.pad_token_id == tokenizer.pad_token_id
        assert split.n_special == 2


def test_the_fixed_masks_stay_when_seed_and_size_change(encoder, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"the film number {k} was lovely but boring\n\n" for k in range(30)))

    def masks(**how: Any) -> dict[str, list[int]]:
        split = open_split(prepared(encoder, tmp_path, train=path, **how).directory, "validation")
        return {name: split.ragged("masked", i).tolist() for i, name in enumerate(split.example_ids)}

    one, other, fewer = masks(), masks(seed=1), masks(subsample={"validation": 3})
    assert one.keys() != other.keys()
    assert len(fewer) == 3
    shared = one.keys() & other.keys()
    assert {name: one[name] for name in shared} == {name: other[name] for name in shared}
    assert all(one[name] == hidden for name, hidden in fewer.items())
    assert len({tuple(hidden) for hidden in one.values()}) > 1


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        ("text\tlabel\nthe film was good\ta\nit was bad\tb\n", "tsv"),
        ("the O\nfilm B-x\n\nit O\nwas O\n", "conll"),
        (TEXT, None),
    ],
)
def test_rows_of_another_format_in_a_text_file_are_found_unless_they_are_meant(encoder, tmp_path, content, looks_like):
    path = tmp_path / "train.txt"
    path.write_text(content)
    (tmp_path / "validation.txt").write_text("a lovely end\n")
    files = {"train": path, "validation": tmp_path / "validation.txt"}
    found = [f for f in prepared(encoder, tmp_path, **files).findings if f.check == "rows_as_texts"]
    assert [f.names for f in found] == ([] if looks_like is None else [("train.txt", looks_like)])
    meant = prepared(encoder, tmp_path, **files, format="text").findings
    assert "rows_as_texts" not in {f.check for f in meant}
