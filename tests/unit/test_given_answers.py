"""Anybody's predictions compared by the statistics of a study: the same numbers, and one clear error for a bad row."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bertft_core as bertft
from bertft_core.metrics.task_metrics import OF_PROBABILITIES
from flows.cli.app import main
from tests.helpers.stored_studies import unpack

RESAMPLES = 400
LACKING = {"collapsed", "counts", "n_without_scores", "data_fingerprint", "study", "scores"}
"""What predictions do not say of an arm, or what also holds for splits that are not compared."""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("stored"))


def numbers_of(pair: Any) -> dict[str, Any]:
    return pair.model_dump()


def close(first: Any, other: Any) -> bool:
    """Equal up to the rounding of logarithms of probabilities."""
    if isinstance(first, float) and isinstance(other, float):
        return first == pytest.approx(other, rel=1e-9, abs=1e-12)
    if isinstance(first, dict):
        return first.keys() == other.keys() and all(close(first[key], other[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(other) and all(map(close, first, other))
    return bool(first == other)


@pytest.mark.parametrize("name", ["claims", "rich"])
def test_a_studys_own_predictions_give_its_own_comparison(home, name):
    """Every number of every pair: bit by bit where answers are counted, and to rounding where probabilities are averaged."""
    study = bertft.load_study(name, home=home)
    asked = {"metric": study.summary.headline_metric, "checkpoint": "best", "resamples": RESAMPLES}
    own = bertft.compare(study, **asked).record
    given = bertft.compare(study.predictions_at("best"), study_seed=study.config.seed, **asked).record
    assert (given.n_tests, given.level) == (own.n_tests, own.level)
    assert len(own.pairs) >= 6
    for pair, other in zip(own.pairs, given.pairs, strict=True):
        expected, found = numbers_of(pair), numbers_of(other)
        if expected["without_collapsed"] is not None:  # predictions do not say which runs collapsed
            del expected["without_collapsed"], found["without_collapsed"]
        for name in ("p_holm", "p_many_seeds"):  # Holm's correction is over all metrics together
            assert close(found.pop(name), expected.pop(name)), (pair.metric, name)
        assert found == expected if pair.metric not in OF_PROBABILITIES else close(found, expected), pair.metric
    for arm, other_arm in zip(own.arms, given.arms, strict=True):
        assert arm.model_dump(exclude=LACKING) == other_arm.model_dump(exclude=LACKING)


def test_a_file_gives_what_its_frame_gives(home, tmp_path):
    table = bertft.load_study("claims", home=home).predictions
    table.to_csv(tmp_path / "mine.csv", index=False)
    table.to_parquet(tmp_path / "mine.parquet")
    (tmp_path / "mine.jsonl.gz").write_bytes(gzip.compress(table.to_json(orient="records", lines=True).encode()))
    asked = {"resamples": RESAMPLES}
    found = [bertft.compare(tmp_path / f"mine.{end}", **asked).pairs for end in ("csv", "parquet", "jsonl.gz")]
    for pairs in found:
        pd.testing.assert_frame_equal(pairs, bertft.compare(table, **asked).pairs)
    without = table[["arm", "seed", "example", "label", "prediction"]][table["split"] == "test"]
    metrics = bertft.compare(without, **asked).pairs["metric"]
    assert set(metrics) == {"accuracy", "f1_macro", "f1_weighted", "mcc"}, "probabilities are not known"


def test_anybodys_predictions_meet_a_study_on_the_same_examples(home):
    """The colleague's arm is one of the study's under another name: the difference is 0 with the study's own examples."""
    study = bertft.load_study("claims", home=home)
    theirs = study.predictions[study.predictions["arm"] == "full"].replace({"arm": {"full": "theirs"}})
    found = bertft.compare(study, theirs, resamples=4000).record
    pair = found.pair("given-2 · theirs", "claims · full")
    assert (pair.difference, pair.n_examples, pair.paired, pair.claimed) == (0.0, 100, False, False)
    assert found.pair("given-2 · theirs", "claims · untrained").claimed
    other = theirs.assign(example=theirs["example"] + "x")
    refused = bertft.compare(study, other, resamples=RESAMPLES).record.refused
    assert {why.reason for why in refused} == {"other_data"}


def test_numbers_that_are_not_whole_are_those_of_a_regression():
    rng, true = np.random.default_rng(0), np.linspace(0, 5, 60)
    rows = [
        {"arm": arm, "seed": seed, "example": i, "label": value, "prediction": value + rng.normal(0, sd)}
        for arm, sd in (("noisy", 2.0), ("exact", 0.1))
        for seed in range(4)
        for i, value in enumerate(true)
    ]
    found = bertft.compare(pd.DataFrame(rows), metric="rmse", resamples=RESAMPLES).record
    pair = found.headline_pairs[0]
    assert (pair.direction, pair.better, pair.claimed) == ("minimize", "exact", True)
    table = pd.DataFrame(rows)
    errors = ((table["label"] - table["prediction"]) ** 2).groupby([table["arm"], table["seed"]]).mean() ** 0.5
    assert pair.mean_arm == pytest.approx(errors["exact"].mean())


