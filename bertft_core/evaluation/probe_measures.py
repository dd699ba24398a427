"""What each probe measures in one run: in its saved model, in its training, and in its stored predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.calibration import calibration_scores, fit_temperature, logits_and_labels
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.metrics.seed_means import Floats
from bertft_core.records import RunRecord
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.probe_record import MaskedLMScores, ProbeRecord
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_results import StudyResults

Name = tuple[str, str | None]
"""Measure, and the layer or split it was measured at."""


@dataclass(frozen=True)
class ProbedRun:
    """A run that ended with scores, and where its numbers are read from."""

    results: StudyResults
    record: RunRecord
    found: ProbeRecord | None
    """What was found in its model."""
    headline_split: str
    evaluated_splits: tuple[str, ...]
    scores: Mapping[str, float]
    """`checkpoint/split/metric` → value."""

    @property
    def study(self) -> StudyConfig:
        return self.results.study

    @property
    def run_dir(self) -> Path:
        """Folder of the run."""
        return self.results.run_dir_of(self.record.digest)

    @property
    def out_of_domain(self) -> list[str]:
        """Its out-of-domain sets."""
        return [split for split in self.evaluated_splits if split not in ("validation", "test")]

    def logits_and_labels(self, split: str) -> tuple[Floats, np.ndarray] | None:
        """Of the headline's checkpoint; None where the predictions are gone."""
        table = stored_predictions(self.results, self.record, self.study.headline.checkpoint, split)
        return None if table is None else logits_and_labels(self.record.spec, table)


@dataclass
class Measured:
    """The numbers of one probe for one run, and what is missing among them."""

    values: dict[Name, float] = field(default_factory=dict)
    missing: list[NotComputed] = field(default_factory=list)


def _absent(reason: NotComputed) -> Measured:
    return Measured(missing=[reason])


def masked_lm(run: ProbedRun) -> Measured:
    """Loss, perplexity and accuracies before and after, and the loss with the top layers put back."""
    if (reason := _not_probed(run, "masked_lm")) is not None:
        return _absent(reason)
    assert run.found is not None
    assert run.found.masked_lm is not None
    part, measured = run.found.masked_lm, Measured()
    for when, scores in (("before", part.before), ("after", part.after)):
        measured.values |= {(f"{name}_{when}", None): value for name, value in _named(scores).items()}
    measured.values["loss_rise", None] = part.after.loss - part.before.loss
    measured.values |= {("loss_put_back", f"top {k}"): scores.loss for k, scores in enumerate(part.put_back)}
    return measured


def _named(scores: MaskedLMScores) -> dict[str, float]:
    return {name: value for name, value in scores.model_dump().items() if value is not None}


def drift(run: ProbedRun) -> Measured:
    """L2 and relative L2 of each depth."""
    if (reason := _not_probed(run, "drift")) is not None:
        return _absent(reason)
    assert run.found is not None
    rows = [("l2", row.where, row.l2) for row in run.found.drift]
    rows += [("relative_l2", row.where, row.relative_l2) for row in run.found.drift if row.relative_l2 is not None]
    return Measured({(measure, where): value for measure, where, value in rows})


def similarity(run: ProbedRun) -> Measured:
    """Linear CKA of each depth, unbiased and biased."""
    if (reason := _not_probed(run, "similarity")) is not None:
        return _absent(reason)
    assert run.found is not None
    rows = [("cka_unbiased", row.where, row.unbiased) for row in run.found.similarity]
    rows += [("cka_biased", row.where, row.biased) for row in run.found.similarity]
    return Measured({(measure, where): value for measure, where, value in rows if value is not None})


def _not_probed(run: ProbedRun, probe: str) -> NotComputed | None:
    """Why a probe of the model has no result."""
    if run.found is None:
        return NotComputed(reason="no model")
    if run.found.error is not None:
        return NotComputed(reason="probing failed", detail=run.found.error)
    return run.found.absent.get(probe)


