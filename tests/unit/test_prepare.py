"""Data is tokenised once, stored by fingerprint, and read back as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.data import arrow_storage, prepare_study_data, prepared_store
from bertft_core.data.batching import epoch_order, evaluation_batches
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.examples import Example, RawSplit
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.data.proved_encoder import prove_encoder
from bertft_core.records import DatasetCard
from bertft_core.records.data_card import SplitOrigin
from bertft_core.report.prose.data_card_text import card_text
from bertft_core.storage.study_dir import read_record
from tests.helpers.batches import collate, has_token_types
from tests.helpers.tiny_encoders import KINDS, POSITIONS, tiny_encoder

TEXTS = ["the film was good", "the film was bad", "boring and awful", "great food", "not lovely", "never bad", "it was good but"]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, Path]:
    return {kind: tiny_encoder(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture
def train(tmp_path) -> Path:
    rows = [{"text": f"{text} {i}", "other": f"and it {i}", "label": f"l{i % 2}"} for i, text in enumerate(TEXTS * 4)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def study_of(train: Path, encoder: Path, **data) -> StudyConfig:
    values = {"source": "files", "train": str(train), "max_length": 32} | data
    return parse_study({"name": "s", "data": values, "encoder": {"path": str(encoder)}, "arms": {"full": {}}})


def test_a_card_says_what_was_prepared(train, encoders, tmp_path):
    card = prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path / "home")
    assert list(card.splits) == ["train", "validation"]
    assert {name: split.n_examples for name, split in card.splits.items()} == {"train": 22, "validation": 6}
    assert card.splits["validation"].origin.cut_from_train
    assert card.splits["train"].label_counts == {"l0": 11, "l1": 11}
    assert card.labels == ("l0", "l1")
    assert card.encoder.checkpoint == encoders["bert"].name
    assert Path(card.directory) == tmp_path / "home" / "data" / card.fingerprint
    assert read_record(Path(card.directory) / "card.json", DatasetCard) == card


def test_splits_come_back_as_they_were(train, encoders, tmp_path):
    from transformers import AutoTokenizer

    card = prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path)
    split = open_split(card.directory, "train")
    tokenizer = AutoTokenizer.from_pretrained(encoders["bert"])
    rows = [json.loads(line) for line in train.read_text().splitlines()]
    for i, example_id in enumerate(split.example_ids):
        row = rows[int(example_id.removeprefix("train-"))]
        assert split.texts(i) == (row["text"],)
        assert card.labels[split.labels[i]] == row["label"]
        assert split.input_ids(i).tolist() == tokenizer(row["text"])["input_ids"]
        assert split.token_type_ids(i).tolist() == [0] * split.lengths[i]


def test_pairs_are_cut_as_the_tokenizer_cuts_them(train, encoders, tmp_path):
    from transformers import AutoTokenizer

    study = study_of(train, encoders["bert"], text=["text", "other"], max_length=9)
    card = prepare_data(study, home_dir=tmp_path)
    split = open_split(card.directory, "train")
    tokenizer = AutoTokenizer.from_pretrained(encoders["bert"])
    for i in range(split.n):
        expected = tokenizer(*split.texts(i), truncation=True, max_length=9)
        assert split.input_ids(i).tolist() == expected["input_ids"]
        assert split.token_type_ids(i).tolist() == expected["token_type_ids"]
    assert split.lengths.max() == 9
    assert 0 < card.splits["train"].truncated_ratio == np.mean(split.n_tokens > 9)
    assert "truncated" in {finding.check for finding in card.findings}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_each_family_takes_the_batches(train, encoders, tmp_path, kind):
    from transformers import AutoModelForSequenceClassification

    card = prepare_data(study_of(train, encoders[kind], text=["text", "other"]), home_dir=tmp_path)
    split = open_split(card.directory, "train")
    model = AutoModelForSequenceClassification.from_pretrained(card.encoder_dir).eval()
    assert split.pad_token_id == model.config.pad_token_id
    assert has_token_types(split) == (getattr(model.config, "type_vocab_size", 0) > 1)
    batch = collate(split, np.arange(5), split.pad_token_id)
    alone = collate(split, [0], split.pad_token_id)
    loss = model(**batch).loss
    assert loss.isfinite()
    same = model(**batch).logits[0] - model(**alone).logits[0]
    assert same.abs().max() < 1e-5, "padding must not change an example's logits"


def test_the_second_time_nothing_is_tokenised(train, encoders, tmp_path, monkeypatch):
    first = prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path)
    monkeypatch.setattr(prepare_study_data, "load_tokenizer", None)
    assert prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path) == first


def test_a_prepared_study_needs_neither_torch_nor_transformers(train, encoders, tmp_path):
    study = study_of(train, encoders["bert"])
    prove_encoder(resolve_encoder(study.encoder), study.head, tmp_path)
    prepare_data(study, home_dir=tmp_path)
    code = (
        "import sys; from bertft_core.config import StudyConfig; from bertft_core.data.prepare_study_data import prepare_data; "
        "card = prepare_data(StudyConfig.model_validate_json(sys.argv[1]), home_dir=sys.argv[2]); "
        "print(card.fingerprint, *(m for m in ('torch', 'transformers', 'datasets', 'pandas') if m in sys.modules))"
    )
    run = [sys.executable, "-c", code, study.model_dump_json(), str(tmp_path)]
    answer = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert answer == [prepare_data(study, home_dir=tmp_path).fingerprint]


def test_a_torn_or_missing_file_is_made_again(train, encoders, tmp_path):
    study = study_of(train, encoders["bert"])
    card = prepare_data(study, home_dir=tmp_path)
    arrow = Path(card.directory) / "train.arrow"
    whole = arrow.read_bytes()
    arrow.write_bytes(whole[: len(whole) // 2])
    prepare_data(study, home_dir=tmp_path)
    assert arrow.read_bytes() == whole
    arrow.unlink()
    prepare_data(study, home_dir=tmp_path)
    assert arrow.read_bytes() == whole


def test_a_killed_preparation_leaves_nothing_that_counts(train, encoders, tmp_path, monkeypatch):
    study = study_of(train, encoders["bert"])
    prove_encoder(resolve_encoder(study.encoder), study.head, tmp_path)  # written before, so that the data are cut off
    monkeypatch.setattr(arrow_storage.os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare_data(study, home_dir=tmp_path)
    assert not [path for path in (tmp_path / "data").iterdir() if not path.name.startswith(".")]
    monkeypatch.undo()
    card = prepare_data(study, home_dir=tmp_path)
    assert open_split(card.directory, "train").n == 22


def test_the_fingerprint_follows_what_is_trained_on(train, encoders, tmp_path):
    def fingerprint(**data) -> str:
        return prepare_data(study_of(train, encoders["bert"], **data), home_dir=tmp_path).fingerprint

    base = fingerprint()
    assert fingerprint() == base
    assert len({base, fingerprint(max_length=16), fingerprint(labels=["l1", "l0"]), fingerprint(text="other")}) == 4
    moved = train.rename(tmp_path / "elsewhere.jsonl")
    assert prepare_data(study_of(moved, encoders["bert"]), home_dir=tmp_path).fingerprint == base
    moved.write_text(moved.read_text().replace("good", "fine", 1))
    assert prepare_data(study_of(moved, encoders["bert"]), home_dir=tmp_path).fingerprint != base


def test_encoders_that_share_a_tokenizer_share_subwords_but_not_the_card(train, encoders, tmp_path):
    other = tiny_encoder(tmp_path / "other", seed=1)
    first = prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path)
    second = prepare_data(study_of(train, other), home_dir=tmp_path)
    assert first.fingerprint == second.fingerprint
    assert first.encoder != second.encoder
    assert second.encoder_dir == str(other)


@pytest.mark.parametrize(("kind", "limit"), [("bert", POSITIONS), ("roberta", POSITIONS - 2)])
def test_inputs_longer_than_the_encoder_reads_are_refused(train, encoders, tmp_path, kind, limit):
    with pytest.raises(UserError, match=f"at most {limit} ") as caught:
        prepare_data(study_of(train, encoders[kind], max_length=limit + 1), home_dir=tmp_path)
    assert str(limit + 1) in (caught.value.found or "")
    prepare_data(study_of(train, encoders[kind], max_length=limit), home_dir=tmp_path)


def test_a_tokenizer_of_another_model_is_refused(train, tmp_path):
    encoder = tiny_encoder(tmp_path / "small", vocab_size=50)
    with pytest.raises(UserError, match="vocab_size of 50"):
        prepare_data(study_of(train, encoder), home_dir=tmp_path)


def test_a_broken_tokenizer_is_refused(train, tmp_path):
    encoder = tiny_encoder(tmp_path / "broken")
    (encoder / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(UserError, match=r"tokenizer\.json cannot be read"):
        prepare_data(study_of(train, encoder), home_dir=tmp_path)


def test_the_epoch_order_follows_seed_and_epoch_alone():
    np.random.seed(0)
    first = epoch_order(50, 7, 0)
    np.random.seed(1)
    assert np.array_equal(first, epoch_order(50, 7, 0))
    assert sorted(first) == list(range(50))
    assert not np.array_equal(first, epoch_order(50, 7, 1))
    assert not np.array_equal(first, epoch_order(50, 8, 0))


def test_stored_numbers_stay_comparable_between_versions():
    assert epoch_order(8, 0, 0).tolist() == [0, 4, 5, 1, 7, 3, 2, 6], (
        "another batch order makes another run out of the same digest"
    )
    example = Example("train-00000", ("Grüße, “Welt”", "b"), "positive", line=7)
    split = RawSplit((example,), path="anywhere", origin=SplitOrigin(path="anywhere"))
    assert prepared_store.split_digest(split) == "5e1bd1a5da967fd567705479ff09af733da775a861cebc4264ea4378c1adee4b", (
        "raise PREPARED_VERSION and tell why in the CHANGELOG"
    )


def test_a_batch_is_padded_to_its_longest_input(train, encoders, tmp_path):
    import torch

    card = prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path)
    split = open_split(card.directory, "train")
    indices = [3, 0, 11]
    batch = collate(split, indices, 9)
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    assert batch["input_ids"].shape == (3, split.lengths[indices].max())
    for row, i in enumerate(indices):
        n = split.lengths[i]
        assert batch["input_ids"][row, :n].tolist() == split.input_ids(i).tolist()
        assert set(batch["input_ids"][row, n:].tolist()) <= {9}
        assert batch["attention_mask"][row].sum() == n
    assert batch["labels"].tolist() == split.labels[indices].tolist()


def test_evaluation_sees_every_example_once_longest_first(train, encoders, tmp_path):
    card = prepare_data(study_of(train, encoders["bert"]), home_dir=tmp_path)
    split = open_split(card.directory, "train")
    batches = list(evaluation_batches(split, 4))
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 2]
    order = np.concatenate(batches)
    assert sorted(order) == list(range(22))
    assert all(np.diff(split.lengths[order]) <= 0)


def test_the_description_shows_splits_labels_and_findings(train, encoders, tmp_path):
    card = prepare_data(study_of(train, encoders["bert"], max_length=8, test=str(train)), home_dir=tmp_path)
    text = card_text(card)
    assert "validation  6" in text
    assert "l0:11 l1:11" in text
    assert "- overlap: 22 texts of test are also in train" in text
    assert f"train.jsonl:1: {TEXTS[0]} 0" in text
    assert "truncated" in text
    assert "batches      packed (one row of tokens without padding)" in text
    assert "layers       can be computed by hand (execution.compute)" in text
    assert "layers" not in card_text(card.model_copy(update={"by_hand": False}))


def test_the_wheel_and_a_copy_of_it_give_the_same_fingerprint(train, tmp_path):
    default = parse_study({"name": "s", "data": {"source": "files", "train": str(train)}, "arms": {"full": {}}})
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in resolve_encoder(default.encoder).directory.iterdir():
        (copy / path.name).symlink_to(path)
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").unlink()
    (copy / "tokenizer_config.json").write_text(json.dumps(settings | {"name_or_path": "elsewhere"}, indent=2))
    card = prepare_data(default, home_dir=tmp_path)
    copied = prepare_data(study_of(train, copy, max_length=default.data.max_length), home_dir=tmp_path)
    assert card.fingerprint == copied.fingerprint
    assert card.encoder.weights_sha256 == copied.encoder.weights_sha256


def test_a_headline_on_a_split_that_is_not_there_is_refused(train, encoders, tmp_path):
    study = parse_study(
        {
            "name": "s",
            "data": {"source": "bundled", "name": "reviews", "max_length": 32, "subsample": {"train": 8}},
            "encoder": {"path": str(encoders["bert"])},
            "arms": {"full": {}},
            "headline": {"split": "tets"},
        }
    )
    with pytest.raises(UserError, match="has no split 'tets'"):
        prepare_data(study, home_dir=tmp_path / "home")


def test_a_metric_that_three_labels_do_not_have_is_refused_wherever_it_decides_something(encoders, tmp_path):
    rows = [{"text": f"{text} {i}", "label": f"l{i % 3}"} for i, text in enumerate(TEXTS * 4)]
    path = tmp_path / "three.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    study = study_of(path, encoders["bert"])
    stopping = [{"kind": "full"}, {"kind": "early_stopping", "metric": "f1_binary", "patience": 2}]
    asked = {
        "metric": {"metric": "f1_binary"},
        "arms.full.strategies[1].metric": {"arms": {"full": {"strategies": stopping}}},
        "seeds.until.metric": {"seeds": {"until": {"metric": "f1_binary", "half_width": 0.1}, "max": 9}},
    }
    for place, change in asked.items():
        changed = parse_study(study.model_dump(mode="json", exclude_defaults=True) | change)
        with pytest.raises(UserError, match=f"{re.escape(place)}: 'f1_binary' cannot be computed for these labels"):
            prepare_data(changed, home_dir=tmp_path / "home")
