"""Refusals of encoders, of models of earlier studies, and of data sets of the hub."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bertft_core.config.data_settings import HubData
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.head_settings import ClassificationHead
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.hub_data import read_hub
from bertft_core.data.marks import Wanted
from bertft_core.heads.crf import CRF
from bertft_core.heads.pooling import refuse_unknown_family
from bertft_core.heads.saved_model import load_model
from bertft_core.strategies.architecture import Architecture
from flows.cli.app import app
from tests.helpers.refusals.data_rows import TEXTS, study
from tests.helpers.refusals.refusal import Refusal, raising
from tests.helpers.refusals.stored_copies import own_copy
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.trained_tokenizers import wordpiece

CHECK = "check-data s.yaml"
FILES = {"s.yaml": study(), "t.csv": TEXTS}


def _study(encoder: str) -> dict[str, str]:
    return {"s.yaml": study().replace("{path: encoder}", encoder), "t.csv": TEXTS}


def _encoders_of_one_name(folder: Path) -> None:
    """Two arms with the same weights in folders of one name, and another dropout in one of them."""
    shutil.copytree(folder / "encoder", own := folder / "own" / "encoder")
    settings = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(settings | {"hidden_dropout_prob": 0.5}))
    (folder / "t.csv").write_text(TEXTS)
    (folder / "s.yaml").write_text(study().replace("{full: {}}", "{full: {}, own: {encoder: {path: own/encoder}}}"))
    app(CHECK.split(), standalone_mode=False)


def _other_vocabularies(folder: Path) -> None:
    """Two arms of masked_lm, the second with an encoder of another tokenizer."""
    tiny_encoder(folder / "own", tokenizer=wordpiece(["a text"], vocab_size=20))
    (folder / "t.txt").write_text("a text\n\n" * 9)
    own = study("train: t.txt", head="masked_lm").replace("{full: {}}", "{full: {}, own: {encoder: {path: own}}}")
    (folder / "s.yaml").write_text(own)
    app(CHECK.split(), standalone_mode=False)


def _check_with(name: str, content: bytes | None) -> Callable[[Path], None]:
    """A study with a copy of the encoder, of which one file has other content, or none."""

    def refused(folder: Path) -> None:
        shutil.copytree(folder / "encoder", folder / "own")
        (folder / "own" / name).unlink()
        if content is not None:
            (folder / "own" / name).write_bytes(content)
        for file, text in _study("{path: own}").items():
            (folder / file).write_text(text)
        app(CHECK.split(), standalone_mode=False)

    return refused


def _no_hub(_: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.snapshot_download", raising(ConnectionError("no route to huggingface.co")))
        resolve_encoder(EncoderConfig(checkpoint="some/bert", revision="main"))


def _read_hub(answer: Callable[..., object], **keys: str) -> Callable[[Path], None]:
    """A data set as this stand-in of the hub's client loads it."""

    def refused(_: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("datasets.load_dataset", answer)
            data = HubData.model_validate({"source": "hub", "name": "some/set", "max_length": 48} | keys)
            read_hub(data, Wanted(("text", "label")), _never, "classification")

    return refused


def _never(*_: object) -> object:
    raise AssertionError("no example is read")


def _withheld(*_: object, **__: object) -> object:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    return {"train": Dataset.from_dict({"text": ["a film"], "label": [-1]}, features=features)}


def _without_summary(folder: Path) -> None:
    (own_copy(folder, "claims", "claims") / "summary.json").unlink()
    resolve_encoder(EncoderConfig(study="claims"), folder / "own")


def _without_runs(folder: Path) -> None:
    shutil.rmtree(own_copy(folder, "claims", "claims") / "runs")
    resolve_encoder(EncoderConfig(study="claims", arm="full"), folder / "own")


def _of_study(**keys: object) -> Callable[[Path], object]:
    return lambda folder: resolve_encoder(EncoderConfig.model_validate(keys), folder / "home")


def _damaged_crf(folder: Path) -> None:
    (folder / "crf.safetensors").write_bytes(b"not safetensors")
    CRF.load(folder)


def _unknown_layers(_: Path) -> object:
    return Architecture(SimpleNamespace(config=SimpleNamespace(model_type="gpt2"))).parts


ROWS = (
    Refusal("encoder.no-folder", CHECK, _study("{path: encodr}"), "encodr"),
    Refusal("encoder.changed", CHECK, _study(f"{{path: encoder, weights_sha256: '{'0' * 64}'}}"), "encoder/model.safetensors"),
    Refusal("encoder.no-weights", call=_check_with("model.safetensors", None), place="own"),
    Refusal("encoder.file-missing", call=_check_with("config.json", None), place="own"),
    Refusal("tokenizer.unusable", call=_check_with("tokenizer.json", b"{}"), place="own"),
    Refusal("arm.encoders-of-one-name", call=_encoders_of_one_name),
    Refusal("arm.other-vocabulary", call=_other_vocabularies),
    Refusal("encoder.hub-unavailable", call=_no_hub),
    Refusal("encoder.unknown-layers", call=_unknown_layers),
    Refusal("head.pooling-unavailable", call=lambda _: refuse_unknown_family("gpt2", ClassificationHead(pooling="mean"))),
    Refusal(
        "head.attention-unavailable", call=lambda _: refuse_unknown_family("gpt2", ClassificationHead(aggregate="attention"))
    ),
    Refusal("model.no-head-part", call=CRF.load, place="crf.safetensors"),
    Refusal("model.damaged-head-part", call=_damaged_crf, place="crf.safetensors"),
    Refusal("model.unreadable", call=load_model, place="bertft_head.json"),
    Refusal("encoder-study.not-found", call=_of_study(study="clams"), place="home"),
    Refusal("encoder-study.unknown-arm", call=_of_study(study="claims", arm="ful"), place="home/studies/claims"),
    Refusal("encoder-study.no-seed", call=_of_study(study="claims", arm="full", seed=99), place="home/studies/claims"),
    Refusal("encoder-study.not-finished", call=_without_summary, place="own/studies/claims"),
    Refusal("encoder-study.no-model", call=_without_runs, place="own/studies/claims"),
    Refusal("encoder-study.model-not-kept", call=_of_study(study="claims"), place="home/studies/claims/runs/DIGEST/model"),
    Refusal("hub.local-name", call=_read_hub(_never, name="./data"), place="./data"),
    Refusal("hub.unavailable", call=_read_hub(raising(ConnectionError("no route to huggingface.co"))), place="some/set"),
    Refusal("hub.no-split", call=_read_hub(lambda *_, **__: {"training": None}), place="some/set"),
    Refusal("hub.no-labels", call=_read_hub(_withheld, validation="train"), place="some/set[train]:1"),
)
