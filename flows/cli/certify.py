"""The certificate of a study on this machine: every check of the table on one run, shortened."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bertft_core.evaluation.certificate_checks import CHECKS, Judged, exact_gradient
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.verification_record import CheckResult
from bertft_core.storage.study_dir import checked_record
from bertft_core.training.certificate_runs import Carried, carry_out, shortened
from bertft_core.training.retraining import environment_here
from flows.cli.verification import machine, now


def chosen_for_certificate(records: Iterable[RunRecord]) -> RunRecord:
    """The run in which most can go wrong: of those in which most parameters learn, the one of the lowest seed index."""
    return min(records, key=lambda record: (-record.n_trainable_parameters, record.spec.index))


def certify(record: RunRecord, spec: RunSpec, folder: Path) -> Iterator[CheckResult]:
    """Carry out every check and judge it; `spec` is the record's, with the places of the inputs here.

    Raises `UserError`, `RunFailed` or `WorkerDied` when the run cannot be trained here at all.
    """
    short = shortened(record.model_copy(update={"spec": spec}))
    where = machine(environment_here(spec))

    def result(check: str, judged: Judged | None, told: str) -> CheckResult:
        found = told if judged is None else f"{judged.found}; {told}" if told else judged.found
        return CheckResult(
            check=check,
            title=record.spec.title,
            run_digest=record.digest,
            n_steps=short.training.max_steps or 0,
            passed=None if judged is None else judged.passed,
            found=found,
            checked_at=now(),
            machine=where,
        )

    for name, check in CHECKS.items():
        if check.not_applicable is not None:
            yield result(name, None, check.not_applicable)
    for carried in carry_out(short, folder, lambda name: print(f"  {CHECKS[name].title} …", file=sys.stderr)):
        yield result(carried.check, judged(carried), carried.told)


def judged(carried: Carried) -> Judged | None:
    """The judgement on what was carried out; None when there is nothing to judge."""
    if carried.error is not None:
        return exact_gradient(carried.error)
    judge = CHECKS[carried.check].judge
    if judge is None or carried.reference_dir is None or carried.other_dir is None:
        return None
    return judge(_stored(carried.reference_dir), _stored(carried.other_dir))


def _stored(run_dir: Path) -> RunOnDisk:
    return RunOnDisk(checked_record(run_dir / "record.json", RunRecord), run_dir)
