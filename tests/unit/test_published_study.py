"""The study beside an exported model: files by names that tell them apart, and every other text as it was."""

from __future__ import annotations

import yaml

from bertft_core.report.formatting.file_names import file_names
from bertft_core.report.published_study import published_yaml
from tests.helpers.small_records import make_study


def test_files_have_their_names_alone_and_labels_that_look_like_paths_stay():
    data = {
        "source": "files",
        "train": "/home/ada/tickets/train.csv",
        "text": "text",
        "label": "/label",
        "labels": ["/", "/s/good", "n/a"],
        "split": {"validation_ratio": 0.1, "test_ratio": 0.1},
    }
    published = yaml.safe_load(published_yaml(make_study(data=data, encoder={"path": "/home/ada/models/small"})))
    assert published["data"]["train"] == "train.csv"
    assert published["encoder"]["path"] == "small"
    assert published["data"]["label"] == "/label"
    assert published["data"]["labels"] == ["/", "/s/good", "n/a"]


def test_files_of_one_name_keep_the_folders_that_tell_them_apart():
    train, test, other = "/home/ada/data/train/rows.csv", "/home/ada/data/test/rows.csv", "/home/ada/more.csv"
    assert file_names([train, test, other]) == {train: "train/rows.csv", test: "test/rows.csv", other: "more.csv"}
    assert file_names(["/rows.csv", "/a/rows.csv", "near/rows.csv"]) == {
        "/rows.csv": "rows.csv",
        "/a/rows.csv": "a/rows.csv",
        "near/rows.csv": "near/rows.csv",
    }
