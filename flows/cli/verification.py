"""What verify, replay and the certificate share: a recorded run is trained again in fresh processes, and compared."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bertft_core.config import UserError
from bertft_core.evaluation.certificate_checks import CHECKS, NOT_APPLICABLE, is_exact_gradient
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, compare
from bertft_core.records import Environment, RunRecord, RunSpec
from bertft_core.records.verification_record import VERIFICATION_FILE, CheckResult, RunVerdict, VerdictFinding
from bertft_core.report.prose import run_diff_text, verification_text
from bertft_core.storage.study_dir import StudyDir, checked_record, read_verification, write_verification
from bertft_core.training.certificate_runs import CheckRuns, carry_out, shortened
from bertft_core.training.retraining import environment_here, isolated, missing_input, train_again
from bertft_core.training.workers import RunFailed, WorkerDied
from flows.cli.terminal import note, say

How = Literal["verify", "replay"]


def verdict_on(recorded: RunOnDisk, spec: RunSpec, folder: Path, how: How) -> RunVerdict:
    """Train the run again in `folder` and compare; `spec` is the record's, with the paths of the inputs here.

    How this machine differs from the recorded one is printed to stderr before any time is spent.
    """
    here = environment_here(spec)
    _print_once("\n".join(environment_notes(recorded.record.environment, here)))
    return as_verdict(recorded.record, _retrained(recorded, spec, folder), here, how)


def as_verdict(record: RunRecord, finding: VerdictFinding, here: Environment, how: How) -> RunVerdict:
    """A finding with the run it is about, when it was made, and where."""
    return RunVerdict(
        run_digest=record.digest,
        title=record.spec.title,
        recorded_at=record.ended_at,
        how=how,
        finding=finding,
        checked_at=_now(),
        machine=_machine(here),
    )


def _retrained(recorded: RunOnDisk, spec: RunSpec, folder: Path) -> VerdictFinding:
    missing = missing_input(spec)
    if missing is not None:
        return not_here(missing)
    try:
        again = train_again(isolated(spec, folder / "data"), folder / "run")
    except UserError as error:
        return not_here(one_line(error))
    except (RunFailed, WorkerDied) as error:
        return not_here(f"the run did not finish: {error}")
    return compare(recorded, RunOnDisk(again, folder / "run"))


def not_here(error: str) -> VerdictFinding:
    """The finding for a run that could not be trained again."""
    return VerdictFinding(verdict="not reproducible here", error=error)


def one_line(error: UserError) -> str:
    """A user's mistake as a reason."""
    return error.problem + (f" ({error.found})" if error.found else "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _machine(environment: Environment) -> str:
    return f"{environment.device} on {environment.host}{' with oneDNN' if environment.kernels == 'onednn' else ''}"


def environment_notes(recorded: Environment | None, here: Environment) -> list[str]:
    """How this machine differs from the one where a run was recorded."""
    return list(map(run_diff_text.environment_note, environment_changes(recorded, here)))


@functools.cache
def _print_once(lines: str) -> None:
    """The runs of a study mostly share one environment."""
    for line in lines.splitlines():
        note(f"  {line}")


def print_verdict(verdict: RunVerdict, started: float) -> None:
    """The verdict with the minutes and seconds since `started` (monotonic), and what differs below it."""
    first, *others = verification_text.verdict_lines(verdict.finding)
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    clock = f"{minutes}:{seconds:02d}"
    say(f"  {verdict.title:<24} {first:<24} {clock}", *(f"    {line}" for line in others), sep="\n", flush=True)


def written_anew(study_dir: StudyDir) -> tuple[Path, Path]:
    """The records that a damage of does not matter here: one comes back from MLflow, the other is evaluated again."""
    return study_dir.path / VERIFICATION_FILE, study_dir.summary_path


def store_verdict(study_dir: StudyDir, verdict: RunVerdict) -> None:
    """Write a verdict into the study's folder."""
    write_verification(study_dir.path, read_verification(study_dir.path).with_run(verdict))


def chosen_for_certificate(records: Iterable[RunRecord]) -> RunRecord:
    """The run in which most can go wrong: the one with the most trainable parameters, then the lowest seed index."""
    return min(records, key=lambda record: (-record.n_trainable_parameters, record.spec.index))


def certify(record: RunRecord, spec: RunSpec, folder: Path, on_check: Callable[[str], None]) -> Iterator[CheckResult]:
    """Make every check of the certificate and judge it; `spec` is the record's, with the paths of the inputs here.

    Raises `UserError`, `RunFailed` or `WorkerDied` when the run cannot be trained here at all.
    """
    short = shortened(record.model_copy(update={"spec": spec}))
    machine = _machine(environment_here(spec))

    def result(runs: CheckRuns) -> CheckResult:
        finding = judged(runs)
        exact = None if runs.gradient_error is None else is_exact_gradient(runs.gradient_error)
        return CheckResult(
            check=runs.check,
            title=record.spec.title,
            run_digest=record.digest,
            n_steps=short.training.max_steps or 0,
            passed=exact if finding is None else finding.verdict == "bitwise",
            finding=finding,
            gradient_error=runs.gradient_error,
            details=runs.details,
            checked_at=_now(),
            machine=machine,
        )

    yield result(CheckRuns(NOT_APPLICABLE))
    yield from map(result, carry_out(short, folder, on_check))


def judged(runs: CheckRuns) -> VerdictFinding | None:
    """The comparison of a check's two runs; None when there are none to compare."""
    judge = CHECKS[runs.check]
    if judge is None or runs.reference_dir is None or runs.other_dir is None:
        return None
    reference, other = (RunOnDisk(checked_record(d / "record.json", RunRecord), d) for d in (runs.reference_dir, runs.other_dir))
    return judge(reference, other)
