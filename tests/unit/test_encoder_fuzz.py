"""Whatever bytes a file of an encoder's folder holds, the encoder is resolved or refused, in bounded time and memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data.encoder_files import resolve_encoder
from tests.helpers.fuzzing import N_SLOW, fuzz, fuzz_in_child
from tests.helpers.tiny_encoders import tiny_encoder

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
N_FEW = 15
"""Each input costs the check of a whole encoder."""


@pytest.mark.parametrize("n", [N_FEW])
@pytest.mark.parametrize("name", FILES)
def test_an_encoder_with_a_file_of_any_bytes(tmp_path, name, n):
    folder = tmp_path / "encoder"
    tiny_encoder(folder)
    sample = (folder / name).read_bytes()

    def read(path: Path) -> None:
        resolve_encoder(EncoderConfig(path=str(folder)))

    resolve_encoder(EncoderConfig(path=str(folder)))
    fuzz(read, folder / name, (sample,), n)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_many_inputs_in_bounded_memory(tmp_path, name):
    fuzz_in_child(__name__, "test_an_encoder_with_a_file_of_any_bytes", tmp_path, name, N_SLOW // len(FILES))
