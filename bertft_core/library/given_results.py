"""Anybody's answers as the results of a study: what is known of it is predictions, which is all that a comparison reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.config.base import digest_of
from bertft_core.config.study_config import ArmConfig
from bertft_core.evaluation.run_scores import scores_of, stored_predictions
from bertft_core.library.given_answers import Answer, GivenAnswers
from bertft_core.metrics.task_metrics import OF_PROBABILITIES
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import (
    ArmSummary,
    DatasetCard,
    EncoderIdentity,
    RunRecord,
    SeedScore,
    SeedTriple,
    SplitCard,
    StudySummary,
)
from bertft_core.records.data_card import SplitOrigin
from bertft_core.records.list_columns import matrix_column
from bertft_core.storage.prediction_files import PredictionFiles
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults

CHECKPOINT = "best"
SMALLEST = 1e-300
"""In place of a probability of 0, whose logarithm is none."""
ANSWERED = 30.0
"""Logit of the given answer where no probabilities are given; the others' are 0. Only the larger one counts."""


class GivenTables(PredictionFiles):
    """Tables that are in memory, under the paths at which a study would have stored them."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        super().__init__()
        self._tables = tables

    def read(self, path: Path | str) -> pa.Table:
        """The table of this path."""
        return self._tables[os.fspath(path)]


def given_results(
    given: GivenAnswers, *, name: str = "given", study_seed: int = 0, beside: Sequence[StudyResults] = ()
) -> StudyResults:
    """The answers as an evaluated study. Runs with the same seed are paired; every run counts as one that learned.

    `study_seed` is what the resampling is seeded with. Examples that a study `beside` has too, with the same labels, are its
    examples, so that both are resampled together.
    """
    is_regression, seeds = given.are_numbers, {seed for _, seed in given.runs}
    labels = () if is_regression else _labels(given, beside)
    study = _study(given, "regression" if is_regression else "classification", name, study_seed, len(seeds))
    card = _card(given, labels, beside, name)
    first = plan_runs(study.model_copy(update={"arms": {"given": ArmConfig()}}), card, {})[0]
    folder, tables, planned, records = StudyDir("", study.name), {}, [], {}
    for arm, seed in given.runs:
        triple = SeedTriple(init=seed, order=seed, dropout=seed)
        spec = first.model_copy(update={"arm": arm, "index": seed, "seeds": triple})
        digest = digest_of([card.fingerprint, arm, seed])
        names = {split: split for split in given.labels} | {"validation": next(iter(given.labels))}
        if "validation" in given.labels:
            names["validation"] = "validation"
        for split in given.labels:
            of_run = given.answers[split][arm, seed]
            table = _regression(given.labels[split], of_run) if is_regression else _classes(given, split, of_run, labels)
            tables[folder.file_of_run(digest, split)] = table
        records[digest] = RunRecord(
            spec=spec, digest=digest, status="ok", started_at="", ended_at="", predictions={CHECKPOINT: names}
        )
        planned.append(spec)
    results = StudyResults(study, card, folder, records, planned, predictions=GivenTables(tables))
    return results.with_summary(_summary(results, given))


def _study(given: GivenAnswers, kind: str, name: str, seed: int, n_seeds: int) -> StudyConfig:
    usable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "given"
    values = {
        "name": usable,
        "data": {"source": "files", "train": given.source},
        "head": {"kind": kind},
        "arms": {"given": {}},
        "seeds": {"n": n_seeds},
        "seed": seed,
    }
    arms = dict.fromkeys(arm for arm, _ in given.runs)
    return parse_study(values).model_copy(update={"arms": {arm: ArmConfig() for arm in arms}})


def _labels(given: GivenAnswers, beside: Sequence[StudyResults]) -> tuple[str, ...]:
    """Those of a study beside that has them all, or their own."""
    own = given.names
    known = next((results.card.labels for results in beside if set(own) <= set(results.card.labels)), own)
    if len(known) < 2:
        raise UserError(
            "all labels and predictions are the same",
            code="answers.one-label",
            path=given.source,
            found=", ".join(known),
            expected="two labels or more",
            hint="check the columns label and prediction",
        )
    return known


def _card(given: GivenAnswers, labels: tuple[str, ...], beside: Sequence[StudyResults], name: str) -> DatasetCard:
    unknown = EncoderIdentity(checkpoint="unknown", revision=None, weights_sha256="unknown")
    splits = {
        split: SplitCard(
            n_examples=len(of_split),
            label_counts={},
            truncated_ratio=0.0,
            unknown_token_ratio=0.0,
            mean_length=0.0,
            origin=SplitOrigin(path=given.source),
            sha256=_same_split(of_split, split, beside) or digest_of(of_split),
        )
        for split, of_split in given.labels.items()
    }
    return DatasetCard(
        name=name,
        source="files",
        fingerprint=digest_of(given.labels),
        directory="",
        encoder=unknown,
        encoder_dir="",
        labels=labels,
        max_length=4,
        splits=splits,
    )


def _same_split(labels: Mapping[str, str], split: str, beside: Sequence[StudyResults]) -> str | None:
    """The fingerprint of a study's split that has these examples with these labels."""
    for results in beside:
        record = next((run for arm in results.study.arms for run in results.scored_runs(arm)), None)
        table = None if record is None else stored_predictions(results, record, results.summary.headline_checkpoint, split)
        if table is None or "label" not in table.column_names:
            continue
        values = table["label"].to_pylist()
        names = [results.card.labels[v] for v in values] if results.study.head.kind == "classification" else map(str, values)
        if dict(zip(table["example_id"].to_pylist(), names, strict=True)) == labels:
            return results.card.splits[split].sha256
    return None


