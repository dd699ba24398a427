"""Texts to be shared name data files without the folders of this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertft_core.records.data_card import SplitOrigin
from bertft_core.report.prose import data_card_text, paper_checklist, paper_text
from tests.helpers.evaluated_studies import sealed_results

pytestmark = pytest.mark.usefixtures("blank_pictures")

HERE = "/home/somebody/data"


def test_papers_name_data_files_without_the_folders_of_this_machine(tmp_path):
    results = sealed_results(tmp_path)
    origins = {
        "train": SplitOrigin(
            path=f"{HERE}/train/rows.csv", extra={f"{HERE}/more.csv": 3}, extra_left_out={f"{HERE}/more.csv": 1}
        ),
        "validation": SplitOrigin(path=f"{HERE}/train/rows.csv", cut_from_train=True),
        "test": SplitOrigin(path=f"{HERE}/test/rows.csv", halved=True),
    }
    split = results.card.splits["train"]
    splits = {name: split.model_copy(update={"origin": of}) for name, of in origins.items()}
    card = results.card.model_copy(update={"splits": splits})
    assert data_card_text.shared_origins(card) == {
        "train": "train/rows.csv, with 3 more of more.csv (1 left out, whose source is not in train)",
        "validation": "cut from train",
        "test": "half of test/rows.csv",
    }
    results = replace(results, card=card)
    assert "from train/rows.csv, with 3 more" in paper_text.data(results)
    assert HERE not in paper_text.data(results) + paper_checklist._origins(results)
