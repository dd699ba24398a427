"""`bertft verify`: finished runs trained again in fresh processes, and the certificate of the study."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.evaluation.certificate_checks import CHECKS
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.verification_record import RunVerdict
from bertft_core.storage import StudyDir
from bertft_core.storage.verification_file import read_verification, write_verification
from bertft_core.training.retraining import missing_input
from bertft_core.training.slots import RunFailed, WorkerDied
from flows.cli.certify import certify, chosen_for_certificate
from flows.cli.find_study import StudyOnDisk, find_study
from flows.cli.show_commands import rebuild_report
from flows.cli.verification import Timer, one_line, verdict_lines, verdict_on
from tasks.study_lock import held
from tasks.tracking.repair_stores import recover_verification

SCRATCH = ".verify.part"
"""What `bertft clean` takes for a temporary file, when a kill has left it."""


def verify_command(name: str, home: Path | None, *, runs: str | None, certificate: bool) -> int:
    """Train again what was asked for, write every verdict down, and print it; 0 when all is as it must be, else 1."""
    found = find_study(name, home)
    n_per_arm = None if runs is None and certificate else _number_of(runs)
    with held(found.dir):
        for line in recover_verification(found.study, found.dir):
            print(f"warning   {line}", file=sys.stderr)
        records = finished_records(found)
        chosen = chosen_records(found, records, n_per_arm)
        verdicts = []
        with scratch(found.dir) as folder:
            if chosen:
                _tell_how_many(found, records, chosen, asked=runs)
            for record in chosen:
                verdicts.append(_verify(found, record, folder))
            passed = _certify(found, records, folder) if certificate else True
        rebuild_report(found)
        for problem in _log(found, verdicts):
            print(f"warning   MLflow: {problem}", file=sys.stderr)
    print(f"report    {found.dir.report_dir / 'report.html'}")
    return 0 if passed and all(verdict.finding.verdict == "bitwise" for verdict in verdicts) else 1


def _number_of(runs: str | None) -> int:
    """How many runs of each arm. Raises `UserError` for what is no number."""
    if runs == "all":
        return sys.maxsize
    if runs is not None and (not runs.isascii() or not runs.isdigit() or int(runs) < 1):
        raise UserError("--runs is how many runs of each arm are trained again", found=runs, expected="1, 2, … or all")
    return 1 if runs is None else int(runs)


def finished_records(found: StudyOnDisk) -> list[RunRecord]:
    """The records of the report runs that ended by themselves, in the order of the plan. Raises `UserError` for none."""
    records = [found.records[spec.digest] for spec in found.planned if spec.digest in found.records]
    finished = [record for record in records if record.finished]
    if not finished:
        raise UserError(
            f"the study '{found.study.name}' has no finished run to verify",
            path=found.dir.path,
            hint="run it first: bertft run CONFIG",
        )
    return finished


def chosen_records(found: StudyOnDisk, records: list[RunRecord], n_per_arm: int | None) -> list[RunRecord]:
    """The first so many of each arm, arm by arm."""
    if n_per_arm is None:
        return []
    return [record for arm in found.study.arms for record in [r for r in records if r.spec.arm == arm][:n_per_arm]]


def _tell_how_many(found: StudyOnDisk, records: list[RunRecord], chosen: list[RunRecord], asked: str | None) -> None:
    more = "; --runs N or --runs all for more" if asked is None and len(chosen) < len(records) else ""
    runs = "run is" if len(chosen) == 1 else "runs are"
    print(f"{found.study.name}: {len(chosen)} of {len(records)} finished {runs} trained again, each in a fresh process{more}")


@contextmanager
def scratch(study_dir: StudyDir) -> Iterator[Path]:
    """A folder inside the study's for what is trained again; it goes with the block, and so does one that a kill has left."""
    folder = study_dir.path / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spec_here(found: StudyOnDisk, record: RunRecord) -> RunSpec:
    """The record's spec with the places where data and encoder lie now: a home may have been moved."""
    prepared = found.dir.home_dir.resolve() / "data" / record.spec.data_fingerprint
    known = {} if found.card is None else {"encoder_dir": found.card.encoder_dir}
    return record.spec.model_copy(update=known | ({"prepared_dir": str(prepared)} if prepared.is_dir() else {}))


def _verify(found: StudyOnDisk, record: RunRecord, folder: Path) -> RunVerdict:
    timer = Timer()
    recorded = RunOnDisk(record, found.dir.run_dir(record.digest))
    verdict = verdict_on(recorded, spec_here(found, record), folder / record.digest[:16], "verify")
    write_verification(found.dir.path, read_verification(found.dir.path).with_run(verdict))
    first, *others = verdict_lines(verdict.finding)
    print(f"  {record.spec.title:<24} {first:<24} {timer}", *(f"    {line}" for line in others), sep="\n", flush=True)
    shutil.rmtree(folder / record.digest[:16], ignore_errors=True)
    return verdict


def _certify(found: StudyOnDisk, records: list[RunRecord], folder: Path) -> bool:
    """Every check of the certificate, written down one by one; whether all that apply were passed."""
    record = chosen_for_certificate(records)
    print(f"{found.study.name}: certificate, on {record.spec.title} shortened")
    spec = spec_here(found, record)
    if (missing := missing_input(spec)) is not None:
        print(f"  not reproducible here: {missing}")
        return False
    passed = True
    try:
        for result in certify(record, spec, folder / "certificate"):
            write_verification(found.dir.path, read_verification(found.dir.path).with_checks((result,)))
            words = {True: "passed", False: "FAILED", None: "not applicable"}[result.passed]
            print(f"  {CHECKS[result.check].title:<40} {words:<15} {result.found}", flush=True)
            passed = passed and result.passed is not False
    except UserError as error:
        print(f"  not reproducible here: {one_line(error)}")
        return False
    except (RunFailed, WorkerDied, OSError) as error:
        print(f"  not reproducible here: {error}")
        return False
    return passed


def _log(found: StudyOnDisk, verdicts: list[RunVerdict]) -> list[str]:
    from tasks.tracking.verdicts import log_verdicts

    study = found.study
    return log_verdicts(found.dir.home_dir, study.tracking.uri, study.name, study.digest, verdicts, found.dir.path)
