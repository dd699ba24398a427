"""The probes of a study: each number with its spread over the seeds of each arm, and what is missing with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.study_config import StudyConfig
from bertft_core.data.probe_texts import probes_digest
from bertft_core.evaluation import model_probes, prediction_probes, training_probes
from bertft_core.evaluation.probe_findings import findings, verdict
from bertft_core.evaluation.probed_run import Found, Name, ScoredRun
from bertft_core.records import ArmSummary, DatasetCard, RunRecord, SeedScore
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.records.probe_summary import ProbeAbsence, ProbeRow, ProbeSummary
from bertft_core.records.ranking import SCORED
from bertft_core.statistics.dispersion import sample_sd
from bertft_core.storage.study_dir import PROBES_FILE, read_record

PROBES: dict[str, Callable[[ScoredRun], Found]] = {
    "masked_lm": model_probes.masked_lm,
    "drift": model_probes.drift,
    "similarity": model_probes.similarity,
    "gradients": training_probes.gradients,
    "calibration": prediction_probes.calibration,
    "out_of_domain": prediction_probes.out_of_domain,
    "overfitting": training_probes.overfitting,
}
"""Part of the `probes` section → what it says of a run."""


def summarize_probes(
    study: StudyConfig,
    card: DatasetCard,
    headline_split: str,
    arms: Sequence[ArmSummary],
    records: Mapping[str, RunRecord],
    run_dir_of: Callable[[str], Path],
) -> ProbeSummary | None:
    """Every part that the study asks for; None when it asks for none. Runs without scores are in the failures, not here."""
    if study.probes is None:
        return None
    asked = _asked_digest(study)
    rows: list[ProbeRow] = []
    absences: list[ProbeAbsence] = []
    for arm in arms:
        runs = {
            seed.index: _run(study, card, headline_split, seed, records[seed.run_digest], run_dir_of(seed.run_digest), asked)
            for seed in arm.seeds
            if seed.run_digest in records and records[seed.run_digest].status in SCORED
        }
        for probe in (name for name in PROBES if getattr(study.probes, name)):
            of_arm = {index: PROBES[probe](run) for index, run in runs.items()}
            rows += _rows(arm.arm, probe, {index: found.values for index, found in of_arm.items()})
            absences += _absences(arm.arm, probe, {index: found.missing for index, found in of_arm.items()})
    told = findings([arm.arm for arm in arms], rows, study)
    return ProbeSummary(rows=tuple(rows), absences=tuple(absences), findings=tuple(told), verdict=verdict(told, rows, absences))


def _asked_digest(study: StudyConfig) -> str | None:
    """What models were to be looked at for; None where the probed text is gone, so that it cannot be told."""
    assert study.probes is not None
    try:
        return probes_digest(study.probes)
    except UserError:
        return None


def _run(
    study: StudyConfig,
    card: DatasetCard,
    headline_split: str,
    seed: SeedScore,
    record: RunRecord,
    run_dir: Path,
    asked: str | None,
) -> ScoredRun:
    found = read_record(run_dir / PROBES_FILE, ProbeRecord)
    if found is not None and (found.run_digest != record.digest or asked not in (None, found.probes_digest)):
        found = None
    return ScoredRun(study, record, run_dir, found, headline_split, card.evaluated_splits, seed.scores)


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


def _absences(arm: str, probe: str, of_seeds: Mapping[int, Sequence[str]]) -> list[ProbeAbsence]:
    seeds: dict[str, list[int]] = {}
    for index, reasons in of_seeds.items():
        for reason in reasons:
            seeds.setdefault(reason, []).append(index)
    return [ProbeAbsence(arm=arm, probe=probe, reason=reason, seeds=tuple(of)) for reason, of in seeds.items()]
