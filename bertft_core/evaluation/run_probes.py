"""What each probe says of one run, as numbers with names; one function for each part of a study's `probes` section."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertft_core.config.probes import ProbesConfig
from bertft_core.config.study import StudyConfig
from bertft_core.evaluation.calibration import calibration_scores, fit_temperature
from bertft_core.evaluation.scores import stored_predictions
from bertft_core.metrics.columns import ragged, vector
from bertft_core.metrics.seed_means import logits_of, words_of
from bertft_core.records import RunRecord
from bertft_core.records.probe_record import MaskedLMScores, ProbeRecord

Name = tuple[str, str | None]
"""Measure, and the layer or split it was measured at."""
NO_MODEL = "its model was not kept; --force trains it again"
NOT_WATCHED = "its gradients were not watched when it was trained; --force trains it again"


@dataclass(frozen=True)
class ScoredRun:
    """A run that ended with scores, and where its numbers are read from."""

    study: StudyConfig
    record: RunRecord
    run_dir: Path
    found: ProbeRecord | None
    """What was found in its model."""
    headline_split: str
    evaluated_splits: tuple[str, ...]
    scores: Mapping[str, float]
    """`checkpoint/split/metric` → value."""

    @property
    def out_of_domain(self) -> list[str]:
        """Its out-of-domain sets."""
        return [split for split in self.evaluated_splits if split not in ("validation", "test")]

    def predictions(self, split: str) -> pa.Table | None:
        """Of the headline's checkpoint."""
        return stored_predictions(self.record, self.run_dir, self.study.headline.checkpoint, split)


@dataclass
class Found:
    """The numbers of one probe for one run, and what is missing among them."""

    values: dict[Name, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Why, each in a clause."""


def masked_lm(run: ScoredRun) -> Found:
    """Loss, perplexity and accuracies before and after, and the loss with the top layers put back."""
    if (reason := _unseen(run, "masked_lm")) is not None:
        return Found(missing=[reason])
    assert run.found is not None
    assert run.found.masked_lm is not None
    part, found = run.found.masked_lm, Found()
    for when, scores in (("before", part.before), ("after", part.after)):
        found.values |= {(f"{name}_{when}", None): value for name, value in _named(scores).items()}
    found.values["loss_rise", None] = part.after.loss - part.before.loss
    found.values |= {("loss_put_back", f"top {k}"): scores.loss for k, scores in enumerate(part.put_back)}
    return found


def _named(scores: MaskedLMScores) -> dict[str, float]:
    return {name: value for name, value in scores.model_dump().items() if value is not None}


def drift(run: ScoredRun) -> Found:
    """L2 and relative L2 of each depth."""
    if (reason := _unseen(run, "drift")) is not None:
        return Found(missing=[reason])
    assert run.found is not None
    rows = [("l2", row.where, row.l2) for row in run.found.drift]
    rows += [("relative_l2", row.where, row.relative_l2) for row in run.found.drift if row.relative_l2 is not None]
    return Found({(measure, where): value for measure, where, value in rows})


def similarity(run: ScoredRun) -> Found:
    """Linear CKA of each depth, unbiased and biased."""
    if (reason := _unseen(run, "similarity")) is not None:
        return Found(missing=[reason])
    assert run.found is not None
    found = Found()
    for row in run.found.similarity:
        for measure, value in (("cka_unbiased", row.unbiased), ("cka_biased", row.biased)):
            if value is not None:
                found.values[measure, row.where] = value
    return found


def _unseen(run: ScoredRun, probe: str) -> str | None:
    """Why the model says nothing of a probe."""
    if run.found is None:
        return NO_MODEL
    if run.found.error is not None:
        return f"looking at its model failed: {run.found.error}"
    return run.found.absent.get(probe)


def gradients(run: ScoredRun) -> Found:
    """Mean norm of each part in the watched steps, and that of the lowest layer over that of the top one."""
    assert run.study.probes is not None
    assert run.study.probes.gradients is not None
    norms: dict[str, list[float]] = {}
    for layers in _watched(run.run_dir, run.study.probes.gradients.steps):
        for where, norm in layers.items():
            norms.setdefault(where, []).append(norm)
    if not norms:
        return Found(missing=[NOT_WATCHED])
    means = {where: float(np.mean(values)) for where, values in norms.items()}
    found = Found({("norm", where): mean for where, mean in means.items()})
    layers_of = sorted((where for where in means if where.startswith("layer ")), key=lambda where: int(where.split()[1]))
    if len(layers_of) > 1 and means[layers_of[-1]] > 0:
        found.values["lowest_over_top", None] = means[layers_of[0]] / means[layers_of[-1]]
    else:
        found.missing.append("fewer than two layers had gradients, so lowest and top cannot be compared")
    return found


def _watched(run_dir: Path, n_steps: int) -> list[dict[str, float]]:
    """Part of the model → gradient norm, of the first steps in `curves.jsonl`."""
    found = []
    try:
        with (run_dir / "curves.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                if event["kind"] == "step" and event["step"] > n_steps:
                    break
                if "layers" in event:
                    found.append(event["layers"])
    except (OSError, ValueError, KeyError):  # gone, or torn by a kill: what was read until there is true
        pass
    return found


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


def overfitting(run: ScoredRun) -> Found:
    """The least validation loss, the epoch it was reached at, the last one, and the rise from one to the other."""
    losses = [(evaluation.epoch, evaluation.loss) for evaluation in run.record.evaluations if evaluation.loss is not None]
    if len(losses) < 2:
        return Found(missing=["its validation loss was recorded fewer than two times"])
    epoch, least = min(losses, key=lambda point: point[1])
    last = losses[-1][1]
    values = {"minimum": least, "minimum_epoch": epoch, "end": last, "rise": last - least}
    return Found({(measure, None): value for measure, value in values.items()})


PROBES: dict[str, Callable[[ScoredRun], Found]] = {
    "masked_lm": masked_lm,
    "drift": drift,
    "similarity": similarity,
    "gradients": gradients,
    "calibration": calibration,
    "out_of_domain": out_of_domain,
    "overfitting": overfitting,
}
"""Part of the `probes` section → what it says of a run."""


def asked_for(probes: ProbesConfig) -> list[str]:
    """The parts that are neither null nor false."""
    return [name for name in PROBES if getattr(probes, name)]
