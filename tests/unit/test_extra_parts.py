"""Parts of a head beside the transformers model: known by one table of names, and none of them in a plain encoder's identity."""

from __future__ import annotations

from bertft_core.config.base import digest_of
from bertft_core.config.head_settings import EXTRA_PARTS, HEAD_CONFIGS
from bertft_core.data.encoder_config import NAMES_ONLY, read_settings, settings_digest
from bertft_core.heads import HEADS
from tests.helpers.tiny_encoders import tiny_encoder


def test_every_name_is_that_of_a_part_of_some_head():
    classes = {name: part for head in HEADS.values() for name, part in head.extra_parts.items()}
    assert set(classes) == set(EXTRA_PARTS)
    assert all(part.name == name for name, part in classes.items())
    for name, (key, value) in EXTRA_PARTS.items():
        asked = [config.model_validate({key: value}) for config in HEAD_CONFIGS.values() if key in config.model_fields]
        assert asked
        assert {head.extra_parts for head in asked} == {(name,)}
        assert all(name in HEADS[head.kind].extra_parts for head in asked)
    assert not any(config().extra_parts for config in HEAD_CONFIGS.values()), "none is there unasked"


def test_an_encoder_without_parts_keeps_the_digest_that_older_records_have_of_it(tmp_path):
    encoder = tiny_encoder(tmp_path, "bert")
    settings = {name: value for name, value in read_settings(encoder).items() if name not in NAMES_ONLY}
    assert settings_digest(encoder) == digest_of({"settings": settings, "crf": None})
