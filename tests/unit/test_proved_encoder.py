"""An encoder whose files are damaged, foreign or incomplete is refused before data are prepared, with what the file holds."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from bertft_core.config import UserError
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.head_settings import HEAD_CONFIGS, AnyHead
from bertft_core.data.encoder_contradictions import refuse_contradictions
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.encoder_parts import EncoderParts
from bertft_core.data.memoryless_loading import load_without_memory
from bertft_core.data.proved_encoder import prove_encoder, refuse_other_labels
from tests.helpers.tiny_encoders import tiny_encoder

FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra", "deberta-v2", "modernbert")
WEIGHTS = "model.safetensors"
CLASSIFICATION = HEAD_CONFIGS["classification"]()
Change = Callable[[dict[str, Any]], dict[str, Any]]


def proved(directory: Path, head: AnyHead = CLASSIFICATION, home: Path | None = None) -> EncoderParts:
    return prove_encoder(resolve_encoder(EncoderConfig(path=str(directory))), head, home)


def refused(directory: Path, head: AnyHead = CLASSIFICATION) -> UserError:
    with pytest.raises(UserError) as caught:
        proved(directory, head)
    assert caught.value.code.startswith(("encoder.", "tokenizer."))
    assert all((caught.value.found, caught.value.expected, caught.value.hint, caught.value.path))
    return caught.value


@pytest.fixture
def encoder(tmp_path) -> Path:
    return tiny_encoder(tmp_path / "encoder")


def change_weights(directory: Path, change: Change) -> None:
    save_file(change(load_file(directory / WEIGHTS)), directory / WEIGHTS, metadata={"format": "pt"})


def change_json(path: Path, **changes: Any) -> None:
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


# What is new and what is not used


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("masked_lm_head", [False, True])
def test_every_family_is_accepted_whatever_head_its_checkpoint_has(tmp_path, kind, masked_lm_head):
    directory = tiny_encoder(tmp_path, kind, masked_lm_head=masked_lm_head)
    for head in (HEAD_CONFIGS[name]() for name in ("classification", "token_classification", "question_answering")):
        parts = proved(directory, head)
        assert any(part in ("classifier", "qa_outputs") for part in parts.new)
    assert bool(proved(directory, HEAD_CONFIGS["masked_lm"]()).new) is not masked_lm_head


def test_the_parts_are_named(tmp_path):
    plain, pretrained = tiny_encoder(tmp_path / "a"), tiny_encoder(tmp_path / "b", masked_lm_head=True)
    assert proved(plain) == (("classifier",), ())
    assert proved(pretrained) == (("classifier", "pooler"), ("cls",))
    assert proved(plain, HEAD_CONFIGS["masked_lm"]()) == (("cls",), ("pooler",))
    assert proved(pretrained, HEAD_CONFIGS["masked_lm"]()) == ((), ())


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("auto_class", ["AutoModelForSequenceClassification", "AutoModelForMaskedLM"])
def test_it_is_what_transformers_would_load(tmp_path, kind, auto_class):
    directory = tiny_encoder(tmp_path, kind, masked_lm_head=True)
    change_weights(directory, lambda tensors: {f"other.{n}" if "0.attention" in n else n: t for n, t in tensors.items()})
    loaded = load_without_memory(directory, [directory / WEIGHTS], auto_class, None)
    _, report = getattr(transformers, auto_class).from_pretrained(directory, output_loading_info=True)
    assert loaded.missing == set(report["missing_keys"])
    assert loaded.unexpected == set(report["unexpected_keys"])
    assert any("0.attention" in name or "layers.0" in name for name in loaded.missing) or kind == "modernbert"


def test_old_names_and_a_missing_prefix_are_understood(encoder):
    def old(tensors: dict[str, Any]) -> dict[str, Any]:
        names = {n: n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta") for n in tensors}
        return {f"bert.{names[n]}": tensor for n, tensor in tensors.items()} | {
            "bert.embeddings.position_ids": torch.arange(64)[None]
        }

    change_weights(encoder, old)
    assert proved(encoder) == (("classifier",), ())


def test_weights_in_several_files_are_one_checkpoint(tmp_path):
    directory = tiny_encoder(tmp_path / "sharded")
    tensors = load_file(directory / WEIGHTS)
    (directory / WEIGHTS).unlink()
    names = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for file in set(names.values()):
        save_file({name: tensors[name] for name in names if names[name] == file}, directory / file, metadata={"format": "pt"})
    index = directory / f"{WEIGHTS}.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    files = resolve_encoder(EncoderConfig(path=str(directory)))
    assert proved(directory) == (("classifier",), ())
    assert resolve_encoder(EncoderConfig(path=str(directory), weights_sha256=files.identity.weights_sha256)) == files
    (directory / "model-00002-of-00002.safetensors").unlink()
    assert refused(directory).code == "encoder.shard-missing"
    for content in ("[]", '{"weight_map": {}}', '{"weight_map": {"a": "../other.safetensors"}}', '{"weight_map": [1]}', "<html>"):
        index.write_text(content)
        assert refused(directory).code == "encoder.index-damaged"


def test_the_result_is_remembered_and_follows_every_file(encoder, tmp_path, monkeypatch):
    first = proved(encoder, home=tmp_path / "home")
    monkeypatch.setattr("bertft_core.data.proved_encoder.compare", lambda *_: pytest.fail("compared again"))
    assert proved(encoder, home=tmp_path / "home") == first
    change_json(encoder / "config.json", hidden_dropout_prob=0.5)
    with pytest.raises(pytest.fail.Exception, match="compared again"):
        proved(encoder, home=tmp_path / "home")
    change_json(encoder / "config.json", hidden_dropout_prob=0.1)
    with pytest.raises(pytest.fail.Exception, match="compared again"):
        proved(encoder, HEAD_CONFIGS["question_answering"](), home=tmp_path / "home")


# Weights that are not those of the model


def without(part: str) -> Change:
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def with_value(value: float) -> Change:
    def change(tensors: dict[str, Any]) -> dict[str, Any]:
        tensors["encoder.layer.1.output.dense.weight"][3, 4] = value
        return tensors

    return change


BODY = {
    "foreign_prefix": (lambda tensors: {f"module.{n}": t for n, t in tensors.items()}, "weights-incomplete", "module.embeddings"),
    "no_query": (without("attention.self.query"), "weights-incomplete", "encoder.layer.0.attention.self.query.bias"),
    "a_layer_less": (without("layer.1."), "weights-incomplete", "encoder.layer.1."),
    "a_layer_more": (
        lambda tensors: tensors | {n.replace("layer.1.", "layer.2."): t.clone() for n, t in tensors.items() if "layer.1." in n},
        "weights-unexpected",
        "encoder.layer.2.",
    ),
    "an_adapter": (
        lambda tensors: tensors | {"encoder.layer.0.attention.self.query.lora_A": torch.zeros(2, 16)},
        "weights-unexpected",
        "lora_A",
    ),
    "other_positions": (
        lambda tensors: tensors | {"embeddings.position_embeddings.weight": torch.zeros(32, 16)},
        "weights-other-shape",
        "position_embeddings.weight is [32, 16], and [64, 16]",
    ),
    "whole_numbers": (lambda tensors: {n: t.to(torch.int8) for n, t in tensors.items()}, "weights-other-type", "I8"),
    "nan": (with_value(float("nan")), "weights-not-finite", "encoder.layer.1.output.dense.weight"),
    "infinity": (with_value(float("-inf")), "weights-not-finite", "encoder.layer.1.output.dense.weight"),
}


@pytest.mark.parametrize("name", BODY)
def test_weights_of_another_model_are_refused(encoder, name):
    change, code, found = BODY[name]
    change_weights(encoder, change)
    error = refused(encoder)
    assert error.code == f"encoder.{code}"
    assert found in error.found
    assert error.path == str(encoder / WEIGHTS)


@pytest.mark.parametrize(
    ("added", "found"),
    [
        ({"": "bert."}, "bert.embeddings.LayerNorm.bias and embeddings.LayerNorm.bias"),
        ({"LayerNorm.weight": "LayerNorm.gamma"}, "embeddings.LayerNorm.gamma and embeddings.LayerNorm.weight"),
    ],
)
def test_weights_under_two_names_are_refused_also_where_one_set_would_be_enough(encoder, added, found):
    ((part, other),) = added.items()

    def both(tensors: dict[str, Any]) -> dict[str, Any]:
        return tensors | {n.replace(part, other, 1): tensor + 1 for n, tensor in tensors.items() if part in n}

    change_weights(encoder, both)
    error = refused(encoder)
    assert error.code == "encoder.weights-twice"
    assert found in error.found


def sharded(directory: Path) -> dict[str, Any]:
    """The weights in two files with an index, beside the whole file."""
    tensors = load_file(directory / WEIGHTS)
    files = {name: "ab"[i % 2] + ".safetensors" for i, name in enumerate(tensors)}
    for file in sorted(set(files.values())):
        save_file({name: tensors[name] for name in files if files[name] == file}, directory / file, metadata={"format": "pt"})
    (directory / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": files}))
    return tensors


def test_weights_in_one_file_and_in_several_are_refused(encoder):
    sharded(encoder)
    error = refused(encoder)
    assert error.code == "encoder.weights-twice"
    assert error.found == "model.safetensors and an index of a.safetensors, b.safetensors"
    (encoder / WEIGHTS).unlink()
    assert proved(encoder) == (("classifier",), ())


def test_a_tensor_in_two_files_is_refused(encoder):
    tensors = sharded(encoder)
    (encoder / WEIGHTS).unlink()
    name = min(tensors)
    save_file(load_file(encoder / "b.safetensors") | {name: tensors[name] + 1}, encoder / "b.safetensors")
    save_file(load_file(encoder / "a.safetensors") | {name: tensors[name]}, encoder / "a.safetensors")
    error = refused(encoder)
    assert (error.code, error.found) == ("encoder.weights-twice", f"{name} in a.safetensors and in b.safetensors")


def test_a_pooler_is_there_as_a_whole_or_not_at_all(encoder):
    change_weights(encoder, without("pooler.dense.weight"))
    error = refused(encoder)
    assert error.code == "encoder.weights-incomplete"
    assert "pooler.dense.weight" in error.found
    change_weights(encoder, without("pooler"))
    assert proved(encoder) == (("classifier", "pooler"), ())


def test_weights_must_be_finite_in_float32(encoder):
    change_weights(encoder, lambda tensors: {n: t.double() for n, t in tensors.items()})
    assert proved(encoder) == (("classifier",), ())
    change_weights(encoder, lambda tensors: {n: t * 1e300 if "layer.1.output.dense" in n else t for n, t in tensors.items()})
    error = refused(encoder)
    assert error.code == "encoder.weights-not-finite"
    assert "encoder.layer.1.output.dense.weight" in error.found


def test_weights_of_zeros_are_refused_and_one_matrix_of_zeros_is_not(encoder):
    change_weights(encoder, lambda tensors: {n: t * ("layer.1.output.dense.weight" not in n) for n, t in tensors.items()})
    assert proved(encoder) == (("classifier",), ())
    change_weights(encoder, lambda tensors: {n: t * 0 for n, t in tensors.items()})
    assert refused(encoder).code == "encoder.weights-zero"


def test_half_precision_is_accepted(encoder):
    change_weights(encoder, lambda tensors: {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()})
    assert proved(encoder) == (("classifier",), ())


CONTENTS = {
    "empty": (b"", "an empty file"),
    "page": (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "git lfs pull"),
    "pickle": (pickle.dumps({"a": 1}, protocol=4), "a pickle"),
    "archive": (b"PK\x03\x04" + bytes(100), "a zip archive"),
    "zeros": (bytes(5000), "5000 bytes"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_weights_file_of_another_kind_is_named(encoder, name):
    content, found = CONTENTS[name]
    (encoder / WEIGHTS).write_bytes(content)
    error = refused(encoder)
    assert error.code == "encoder.weights-damaged"
    assert found in error.found


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_torn_weights_file_is_refused(encoder, share):
    whole = (encoder / WEIGHTS).read_bytes()
    (encoder / WEIGHTS).write_bytes(whole[: int(share * len(whole))])
    assert refused(encoder).code == "encoder.weights-damaged"


# Config


CONFIGS = {
    "empty": ("", "config-damaged", "an empty file"),
    "no_json": ('{"model_type":', "config-damaged", "no JSON"),
    "list": ("[1]", "config-damaged", "a JSON list"),
    "null": ("null", "config-damaged", "a JSON null"),
    "deep": ("[" * 100_000, "config-damaged", "no JSON"),
    "no_type": ('{"hidden_size": 16}', "model-type-missing", "no model_type"),
    "type_no_name": ('{"model_type": 3}', "model-type-missing", "model_type: 3"),
    "unknown_type": ('{"model_type": "brt"}', "model-type-unknown", "brt"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_none_is_refused(encoder, name):
    content, code, found = CONFIGS[name]
    (encoder / "config.json").write_text(content)
    error = refused(encoder)
    assert (error.code, error.path) == (f"encoder.{code}", str(encoder / "config.json"))
    assert found in error.found


def test_a_config_in_another_encoding_is_refused(encoder):
    (encoder / "config.json").write_bytes(b'{"model_type": "b\xe9rt"}')
    assert refused(encoder).code == "encoder.config-damaged"


SETTINGS = {
    "code_of_its_own": ({"auto_map": {"AutoModel": "evil.Model"}}, "remote-code"),
    "quantised": ({"quantization_config": {"quant_method": "gptq"}}, "quantised"),
    "layers": ({"num_hidden_layers": 10**12}, "size-impossible"),
    "labels": ({"num_labels": 10**12, "id2label": None, "label2id": None}, "size-impossible"),
    "layers_as_text": ({"num_hidden_layers": "2"}, "size-impossible"),
    "types_as_text": ({"type_vocab_size": "2"}, "size-impossible"),
    "positions_as_text": ({"max_position_embeddings": "64"}, "size-impossible"),
    "words_as_text": ({"vocab_size": "x"}, "size-impossible"),
    "width": ({"hidden_size": 10**6}, "weights-other-shape"),
    "width_beyond_all": ({"hidden_size": 10**18}, "config-unusable"),
    "heads": ({"num_attention_heads": 3}, "config-unusable"),
    "width_as_text": ({"hidden_size": "wide"}, "size-impossible"),
    "more_layers": ({"num_hidden_layers": 3}, "weights-incomplete"),
    "fewer_layers": ({"num_hidden_layers": 1}, "weights-unexpected"),
    "more_tokens": ({"vocab_size": 5000}, "weights-other-shape"),
    "no_such_head": ({"model_type": "vit", "architectures": None}, "no-such-head"),
    "other_class": ({"model_type": "roberta"}, "other-class"),
    "decoder": ({"is_decoder": True}, "decoder"),
    "all_dropped": ({"hidden_dropout_prob": 1.0}, "dropout-impossible"),
    "negative_dropout": ({"attention_probs_dropout_prob": -0.1}, "dropout-impossible"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_make_no_model_of_these_weights_are_refused(encoder, name):
    changes, code = SETTINGS[name]
    change_json(encoder / "config.json", **changes)
    head = HEAD_CONFIGS["question_answering" if name == "no_such_head" else "classification"]()
    assert refused(encoder, head).code == f"encoder.{code}"


def test_an_adapter_beside_the_weights_is_refused_also_where_they_were_proved_without_it(encoder, tmp_path):
    proved(encoder, home=tmp_path / "home")
    (encoder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="adapter") as caught:
        proved(encoder, home=tmp_path / "home")
    assert caught.value.code == "encoder.adapter"


@pytest.mark.parametrize(
    ("model_type", "classes"),
    [
        ("xlm-roberta", ["RobertaForMaskedLM"]),
        ("bert", ["OurOwnModel"]),
        ("bert", None),
        ("bert", 5),
        ("bert", ["BertForMaskedLM"]),
    ],
)
def test_classes_of_the_same_family_or_unknown_to_transformers_say_nothing(tmp_path, model_type, classes):
    refuse_contradictions(tmp_path, {"model_type": model_type, "architectures": classes})


# Tokenizer


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("content", ["", "[]", "{", "<html></html>", "version https://git-lfs.github.com/spec/v1"])
def test_a_damaged_tokenizer_file_is_named(encoder, name, content):
    (encoder / name).write_text(content)
    error = refused(encoder)
    assert (error.code, error.path) == ("tokenizer.damaged", str(encoder / name))


def test_a_tokenizer_of_another_form_is_refused(encoder):
    (encoder / "tokenizer.json").write_text("{}")
    assert refused(encoder).code == "tokenizer.unusable"


@pytest.mark.parametrize("content", ["", "\n", " \n \n"])
def test_an_empty_vocabulary_is_refused(encoder, content):
    (encoder / "tokenizer.json").unlink()
    (encoder / "vocab.txt").write_text(content)
    error = refused(encoder)
    assert (error.code, error.path) == ("tokenizer.damaged", str(encoder / "vocab.txt"))


def with_vocabulary(directory: Path, tokens: list[str]) -> Path:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (directory / name).unlink(missing_ok=True)
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    return directory


def vocabulary_of(directory: Path) -> list[str]:
    ids = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
    return sorted(ids, key=ids.__getitem__)


def test_a_vocabulary_is_accepted_and_one_cut_or_shifted_is_not(encoder):
    tokens = vocabulary_of(encoder)
    assert proved(with_vocabulary(encoder, tokens)) == (("classifier",), ())
    assert refused(with_vocabulary(encoder, tokens[:10])).code == "tokenizer.too-small"
    assert refused(with_vocabulary(encoder, tokens[1:])).code == "tokenizer.other-ids"
    assert refused(with_vocabulary(encoder, [*tokens, "one", "more"])).code == "tokenizer.unusable"


def test_a_tokenizer_without_special_tokens_is_refused(encoder):
    path = encoder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"post_processor": None}))
    assert refused(encoder).code == "tokenizer.special-tokens"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sep_token": "[CLS]"}, "special-tokens"),
        ({"cls_token": "the"}, "special-tokens"),
        ({"model_max_length": "eight"}, "fails"),
    ],
)
def test_settings_of_a_tokenizer_that_break_it_are_refused(encoder, changes, code):
    change_json(encoder / "tokenizer_config.json", **changes)
    assert refused(encoder).code == f"tokenizer.{code}"


def test_two_tokens_with_one_id_are_refused(encoder):
    values = json.loads((encoder / "tokenizer.json").read_text())
    vocabulary = values["model"]["vocab"]
    one, other = list(vocabulary)[-2:]
    vocabulary[other] = vocabulary[one]
    (encoder / "tokenizer.json").write_text(json.dumps(values))
    error = refused(encoder)
    assert error.code == "tokenizer.same-id"
    assert one in error.found
    assert other in error.found


# A head that is to be kept


def fine_tuned(directory: Path, **changes: Any) -> Path:
    """A classifier of three labels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.AutoConfig.from_pretrained(directory, num_labels=3, **changes)
        transformers.AutoModelForSequenceClassification.from_pretrained(directory, config=config).save_pretrained(directory)
    return directory


