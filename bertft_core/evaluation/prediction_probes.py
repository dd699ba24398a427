"""What the stored predictions of a run show: calibration, and the score out of the domain."""

from __future__ import annotations

import numpy as np

from bertft_core.evaluation.calibration import calibration_scores, fit_temperature
from bertft_core.evaluation.probed_run import Found, ScoredRun
from bertft_core.metrics.prediction_columns import ragged, vector
from bertft_core.metrics.seed_means import logits_of, words_of


def calibration(run: ScoredRun) -> Found:
    """Scores of the headline split and the out-of-domain sets; the temperature fitted on validation, and what it mends."""
    kind, head = run.study.head.kind, run.study.head
    if kind not in ("classification", "token_classification"):
        return Found(missing=[f"a head of the kind {kind} gives no probabilities of which one is the answer"])
    if getattr(head, "crf", False):
        return Found(missing=["the logits under a CRF are no probabilities of single words"])
    splits = list(dict.fromkeys([run.headline_split, *run.out_of_domain]))
    validation = _answers(run, "validation")
    fitted = None if validation is None else fit_temperature(*validation)
    found = Found()
    if validation is not None and fitted is None:
        found.missing.append("every validation example is answered right, so no temperature can be fitted")
    if fitted is not None:
        found.values["temperature", None] = fitted
    for split in splits:
        answers = _answers(run, split)
        if answers is None:
            found.missing.append(f"its predictions of {split} are gone")
            continue
        found.values |= {(name, split): value for name, value in calibration_scores(*answers).items()}
        if fitted is not None and split != "validation":  # a fit is not judged on what it was fitted to
            scaled = calibration_scores(answers[0] / fitted, answers[1])
            found.values |= {(f"{name}_scaled", split): scaled[name] for name in ("ece", "nll")}
    return found


def _answers(run: ScoredRun, split: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Logits [n, classes] and labels [n] of texts, or of words in a row."""
    table = run.predictions(split)
    if table is None:
        return None
    if run.study.head.kind == "token_classification":
        return words_of(table, "logits"), ragged(table, "label")[0]
    return logits_of(table, len(run.record.spec.labels)), vector(table, "label")


def out_of_domain(run: ScoredRun) -> Found:
    """The headline's metric out of the domain next to that in it; `drop` is above 0 where it is worse out of it."""
    checkpoint, metric = run.study.headline.checkpoint, run.study.metric
    if not run.out_of_domain:
        return Found(missing=["the data has no out-of-domain set"])
    home = run.headline_split
    if home in run.out_of_domain:
        home = "test" if "test" in run.evaluated_splits else "validation"
    inside, found = run.scores.get(f"{checkpoint}/{home}/{metric}"), Found()
    sign = 1.0 if run.study.direction == "maximize" else -1.0
    for split in run.out_of_domain:
        outside = run.scores.get(f"{checkpoint}/{split}/{metric}")
        if inside is None or outside is None:
            found.missing.append(f"it has no {metric} on {home if inside is None else split}")
            continue
        found.values |= {
            ("in_domain", split): inside,
            ("out_of_domain", split): outside,
            ("drop", split): sign * (inside - outside),
        }
    return found
