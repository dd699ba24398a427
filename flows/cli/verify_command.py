"""`bertft verify`: finished runs trained again in fresh processes, and the certificate of the study."""

import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.library.study_on_disk import no_finished_runs
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.verification_record import RunVerdict
from bertft_core.report.prose import verification_text
from bertft_core.storage.study_dir import StudyDir, read_verification, write_verification
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.retraining import as_possible_here, missing_input
from bertft_core.training.workers import RunFailed, WorkerDied
from flows.cli.find_study import find_study
from flows.cli.show_commands import rebuild_report
from flows.cli.terminal import advise, note, say, say_json, warn
from flows.cli.verification import (
    certify,
    chosen_for_certificate,
    one_line,
    print_verdict,
    store_verdict,
    verdict_on,
    written_anew,
)
from tasks.study_lock import held
from tasks.tracking.repair_stores import recover_verification

SCRATCH = ".verify.part"
"""`bertft clean` treats one that a kill has left as a temporary file."""


def verify_command(name: str, home: Path | None, *, runs: str | None, certificate: bool, as_json: bool = False) -> int:
    """Train the requested runs again, store and print every verdict; 0 when all are bitwise and all checks passed, else 1."""
    found = find_study(name, home)
    found.intact(but=written_anew(found.dir))
    n_per_arm = None if runs is None and certificate else _number_of(runs)
    with held(found.dir):
        for line in recover_verification(found.study, found.dir):
            warn(line)
        results = found.results()
        records = finished_records(results)
        chosen = chosen_records(results, n_per_arm)
        with scratch(found.dir) as folder:
            if chosen:
                _print_how_many(results, records, chosen, default=runs is None)
            verdicts = [_verify(results, record, folder) for record in chosen]
            passed = _certify(results, records, folder) if certificate else True
        rebuild_report(found)
        for problem in _log(results, verdicts):
            warn(f"MLflow: {problem}")
    if as_json:
        made = read_verification(found.dir.path)
        checks = [check.model_dump(mode="json") for check in made.checks] if certificate else []
        say_json(
            {
                "study": found.study.name,
                "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
                "certificate": {"passed": passed, "checks": checks} if certificate else None,
                "report": str(found.dir.report_dir / "report.html"),
            }
        )
    advise(f"report    {found.dir.report_dir / 'report.html'}")
    return 0 if passed and all(verdict.finding.verdict == "bitwise" for verdict in verdicts) else 1


def _number_of(runs: str | None) -> int:
    """How many runs of each arm. Raises `UserError` for anything but a positive number or 'all'."""
    if runs == "all":
        return sys.maxsize
    if runs is not None and not re.fullmatch("0*[1-9][0-9]{0,8}", runs):
        raise UserError(
            "--runs is the number of runs of each arm to train again",
            code="verify.runs",
            found=runs,
            expected="1, 2, … or all",
            hint="leave it out for one run of each arm",
        )
    return 1 if runs is None else int(runs)


def finished_records(results: StudyResults) -> list[RunRecord]:
    """The records of the finished report runs, in the order of the plan. Raises `UserError` if there are none."""
    ended = {spec.digest: results.records[spec.digest] for spec in results.planned if spec.digest in results.records}
    if finished := [record for record in ended.values() if record.finished]:
        return finished
    raise no_finished_runs(results.study_dir)


def chosen_records(results: StudyResults, n_per_arm: int | None) -> list[RunRecord]:
    """The first `n_per_arm` finished runs of each arm, arm by arm; a run that two arms share is there once."""
    if n_per_arm is None:
        return []
    finished = {arm: [record for record in results.runs_of(arm) if record.finished] for arm in results.study.arms}
    return list({record.digest: record for records in finished.values() for record in records[:n_per_arm]}.values())


def _print_how_many(results: StudyResults, records: list[RunRecord], chosen: list[RunRecord], *, default: bool) -> None:
    more = "; --runs N or --runs all for more" if default and len(chosen) < len(records) else ""
    advise(f"{results.study.name}: training {len(chosen)} of {len(records)} finished runs again, each in a fresh process{more}")


@contextmanager
def scratch(study_dir: StudyDir) -> Iterator[Path]:
    """A temporary folder in the study's for the runs trained again; one that a killed command has left is removed first."""
    folder = study_dir.path / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spec_here(results: StudyResults, record: RunRecord) -> RunSpec:
    """The record's spec as this machine can carry it out, with today's paths of data and encoder: a home may have been moved."""
    prepared = results.study_dir.home_dir.resolve() / "data" / record.spec.data_fingerprint
    known = {"encoder_dir": results.of_run(record.digest).card.encoder_dir}
    return as_possible_here(record).model_copy(update=known | ({"prepared_dir": str(prepared)} if prepared.is_dir() else {}))


def _verify(results: StudyResults, record: RunRecord, folder: Path) -> RunVerdict:
    started, again = time.monotonic(), folder / record.digest[:16]
    recorded = RunOnDisk(record, results.run_dir_of(record.digest))
    verdict = verdict_on(recorded, spec_here(results, record), again, "verify")
    store_verdict(results.study_dir, verdict)
    print_verdict(verdict, started)
    shutil.rmtree(again, ignore_errors=True)
    return verdict


def _certify(results: StudyResults, records: list[RunRecord], folder: Path) -> bool:
    """Make every check of the certificate, storing each at once; whether all that apply passed."""
    record = chosen_for_certificate(records)
    say(f"{results.study.name}: certificate, on {record.spec.title} shortened")
    spec, passed = spec_here(results, record), True
    if (missing := missing_input(spec)) is not None:
        say(f"  not reproducible here: {missing} (to prepare them again: bertft run CONFIG)")
        return False
    try:
        for result in certify(record, spec, folder / "certificate", _print_progress):
            write_verification(results.study_dir.path, read_verification(results.study_dir.path).with_checks((result,)))
            words = "FAILED" if result.passed is False else verification_text.OUTCOMES[result.passed]
            say(f"  {_title(result.check):<40} {words:<15} {verification_text.check_found(result)}", flush=True)
            passed = passed and result.passed is not False
    except (UserError, RunFailed, WorkerDied, OSError) as error:
        say(f"  not reproducible here: {one_line(error) if isinstance(error, UserError) else error}")
        return False
    return passed


def _print_progress(check: str) -> None:
    note(f"  {_title(check)} …")


def _title(check: str) -> str:
    return verification_text.TITLES[check][0]


def _log(results: StudyResults, verdicts: list[RunVerdict]) -> list[str]:
    from tasks.tracking.verdicts import log_verdicts

    study = results.study
    return log_verdicts(
        results.study_dir.home_dir, study.tracking.uri, study.name, study.digest, verdicts, results.study_dir.path
    )