def gradients(run: ProbedRun) -> Measured:
    """Mean norm of each part in the watched steps, and that of the lowest layer over that of the top one."""
    assert run.study.probes is not None
    assert run.study.probes.gradients is not None
    norms: dict[str, list[float]] = {}
    for layers in _watched(run.run_dir, run.study.probes.gradients.steps):
        for where, norm in layers.items():
            norms.setdefault(where, []).append(norm)
    if not norms:
        return _absent(NotComputed(reason="gradients not watched"))
    means = {where: float(np.mean(values)) for where, values in norms.items()}
    measured = Measured({("norm", where): mean for where, mean in means.items()})
    layers_of = sorted((where for where in means if where.startswith("layer ")), key=lambda where: int(where.split()[1]))
    if len(layers_of) > 1 and means[layers_of[-1]] > 0:
        measured.values["lowest_over_top", None] = means[layers_of[0]] / means[layers_of[-1]]
    else:
        measured.missing.append(NotComputed(reason="too few layers", needed=2))
    return measured


def _watched(run_dir: Path, n_steps: int) -> list[dict[str, float]]:
    """Part of the model → gradient norm, of the first steps in `curves.jsonl`."""
    events = curve_events(run_dir / "curves.jsonl")
    return [event["layers"] for event in events if event.get("kind") == "step" and event["step"] <= n_steps and "layers" in event]


def overfitting(run: ProbedRun) -> Measured:
    """The lowest validation loss, its epoch, the last one, and the rise from one to the other."""
    losses = [(evaluation.epoch, evaluation.loss) for evaluation in run.record.evaluations if evaluation.loss is not None]
    if len(losses) < 2:
        return _absent(NotComputed(reason="too few losses", needed=2))
    epoch, lowest = min(losses, key=lambda point: point[1])
    last = losses[-1][1]
    values = {"minimum": lowest, "minimum_epoch": epoch, "end": last, "rise": last - lowest}
    return Measured({(measure, None): value for measure, value in values.items()})


def calibration(run: ProbedRun) -> Measured:
    """Scores of the headline split and the out-of-domain sets; the temperature fitted on validation, and what it improves."""
    head = run.study.head
    if head.kind not in ("classification", "token_classification"):
        return _absent(NotComputed(reason="no probabilities", detail=head.kind))
    if getattr(head, "crf", False):
        return _absent(NotComputed(reason="crf"))
    validation, measured = run.logits_and_labels("validation"), Measured()
    fitted = None if validation is None else fit_temperature(*validation)
    if validation is not None and fitted is None:
        measured.missing.append(NotComputed(reason="no errors"))
    if fitted is not None:
        measured.values["temperature", None] = fitted
    for split in dict.fromkeys([run.headline_split, *run.out_of_domain]):
        given = run.logits_and_labels(split)
        if given is None:
            measured.missing.append(NotComputed(reason="predictions gone", detail=split))
            continue
        measured.values |= {(name, split): value for name, value in calibration_scores(*given).items()}
        if fitted is not None and split != "validation":  # a fit is not judged on what it was fitted to
            scaled = calibration_scores(given[0] / fitted, given[1])
            measured.values |= {(f"{name}_scaled", split): scaled[name] for name in ("ece", "nll")}
    return measured


def out_of_domain(run: ProbedRun) -> Measured:
    """The headline metric out of the domain next to that in it; `drop` is above 0 where it is worse out of it."""
    checkpoint, metric = run.study.headline.checkpoint, run.study.metric
    if not run.out_of_domain:
        return _absent(NotComputed(reason="no out-of-domain set"))
    home = run.headline_split
    if home in run.out_of_domain:
        home = "test" if "test" in run.evaluated_splits else "validation"
    inside, measured = run.scores.get(f"{checkpoint}/{home}/{metric}"), Measured()
    for split in run.out_of_domain:
        outside = run.scores.get(f"{checkpoint}/{split}/{metric}")
        if inside is None or outside is None:
            measured.missing.append(NotComputed(reason="no score", detail=f"{metric} on {home if inside is None else split}"))
            continue
        drop = run.study.sign * (inside - outside)
        measured.values |= {("in_domain", split): inside, ("out_of_domain", split): outside, ("drop", split): drop}
    return measured
