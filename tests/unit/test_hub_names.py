"""`source: hub` reads the hub, never a local folder that has the name of a data set."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError
from bertft_core.config.data_settings import HubData
from bertft_core.data.hub_data import read_hub


@pytest.mark.parametrize("name", ["./local", "../local", "/tmp", "org/name", "local", "a/b/c", "hf://datasets/x", "."])
def test_a_local_folder_is_never_read_as_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in ("local", "org/name"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "train.csv").write_text("text,label\na,b\n")
    with pytest.raises(UserError) as caught:
        read_hub(HubData(source="hub", name=name), ["text"], lambda *_: None)  # type: ignore[arg-type,return-value]
    assert caught.value.code == "hub.local-name"
