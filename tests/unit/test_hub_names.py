"""`source: hub` reads the hub, never a local folder of that name; columns in any case; no more rows than are allowed."""

from __future__ import annotations

import datasets
import pytest

from bertft_core.config import UserError
from bertft_core.config.data_settings import HubData
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.hub_data import read_hub
from bertft_core.data.marks import Wanted


@pytest.mark.parametrize(
    "name",
    ["./local", "../local", "/tmp", "org/name", "local", "a/b/c", "hf://datasets/x", ".", "csv", "json", "text", "parquet"],
)
def test_a_local_folder_is_never_read_as_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in ("local", "org/name"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "train.csv").write_text("text,label\na,b\n")
    with pytest.raises(UserError) as caught:
        read_hub(HubData(source="hub", name=name), Wanted(("text",)), lambda *_: None, "classification")  # type: ignore[arg-type,return-value]
    assert caught.value.code == "hub.local-name"


@pytest.fixture
def hub(monkeypatch):
    labels = datasets.ClassLabel(names=["bad", "good"])
    columns = {"Text": ["a film", "the food", "an end"], "LABEL": [1, 0, 1]}
    rows = datasets.Dataset.from_dict(columns, datasets.Features({"Text": datasets.Value("string"), "LABEL": labels}))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.DatasetDict({"train": rows}))

    def read(**more: object) -> list[tuple]:
        data = HubData.model_validate({"source": "hub", "name": "org/set", "validation": None, **more})
        alignment = ALIGNMENTS["classification"]
        split = read_hub(data, Wanted(alignment.columns(data)), alignment.reader(data), "classification")["train"]
        return [(*example.texts, example.label) for example in split.examples]

    return read


def test_column_names_on_the_hub_may_differ_in_case(hub):
    assert hub() == [("a film", "good"), ("the food", "bad"), ("an end", "good")]


def test_a_split_on_the_hub_with_more_rows_than_allowed_is_refused(hub):
    assert len(hub(max_rows=3)) == 3
    with pytest.raises(UserError) as caught:
        hub(max_rows=2)
    assert (caught.value.code, caught.value.path) == ("hub.too-many-rows", "org/set[train]")
    assert (caught.value.found, caught.value.expected) == ("3 rows", "at most 2 rows (data.max_rows)")


def test_the_default_bound_of_the_hub_is_not_in_digests():
    assert "max_rows" not in HubData(source="hub", name="org/set").model_dump()
    assert HubData(source="hub", name="org/set", max_rows=7).model_dump()["max_rows"] == 7
