"""One check of an encoder before data are prepared: config, weights and tokenizer belong together, and nothing is missing.

Without it a file with foreign names, or without some weights, would be trained from random weights without a word.
"""

from functools import cache
from importlib import metadata
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.base import digest_of
from bertft_core.config.encoder_families import FAMILIES
from bertft_core.config.head_settings import AnyHead, part_file
from bertft_core.data.encoder_config import FILE, refuse_unusable
from bertft_core.data.encoder_contradictions import refuse_adapter, refuse_contradictions
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.encoder_parts import EncoderParts, compare
from bertft_core.data.encoder_values import refuse_bad_values
from bertft_core.data.examples import shorten
from bertft_core.data.slow_libraries import need_slow_libraries
from bertft_core.data.tokenization import tokenizer_digest
from bertft_core.data.tokenizer_check import refuse_damaged_files, refuse_unusable_tokenizer
from bertft_core.records.encoder_proof import EncoderProof
from bertft_core.storage.study_dir import file_sha256, read_record, write_record
from bertft_core.storage.weight_files import read_headers, weight_files

CHECK_VERSION = 3
"""Part of a proof's key: increase it when the check finds more."""


def prove_encoder(encoder: EncoderFiles, head: AnyHead, home_dir: Path | None) -> EncoderParts:
    """The parts of this head's model that the files do not hold, and the other way round.

    The model is built and every value read once for each checkpoint and head; `home_dir/encoders` stores what was found.
    Raises `UserError` with the file for an encoder that cannot be trained, or would be trained from other weights than its name
    promises.
    """
    refuse_damaged_files(encoder.directory)
    refuse_adapter(encoder.directory)
    _refuse_missing_parts(encoder, head)
    key = digest_of(
        {
            "version": CHECK_VERSION,
            "transformers": transformers_version(),
            "config": file_sha256(encoder.directory / FILE),
            "weights": encoder.identity.weights_sha256,
            "tokenizer": tokenizer_digest(encoder),
            "head": [head.auto_class, head.n_outputs, head.init],
        }
    )
    path = None if home_dir is None else home_dir / "encoders" / f"{key[:16]}.json"
    proof = None if path is None else read_record(path, EncoderProof)
    if proof is not None and proof.key == key:
        return EncoderParts(proof.new_parts, proof.unused_parts)
    parts = _proved(encoder, head)
    if path is not None:
        write_record(path, EncoderProof(key=key, new_parts=parts.new, unused_parts=parts.unused))
    return parts


@cache
def transformers_version() -> str:
    """The installed version; reading it takes as long as looking a proof up."""
    return metadata.version("transformers")


def _proved(encoder: EncoderFiles, head: AnyHead) -> EncoderParts:
    need_slow_libraries()
    files = weight_files(encoder.directory)
    headers = read_headers(files)
    refuse_unusable(encoder.directory, encoder.settings, len(headers))
    refuse_contradictions(encoder.directory, encoder.settings)
    _refuse_missing_class(encoder, head)
    parts = compare(encoder.directory, files, headers, head.auto_class, head.n_outputs, head.init)
    refuse_bad_values(files)
    refuse_unusable_tokenizer(encoder)
    return parts


def _refuse_missing_class(encoder: EncoderFiles, head: AnyHead) -> None:
    """Raise `UserError` for a head that transformers does not have for models of this type."""
    import transformers  # slow

    kind = encoder.settings["model_type"]
    known = getattr(transformers, head.auto_class)._model_mapping._model_mapping
    if kind not in known:
        raise UserError(
            f"transformers has no model for {head.kind} with an encoder of the type '{kind}'",
            code="encoder.no-such-head",
            path=encoder.directory / FILE,
            found=f"model_type: {kind}, which no {head.auto_class} opens",
            expected=f"one of {', '.join(name for name in FAMILIES if name in known)}",
            hint="choose another encoder, or another head",
        )


def _refuse_missing_parts(encoder: EncoderFiles, head: AnyHead) -> None:
    """Extra parts of a head lie beside the weights, so no proof of them knows these."""
    for name in map(part_file, head.extra_parts):
        if head.init == "checkpoint" and not (encoder.directory / name).is_file():
            raise _other_head(encoder, f"no {name}", "the part of the head that bertft saves with a model")


def refuse_other_labels(encoder: EncoderFiles, head: AnyHead, labels: tuple[str, ...]) -> None:
    """Raise `UserError` where the head of the checkpoint is kept and was trained for other labels, or in another order.

    Names that transformers made up (`LABEL_0`) say nothing, so there only the number counts.
    """
    if head.init != "checkpoint" or head.n_outputs is not None:
        return
    by_index = encoder.settings.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    names = [str(by_index[i]) for i in sorted(by_index, key=int)]
    made_up = names == [f"LABEL_{i}" for i in range(len(names))]
    if len(names) != len(labels) or (names != list(labels) and not made_up):
        found = f"{len(names)} labels: {shorten(', '.join(names), 120)}"
        raise _other_head(encoder, found, f"{len(labels)} labels: {shorten(', '.join(labels), 120)}")


def _other_head(encoder: EncoderFiles, found: str, expected: str) -> UserError:
    return UserError(
        "head.init: checkpoint keeps a head that does not fit this study",
        code="encoder.head-other-labels",
        path=encoder.directory / FILE,
        found=found,
        expected=expected,
        hint="remove head.init, so that a new head is drawn, or give data.labels in the order of the checkpoint",
    )
