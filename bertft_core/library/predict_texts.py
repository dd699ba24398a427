"""New examples answered by the models that a study kept."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertft_core.config.errors import UserError
from bertft_core.config.study_config import StudyConfig
from bertft_core.data.examples import shorten
from bertft_core.data.kept_model import refuse_changed_model
from bertft_core.data.new_examples import Inputs, read_inputs
from bertft_core.library.chosen_runs import PredictRequest, chosen_records
from bertft_core.library.study import Study, load_study
from bertft_core.records import RunRecord
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.devices import usable_cores

if TYPE_CHECKING:
    import pandas as pd

    from bertft_core.training.predict import Predicted

TEXTS = "texts"
"""What the given examples are called in messages."""
Text = str | Sequence[str] | Mapping[str, Any]


def predict(
    model: Study | str | os.PathLike[str],
    texts: Sequence[Text] | pd.Series[str] | pd.DataFrame,
    *,
    arm: str | None = None,
    seed: int | None = None,
    ensemble: bool = False,
    home: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Answer new examples with a study's best model on validation, the model of one arm and seed, or all seeds together.

    `model` is a study, as `load_study` takes it. An example is a text, a pair of texts, or a mapping with the columns of the
    study's data (as rows of a frame are). The frame has a row for each: `text` where a text is given, `prediction`, its
    `probability` and `probability/LABEL` where the head has them, and what else `bertft predict` gives; `attrs["models"]` says
    which models answered and why.

    It loads torch, sets its number of threads, and makes it deterministic, in this process. Raises `UserError`.
    """
    study = model if isinstance(model, Study) else load_study(model, home)
    results, remarks = study.results, list[str]()
    rows = _rows(texts, results.study)
    records = chosen_records(results, PredictRequest(arm, seed, ensemble), remarks.append)
    predicted = answers(results, records, _inputs(rows, results.study))
    return _frame(predicted, rows, remarks, results.study)


def answers(results: StudyResults, records: Sequence[RunRecord], inputs: Inputs) -> Predicted:
    """What these runs answer together. Raises `UserError` for a model that has changed and for inputs that it cannot read."""
    for record in records:
        refuse_changed_model(record, results.run_dir_of(record.digest))
    from bertft_core.training.predict import KeptRun, predict

    runs = [KeptRun(record, results.run_dir_of(record.digest)) for record in records]
    return predict(runs, inputs, results.of_run(records[0].digest).study.data, threads=usable_cores())


def _rows(texts: Any, study: StudyConfig) -> list[dict[str, Any]]:
    """Each example by the columns of the study's data."""
    if isinstance(texts, str):
        texts = [texts]
    if hasattr(texts, "to_dict") and hasattr(texts, "columns"):
        texts = texts.to_dict("records")
    columns = (study.data.text,) if isinstance(study.data.text, str) else study.data.text
    rows = []
    for place, given in enumerate(texts, start=1):
        if isinstance(given, Mapping):
            rows.append(dict(given))
            continue
        parts = (given,) if isinstance(given, str) or not isinstance(given, Sequence) else given
        if not all(isinstance(part, str) for part in parts) or len(parts) > len(columns):
            raise _no_example(place, given, columns)
        rows.append(dict(zip(columns, parts, strict=False)))
    return rows


def _no_example(place: int, given: Any, columns: Sequence[str]) -> UserError:
    return UserError(
        "this is no example of the study",
        code="predict.not-an-example",
        path=TEXTS,
        line=place,
        found=shorten(repr(given)),
        expected="a text" if len(columns) == 1 else f"a text for each of {', '.join(columns)}",
        hint="give a mapping with the columns of the study's data for anything else",
    )


def _inputs(rows: Sequence[Mapping[str, Any]], study: StudyConfig) -> Inputs:
    """The examples, read and checked as those of a file are."""
    with tempfile.TemporaryDirectory(prefix="bertft-") as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows), encoding="utf-8")
        try:
            return replace(read_inputs(path, study.data, study.head.kind, "jsonl"), path=TEXTS)
        except UserError as error:  # the user does not know the temporary file
            raise error.within(TEXTS) from None


def _plain(value: Any) -> Any:
    """A number or array of numpy as plain values."""
    return value.tolist()


def _frame(predicted: Predicted, rows: Sequence[Mapping[str, Any]], remarks: list[str], study: StudyConfig) -> pd.DataFrame:
    import pandas as pd

    found = []
    for answer, given in zip(predicted.rows, rows, strict=True):
        row = {"text": given[study.data.text]} if isinstance(study.data.text, str) and study.data.text in given else {}
        row |= {name: value for name, value in answer.items() if name not in ("line", "probabilities")}
        shares = answer.get("probabilities")
        if isinstance(shares, Mapping):
            if isinstance(answer["prediction"], str):
                row["probability"] = shares[answer["prediction"]]
            row |= {f"probability/{label}": share for label, share in shares.items()}
        elif shares is not None:
            row["probabilities"] = shares
        found.append(row)
    table = pd.DataFrame(found)
    table.attrs |= {"models": remarks, "n_truncated": predicted.n_truncated}
    return table