ROWS = [(arm, seed, example, "ab"[example % 2], "ab"[(example + (arm == "x" and example < 3)) % 2])
        for arm in "xy" for seed in range(3) for example in range(10)]  # fmt: skip


def csv_of(change: Callable[[list[list[str]]], object] = lambda rows: None) -> str:
    rows = [["arm", "seed", "example", "label", "prediction"], *([str(cell) for cell in row] for row in ROWS)]
    change(rows)
    return "".join(",".join(row) + "\n" for row in rows)


def put(line: int, column: int, value: str) -> Callable[[list[list[str]]], object]:
    return lambda rows: rows[line - 1].__setitem__(column, value)


def _as_regression(answer: str) -> Callable[[list[list[str]]], object]:
    """Every label is a decimal number, and the prediction of line 7 is this."""

    def change(rows: list[list[str]]) -> None:
        for row in rows[1:]:
            row[3:] = [f"{row[2]}.25", f"{row[2]}.5"]
        rows[6][4] = answer

    return change


BAD: dict[str, tuple[Callable[[list[list[str]]], object], str, int | None]] = {
    "an empty cell": (put(5, 4, ""), "answers.empty-cell", 5),
    "a seed that is no number": (put(7, 1, "one"), "answers.seed", 7),
    "a seed that is not whole": (put(7, 1, "1.5"), "answers.seed", 7),
    "another label of the same example": (put(12, 3, "b"), "answers.two-labels", 12),
    "an example twice": (put(4, 2, "0"), "answers.twice", 4),
    "an example that a run lacks": (lambda rows: rows.pop(15), "answers.other-examples", 12),
    "a row with too few cells": (lambda rows: rows[20].pop(), "table.cells-of-row", 21),
    "no column of labels": (put(1, 3, "gold"), "data.column-missing-or-duplicate", 1),
    "no row": (lambda rows: rows.__delitem__(slice(1, None)), "answers.none", 1),
    "predictions in other words": (
        lambda rows: [row.__setitem__(4, row[4].upper()) for row in rows[1:]],
        "answers.other-labels",
        2,
    ),
    "an answer of a regression that is none": (_as_regression("n/a"), "answers.no-number", 7),
    "a decimal comma": (_as_regression('"1,5"'), "answers.no-number", 7),
    "infinity": (_as_regression("inf"), "answers.no-number", 7),
    "one label": (lambda rows: [row.__setitem__(slice(3, 5), ["a", "a"]) for row in rows[1:]], "answers.one-label", None),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_its_line(what, tmp_path, capsys):
    change, code, line = BAD[what]
    path = tmp_path / "bad.csv"
    path.write_text(csv_of(change))
    with pytest.raises(bertft.UserError) as caught:
        bertft.compare(path)
    error = caught.value
    assert (error.code, error.path, error.line, bool(error.hint)) == (code, str(path), line, True)
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--csv", str(path), "--home", str(tmp_path / "home")])
    assert ended.value.code == 2
    assert f"{path}:{line or ''}" in capsys.readouterr().err


def test_a_bad_frame_is_refused_with_its_row():
    table = pd.DataFrame(ROWS, columns=["arm", "seed", "example", "label", "prediction"])
    with pytest.raises(bertft.UserError) as caught:
        bertft.compare(table.drop(columns="seed"))
    assert caught.value.path == "the frame"
    with pytest.raises(bertft.UserError) as caught:
        bertft.compare(table.assign(**{"probability/a": 0.9, "probability/b": 0.1}))
    assert (caught.value.code, caught.value.line) == ("answers.not-the-likeliest", 1)
    with pytest.raises(bertft.UserError) as caught:
        bertft.compare(table.assign(**{"probability/a": 1.9}))
    assert caught.value.code == "answers.probability"


def test_the_command_compares_a_file_and_writes_its_page(tmp_path, capsys):
    path, home = tmp_path / "my results.csv", tmp_path / "home"
    path.write_text(csv_of())
    words = ["compare", "--csv", str(path), "--home", str(home), "--resamples", "300"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"][0] == json.loads(bertft.compare(path, resamples=300).record.model_dump_json())["pairs"][0]
    assert (home / "comparisons" / "my-results" / "comparison.html").is_file()
    assert not (home / "mlflow.db").exists()
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert "y is 30.0 points (accuracy, test) above x" in capsys.readouterr().out


def test_predictions_with_a_label_that_no_example_has_are_named(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text(csv_of(lambda rows: [put(line, 4, "unknown")(rows) for line in (3, 4)]))
    said = "mine.csv: 2 predictions with a label that no example has: unknown."
    with pytest.warns(UserWarning, match=said):
        bertft.compare(path, resamples=RESAMPLES)
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--csv", str(path), "--home", str(tmp_path / "home")])
    assert ended.value.code == 0
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("given", [(), (5,)])
def test_what_is_neither_study_nor_predictions_is_a_type_error(given):
    with pytest.raises(TypeError, match="expected studies, data frames or files of predictions"):
        bertft.compare(*given)
