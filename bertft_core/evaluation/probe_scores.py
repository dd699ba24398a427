"""The probes of a study: each number over the seeds of each arm, what is missing and why, and which arms show a sign."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.study_config import StudyConfig
from bertft_core.data.probe_texts import probes_digest
from bertft_core.evaluation import probe_measures
from bertft_core.evaluation.probe_measures import Measured, Name, ProbedRun
from bertft_core.records import ArmSummary
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.records.probe_summary import ProbeAbsence, ProbeFinding, ProbeRow, ProbeSummary
from bertft_core.statistics.dispersion import sample_sd
from bertft_core.storage.study_dir import PROBES_FILE, read_record
from bertft_core.storage.study_results import StudyResults

PROBES: dict[str, Callable[[ProbedRun], Measured]] = {
    "masked_lm": probe_measures.masked_lm,
    "drift": probe_measures.drift,
    "similarity": probe_measures.similarity,
    "gradients": probe_measures.gradients,
    "calibration": probe_measures.calibration,
    "out_of_domain": probe_measures.out_of_domain,
    "overfitting": probe_measures.overfitting,
}
"""Part of the `probes` section → what it measures in a run."""

FORGOTTEN_NATS = 0.1
"""Rise of the masked-LM loss above which language modelling was forgotten."""
RISE_RATIO = 0.05
"""Rise of the validation loss after its minimum, as a share of it, above which it counts."""
VANISHING_RATIO = 0.01
"""Gradient norm of the lowest layer, as a share of the top one's, below which gradients vanish."""
DISSIMILAR_CKA = 0.5
"""Unbiased CKA below which hidden states have little in common."""

Rows = Mapping[Name, ProbeRow]
"""Measure and where → the row of one arm and probe."""


def summarize_probes(results: StudyResults) -> ProbeSummary | None:
    """Every probe that the study asks for; None when it asks for none. Runs without scores are listed with the failures."""
    study = results.study
    if study.probes is None:
        return None
    asked, rows, absences = _asked_digest(study), list[ProbeRow](), list[ProbeAbsence]()
    for arm in results.summary.arms:
        runs = _runs(results, arm, asked)
        for probe in (name for name in PROBES if getattr(study.probes, name)):
            measured = {index: PROBES[probe](run) for index, run in runs.items()}
            rows += _rows(arm.arm, probe, {index: found.values for index, found in measured.items()})
            absences += _absences(arm.arm, probe, {index: found.missing for index, found in measured.items()})
    findings = _findings([arm.arm for arm in results.summary.arms], rows)
    return ProbeSummary(rows=tuple(rows), absences=tuple(absences), findings=tuple(findings))


def rows_of(rows: Sequence[ProbeRow], arm: str, probe: str) -> Rows:
    """The rows of one arm and probe by measure and where."""
    return {(row.measure, row.where): row for row in rows if (row.arm, row.probe) == (arm, probe)}


def rising_shares(rows: Rows) -> dict[int, float]:
    """Seed index → rise of the validation loss over its minimum, of the seeds where it is above `RISE_RATIO`."""
    lowest, rise = rows["minimum", None].values, rows["rise", None].values
    shares = {index: rise[index] / abs(lowest[index]) for index in rise if lowest[index]}
    return {index: share for index, share in shares.items() if share > RISE_RATIO}


def vanishing_ratios(rows: Rows) -> list[float]:
    """Gradient norm of the lowest layer over that of the top one, of the seeds where it is below `VANISHING_RATIO`."""
    row = rows.get(("lowest_over_top", None))
    return [] if row is None else [value for value in row.values.values() if value < VANISHING_RATIO]


def _findings(arms: Sequence[str], rows: Sequence[ProbeRow]) -> list[ProbeFinding]:
    """Arm by arm, the signs first."""
    found = []
    for arm in arms:
        for probe, judge in JUDGES.items():
            own = rows_of(rows, arm, probe)
            is_sign = judge(own) if own else None
            if is_sign is not None:
                found.append(ProbeFinding(arm=arm, probe=probe, is_sign=is_sign))
    return sorted(found, key=lambda finding: not finding.is_sign)


def _dissimilar(rows: Rows) -> bool | None:
    means = [row.mean for (measure, _), row in rows.items() if measure == "cka_unbiased"]
    return min(means) < DISSIMILAR_CKA if means else None


def _described(measure: str) -> Callable[[Rows], bool | None]:
    """Worth a sentence where the measure is there, and never a sign."""
    return lambda rows: False if any(name == measure for name, _ in rows) else None


JUDGES: dict[str, Callable[[Rows], bool | None]] = {
    "masked_lm": lambda rows: rows["loss_rise", None].mean > FORGOTTEN_NATS,
    "overfitting": lambda rows: True if rising_shares(rows) else None,
    "similarity": _dissimilar,
    "gradients": lambda rows: True if vanishing_ratios(rows) else None,
    "drift": _described("relative_l2"),
    "calibration": _described("ece"),
    "out_of_domain": _described("drop"),
}
"""Probe → whether its rows are a sign of forgetting or failing training; None where there is nothing to say."""


def _asked_digest(study: StudyConfig) -> str | None:
    """What the models were to be probed with; None where the probed text is gone, so that it cannot be known."""
    assert study.probes is not None
    try:
        return probes_digest(study.probes)
    except UserError:
        return None


def _runs(results: StudyResults, arm: ArmSummary, asked: str | None) -> dict[int, ProbedRun]:
    """Seed index → run, of the runs with a score."""
    scores, splits, found = {seed.index: seed.scores for seed in arm.seeds}, results.card.evaluated_splits, {}
    for record in results.scored_runs(arm.arm):
        index, probed = record.spec.index, read_record(results.run_dir_of(record.digest) / PROBES_FILE, ProbeRecord)
        if probed is not None and (probed.run_digest != record.digest or asked not in (None, probed.probes_digest)):
            probed = None
        split = results.summary.headline_split
        found[index] = ProbedRun(results, record, probed, split, splits, scores[index])
    return found


def _rows(arm: str, probe: str, of_seeds: Mapping[int, Mapping[Name, float]]) -> list[ProbeRow]:
    """Names in the order of their first occurrence."""
    rows = []
    for name in dict.fromkeys(name for values in of_seeds.values() for name in values):
        values = {index: numbers[name] for index, numbers in of_seeds.items() if name in numbers}
        every = list(values.values())
        rows.append(
            ProbeRow(
                arm=arm,
                probe=probe,
                measure=name[0],
                where=name[1],
                n=len(every),
                mean=float(np.mean(every)),
                sd=sample_sd(every),
                min=min(every),
                max=max(every),
                values=values,
            )
        )
    return rows


def _absences(arm: str, probe: str, of_seeds: Mapping[int, Sequence[NotComputed]]) -> list[ProbeAbsence]:
    seeds: dict[NotComputed, list[int]] = {}
    for index, reasons in of_seeds.items():
        for why in reasons:
            seeds.setdefault(why, []).append(index)
    return [ProbeAbsence(arm=arm, probe=probe, why=why, seeds=tuple(indices)) for why, indices in seeds.items()]
