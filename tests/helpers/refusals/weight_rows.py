"""Refusals of encoders and models whose files do not fit each other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.hub_data import _refuse_too_many
from bertft_core.data.kept_model import refuse_changed_model
from bertft_core.data.proved_encoder import refuse_other_labels
from bertft_core.heads.saved_model import load_model
from bertft_core.storage.damage import refuse_damage, refuse_damaged_model
from bertft_core.storage.study_dir import StudyDir
from flows.cli.app import app
from tests.helpers.refusals.data_rows import TEXTS, study
from tests.helpers.refusals.refusal import Refusal
from tests.helpers.refusals.stored_copies import own_copy
from tests.helpers.small_records import make_card, make_spec, make_study

Change = Callable[[Path], object]


def _encoder(code: str, change: Change, place: str, *, head: str = "classification") -> Refusal:
    """A study with a changed copy of the encoder."""

    def refused(folder: Path) -> None:
        shutil.copytree(folder / "encoder", folder / "own")
        change(folder / "own")
        (folder / "s.yaml").write_text(study(head=head).replace("{path: encoder}", "{path: own}"))
        (folder / "t.csv").write_text(TEXTS)
        app(["check-data", "s.yaml"], standalone_mode=False)

    return Refusal(code, call=refused, place=f"own/{place}".rstrip("/"))


def _file(name: str, content: str) -> Change:
    return lambda folder: (folder / name).write_text(content)


def _settings(name: str = "config.json", **changes: object) -> Change:
    def change(folder: Path) -> None:
        values = json.loads((folder / name).read_text()) | changes
        (folder / name).write_text(json.dumps({key: value for key, value in values.items() if value is not None}))

    return change


def _tensors(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    def changed(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = folder / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return changed


def _index(content: str) -> Change:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(content)

    return change


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _no_special_tokens(folder: Path) -> None:
    _settings("tokenizer.json", post_processor=None)(folder)


def _few_tokens(folder: Path) -> None:
    values = json.loads((folder / "tokenizer.json").read_text())
    values["model"]["vocab"] = dict(list(values["model"]["vocab"].items())[:6])
    (folder / "tokenizer.json").write_text(json.dumps(values))


def _same_id(folder: Path) -> None:
    values = json.loads((folder / "tokenizer.json").read_text())
    one, other = list(values["model"]["vocab"])[-2:]
    values["model"]["vocab"][other] = values["model"]["vocab"][one]
    (folder / "tokenizer.json").write_text(json.dumps(values))


def _other_labels(folder: Path) -> None:
    head = HEAD_CONFIGS["classification"](init="checkpoint")
    refuse_other_labels(resolve_encoder(EncoderConfig(path=str(folder / "encoder"))), head, ("a", "b", "c"))


def _damaged_record(folder: Path) -> None:
    copy = own_copy(folder, "claims", "claims")
    (copy / "summary.json").write_text("{")
    refuse_damage(StudyDir(folder / "own", "claims"))


def _damaged_model(folder: Path) -> None:
    spec = SimpleNamespace(title="full · seed 000")
    refuse_damaged_model(SimpleNamespace(spec=spec, files={"model/model.safetensors": "0" * 64}), folder / "run")  # type: ignore[arg-type]


def _changed_model(folder: Path) -> None:
    card = make_card(folder)
    record = SimpleNamespace(spec=make_spec(make_study(), card), files={})
    (folder / "run" / "model").mkdir(parents=True)
    (folder / "run" / "model" / "bertft_head.json").write_text('{"kind": "regression"}')
    refuse_changed_model(record, folder / "run")  # type: ignore[arg-type]


def _unusable_model(folder: Path) -> None:
    shutil.copytree(folder / "encoder", folder / "own")
    values = HEAD_CONFIGS["classification"]().model_dump_json()
    (folder / "own" / "bertft_head.json").write_text(values)
    load_model(folder / "own")


BODY = "encoder.layer.0.attention.self.query.weight"
KEPT = "{kind: classification, init: checkpoint}"

ROWS = (
    _encoder("encoder.config-damaged", _file("config.json", ""), "config.json"),
    _encoder("encoder.config-unusable", _settings(num_attention_heads=3), "config.json"),
    _encoder("encoder.no-such-head", _settings(model_type="vit", architectures=None), "config.json"),
    _encoder("encoder.model-type-missing", _settings(model_type=None), "config.json"),
    _encoder("encoder.model-type-unknown", _settings(model_type="bertt"), "config.json"),
    _encoder("encoder.remote-code", _settings(auto_map={"AutoModel": "model.Own"}), "config.json"),
    _encoder("encoder.quantised", _settings(quantization_config={"bits": 4}), "config.json"),
    _encoder("encoder.size-impossible", _settings(num_hidden_layers=10**9), "config.json"),
    _encoder("encoder.weights-damaged", _file("model.safetensors", "<html>not found</html>"), "model.safetensors"),
    _encoder("encoder.weights-pickled", _pickled, ""),
    _encoder("encoder.index-damaged", _index("[]"), "model.safetensors.index.json"),
    _encoder("encoder.shard-missing", _index('{"weight_map": {"a": "a.safetensors"}}'), "model.safetensors.index.json"),
    _encoder(
        "encoder.weights-incomplete", _tensors(lambda all_: {n: t for n, t in all_.items() if n != BODY}), "model.safetensors"
    ),
    _encoder(
        "encoder.weights-unexpected",
        _tensors(lambda all_: all_ | {"encoder.extra.weight": all_[BODY].clone()}),
        "model.safetensors",
    ),
    _encoder("encoder.weights-other-shape", _tensors(lambda all_: all_ | {BODY: all_[BODY][:8].clone()}), "model.safetensors"),
    _encoder("encoder.weights-other-type", _tensors(lambda all_: all_ | {BODY: all_[BODY].long()}), "model.safetensors"),
    _encoder("encoder.weights-not-finite", _tensors(lambda all_: all_ | {BODY: all_[BODY] / 0}), "model.safetensors"),
    _encoder(
        "encoder.weights-twice",
        _tensors(lambda all_: all_ | {f"bert.{name}": tensor.clone() for name, tensor in all_.items()}),
        "model.safetensors",
    ),
    _encoder("encoder.weights-zero", _tensors(lambda all_: {n: t * 0 for n, t in all_.items()}), "model.safetensors"),
    _encoder("encoder.adapter", _file("adapter_config.json", "{}"), "adapter_config.json"),
    _encoder("encoder.other-class", _settings(model_type="roberta"), "config.json"),
    _encoder("encoder.decoder", _settings(is_decoder=True), "config.json"),
    _encoder("encoder.dropout-impossible", _settings(hidden_dropout_prob=1.0), "config.json"),
    _encoder("encoder.step-fails", _settings(chunk_size_feed_forward=7), "config.json"),
    _encoder("encoder.head-missing", lambda _: None, "model.safetensors", head=KEPT),
    Refusal("encoder.head-other-labels", call=_other_labels, place="encoder/config.json"),
    _encoder("tokenizer.damaged", _file("tokenizer.json", ""), "tokenizer.json"),
    _encoder("tokenizer.too-small", _few_tokens, ""),
    _encoder("tokenizer.special-tokens", _no_special_tokens, ""),
    _encoder("tokenizer.other-ids", _settings(pad_token_id=3), ""),
    _encoder("tokenizer.same-id", _same_id, ""),
    _encoder("tokenizer.fails", _settings("tokenizer_config.json", model_max_length="eight"), ""),
    Refusal("model.unusable", call=_unusable_model, place="own"),
    Refusal("model.changed", call=_changed_model, place="run/model/bertft_head.json"),
    Refusal("model.damaged", call=_damaged_model, place="run/model/model.safetensors"),
    Refusal("study.damaged", call=_damaged_record, place="own/studies/claims/summary.json"),
    Refusal("hub.too-many-rows", call=lambda _: _refuse_too_many(9, 4, "some/set[train]"), place="some/set[train]"),
)