def _classes(given: GivenAnswers, split: str, of_run: Mapping[str, Answer], labels: tuple[str, ...]) -> pa.Table:
    place, true = {label: i for i, label in enumerate(labels)}, given.labels[split]
    answers = [of_run[example] for example in true]
    chosen = np.array([place[answer.prediction] for answer in answers])
    logits = np.zeros((len(answers), len(labels)))
    if given.share_labels:
        shares = np.array([answer.shares for answer in answers])
        logits += np.log(SMALLEST)
        logits[:, [place[label] for label in given.share_labels]] = np.log(np.maximum(shares, SMALLEST))
        _refuse_unlikely(given, answers, logits.argmax(axis=1), chosen, labels)
    else:
        logits[np.arange(len(answers)), chosen] = ANSWERED
    columns = {
        "example_id": pa.array(list(true), pa.string()),
        "label": pa.array([place[label] for label in true.values()], pa.int32()),
        "logits": matrix_column(logits),
    }
    return pa.table(columns)


def _refuse_unlikely(
    given: GivenAnswers, answers: Sequence[Answer], likeliest: np.ndarray, chosen: np.ndarray, labels: tuple[str, ...]
) -> None:
    for row in np.flatnonzero(likeliest != chosen)[:1].tolist():
        raise UserError(
            "the prediction is not the label with the largest probability",
            code="answers.not-the-likeliest",
            path=given.source,
            line=answers[row].line,
            found=f"{answers[row].prediction}, while {labels[likeliest[row]]} has the largest probability",
            expected="the likeliest label as prediction",
            hint="correct the prediction, or leave out the columns of probabilities",
        )


def _regression(true: Mapping[str, str], of_run: Mapping[str, Answer]) -> pa.Table:
    columns = {
        "example_id": pa.array(list(true), pa.string()),
        "label": pa.array([float(label) for label in true.values()], pa.float64()),
        "predicted": pa.array([float(of_run[example].prediction) for example in true], pa.float64()),
    }
    return pa.table(columns)


def _summary(results: StudyResults, given: GivenAnswers) -> StudySummary:
    """What a comparison asks of a summary: the scores of every seed, and where they are shown first."""
    known = not given.share_labels and not given.are_numbers
    study, seeds = results.study, dict[str, list[SeedScore]]()
    for digest, record in results.records.items():
        scores = {
            key: value
            for key, value in scores_of(results, record).items()
            if key.split("/")[1] in given.labels and not (known and key.split("/", 2)[2] in OF_PROBABILITIES)
        }
        row = SeedScore(
            index=record.spec.index,
            status="ok",
            run_digest=digest,
            weights_sha256=None,
            init_seed=record.spec.seeds.init,
            order_seed=record.spec.seeds.order,
            dropout_seed=record.spec.seeds.dropout,
            best_step=None,
            scores=scores,
        )
        seeds.setdefault(record.spec.arm, []).append(row)
    arms = [
        ArmSummary(arm=arm, n_planned=len(rows), counts={"ok": len(rows)}, metrics=(), seeds=tuple(rows))
        for arm, rows in seeds.items()
    ]
    preferred = [split for split in ("test", "validation") if split in given.labels]
    return StudySummary(
        study=study.name,
        study_digest=study.digest,
        data_fingerprint=results.card.fingerprint,
        headline_split=next(iter([*preferred, *given.labels])),
        headline_checkpoint=CHECKPOINT,
        headline_metric=study.metric,
        arms=tuple(arms),
        head=study.head.kind,
        headline_direction=study.direction,
    )
