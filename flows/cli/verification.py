"""What verify and replay share: a recorded run is trained again in a fresh process, compared, and told of."""

from __future__ import annotations

import functools
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bertft_core.config import UserError
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, compare
from bertft_core.records import Environment, RunSpec
from bertft_core.records.verification_record import RunVerdict, VerdictFinding
from bertft_core.training.retraining import environment_here, isolated, missing_input, train_again
from bertft_core.training.slots import RunFailed, WorkerDied

N_NAMED = 4


def verdict_on(recorded: RunOnDisk, spec: RunSpec, folder: Path, how: Literal["verify", "replay"]) -> RunVerdict:
    """Train the run again in `folder` and say how it compares; `spec` is the record's, with the places of the inputs here.

    Before the time is spent, what is another here than where the run was recorded is told on stderr.
    """
    here = environment_here(spec)
    _tell_once("\n".join(environment_lines(recorded.record.environment, here)))
    return as_verdict(recorded, _finding(recorded, spec, folder), here, how)


def as_verdict(recorded: RunOnDisk, finding: VerdictFinding, here: Environment, how: Literal["verify", "replay"]) -> RunVerdict:
    """A finding with which run it speaks of, when it was made, and where."""
    record = recorded.record
    return RunVerdict(
        run_digest=record.digest,
        title=record.spec.title,
        recorded_at=record.ended_at,
        how=how,
        finding=finding,
        checked_at=now(),
        machine=machine(here),
    )


def _finding(recorded: RunOnDisk, spec: RunSpec, folder: Path) -> VerdictFinding:
    missing = missing_input(spec)
    if missing is not None:
        return not_here(missing)
    try:
        again = train_again(isolated(spec, folder / "data"), folder / "run")
    except UserError as error:
        return not_here(one_line(error))
    except (RunFailed, WorkerDied) as error:
        return not_here(f"it did not come to its end: {error}")
    return compare(recorded, RunOnDisk(again, folder / "run"))


def not_here(reason: str) -> VerdictFinding:
    """The finding of a run that could not be trained again."""
    return VerdictFinding(verdict="not reproducible here", reason=reason)


def one_line(error: UserError) -> str:
    """A user's mistake as a reason."""
    return error.problem + (f" ({error.found})" if error.found else "")


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine(environment: Environment) -> str:
    """Device and host."""
    return f"{environment.device} on {environment.host}"


def environment_lines(recorded: Environment | None, here: Environment) -> list[str]:
    """What is another here than where a run was recorded."""
    changes = [] if recorded is None else environment_changes(recorded, here)
    return [f"another environment: {change}{'' if change.decides else ' (decides no number)'}" for change in changes]


@functools.cache
def _tell_once(lines: str) -> None:
    """The runs of a study mostly share one environment."""
    for line in lines.splitlines():
        print(f"  {line}", file=sys.stderr, flush=True)


class Timer:
    """Seconds since it was made, as minutes and seconds."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __str__(self) -> str:
        seconds = round(time.monotonic() - self._started)
        return f"{seconds // 60}:{seconds % 60:02d}"


def verdict_lines(finding: VerdictFinding) -> list[str]:
    """What a person reads of a finding, the verdict first."""
    lines = [finding.words]
    if finding.reason is not None:
        lines.append(f"because    {finding.reason}")
    if finding.verdict == "not reproducible here" and finding.largest_difference is not None:
        lines.append(f"metrics    apart by at most {finding.largest_difference:.3g}")
    if finding.differences:
        more = len(finding.differences) - N_NAMED
        named = ", ".join(finding.differences[:N_NAMED]) + (f", and {more} more" if more > 0 else "")
        lines.append(f"not equal  {named}")
        first = "no step's loss or gradient norm differs" if finding.first_step is None else f"first at step {finding.first_step}"
        lines.append(f"curves     {first}")
    return lines