KEPT = HEAD_CONFIGS["classification"](init="checkpoint")


def test_a_head_that_is_kept_must_be_there(encoder):
    assert refused(encoder, KEPT).code == "encoder.head-missing"
    assert proved(fine_tuned(encoder), KEPT) == ((), ())
    assert proved(encoder) == (("classifier",), ("classifier",)), "by default the checkpoint's own head is not used"
    assert refused(encoder, HEAD_CONFIGS["question_answering"](init="checkpoint")).code == "encoder.head-missing"
    assert refused(encoder, HEAD_CONFIGS["regression"](init="checkpoint")).code == "encoder.head-missing"


def test_an_attention_over_windows_that_is_kept_must_be_there_too(encoder):
    fine_tuned(encoder)
    found = refused(encoder, HEAD_CONFIGS["classification"](init="checkpoint", aggregate="attention"))
    assert (found.code, found.found) == ("encoder.head-other-labels", "no window_attention.safetensors")


def test_a_crf_that_is_kept_must_be_there_also_where_the_weights_were_proved_without_it(tmp_path, encoder):
    config = transformers.AutoConfig.from_pretrained(encoder)
    config.num_labels = 3
    transformers.AutoModelForTokenClassification.from_pretrained(encoder, config=config).save_pretrained(encoder)
    words = HEAD_CONFIGS["token_classification"]
    assert proved(encoder, words(init="checkpoint"), tmp_path / "home") == ((), ())
    for home in (None, tmp_path / "home"):
        with pytest.raises(UserError, match=r"crf\.safetensors"):
            proved(encoder, words(init="checkpoint", crf=True), home)


def test_a_head_that_is_kept_must_be_of_these_labels(encoder):
    def check(labels: tuple[str, ...], head: AnyHead = KEPT) -> None:
        refuse_other_labels(resolve_encoder(EncoderConfig(path=str(encoder))), head, labels)

    fine_tuned(encoder)
    check(("x", "y", "z"))  # LABEL_0 … say nothing
    change_json(encoder / "config.json", id2label={"0": "x", "1": "y", "2": "z"})
    check(("x", "y", "z"))
    check(("z", "y", "x"), HEAD_CONFIGS["classification"]())
    for labels in (("x", "y"), ("z", "y", "x"), ("a", "b", "c")):
        with pytest.raises(UserError, match="does not fit") as caught:
            check(labels)
        assert caught.value.code == "encoder.head-other-labels"
