"""The section that says what was proved of the numbers above it: runs trained again, and the certificate."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from bertft_core.evaluation.certificate_checks import CHECKS
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.verification_record import CheckResult, RunVerdict, Verification
from bertft_core.storage import StudyDir
from bertft_core.storage.verification_file import read_verification

Row = dict[str, Any]
N_NAMED = 4


def section(summary: StudySummary, records: Mapping[str, RunRecord], study_dir: StudyDir) -> Row:
    """What the template lays out: sentences, a row for each verified run, and one for each check, done or not."""
    verification = read_verification(study_dir.path)
    verify = ["bertft", "verify", summary.study, "--home", str(study_dir.home_dir.resolve())]
    verdicts = _of_these_runs(verification, summary, records)
    return {
        "sentence": _sentence(verdicts, summary, records),
        "verdicts": [_verdict_row(verdict) for verdict in verdicts],
        "checks": _check_rows(verification, records),
        "verify": shlex.join([*verify, "--runs", "all"]),
        "certify": shlex.join([*verify, "--certify"]),
        "title": _certified_run(verification, records),
    }


def _of_these_runs(verification: Verification, summary: StudySummary, records: Mapping[str, RunRecord]) -> list[RunVerdict]:
    """The verdicts that speak of the runs of this report, in their order; a run trained anew since is not meant."""
    digests = [seed.run_digest for arm in summary.arms for seed in arm.seeds]
    of_run = {digest: [v for v in verification.runs if v.run_digest == digest] for digest in digests}
    return [
        verdict
        for digest in dict.fromkeys(digests)
        for verdict in of_run[digest]
        if digest in records and records[digest].ended_at == verdict.recorded_at
    ]


def _sentence(verdicts: list[RunVerdict], summary: StudySummary, records: Mapping[str, RunRecord]) -> str:
    digests = [seed.run_digest for arm in summary.arms for seed in arm.seeds]
    finished = {digest for digest in digests if digest in records and records[digest].finished}
    if not verdicts:
        return f"None of the {len(finished)} finished report runs has been trained again yet."
    verified = {verdict.run_digest for verdict in verdicts}
    apart = {verdict.run_digest for verdict in verdicts if verdict.finding.verdict != "bitwise"}
    n_equal = len(verified - apart)
    return (
        f"Trained again from their records in fresh processes: {len(verified)} of {len(finished)} finished report runs."
        f" Equal to the last bit in weights, losses, metrics and predictions: {n_equal} of {len(verified)}."
    )


def _verdict_row(verdict: RunVerdict) -> Row:
    finding = verdict.finding
    told = []
    if finding.reason is not None:
        told.append(f"because of {finding.reason}")
    if finding.differences:
        more = len(finding.differences) - N_NAMED
        told.append("not equal: " + ", ".join(finding.differences[:N_NAMED]) + (f" and {more} more" if more > 0 else ""))
    if finding.first_step is not None:
        told.append(f"first at step {finding.first_step}")
    if finding.verdict == "bitwise" and finding.environment:
        told.append("in another environment: " + "; ".join(finding.environment))
    by = "" if verdict.how == "verify" else " (from MLflow alone)"
    return {
        "title": verdict.title + by,
        "words": finding.words,
        "css": "ok" if finding.verdict == "bitwise" else "failed",
        "told": "; ".join(told),
        "when": _when(verdict.checked_at, verdict.machine),
    }


def _when(checked_at: str, machine: str) -> str:
    return f"{checked_at[:16].replace('T', ' ')} UTC, {machine}"


def _check_rows(verification: Verification, records: Mapping[str, RunRecord]) -> list[Row]:
    """The table of checks, each with its newest result; one that was made on a run of another setting is as good as not done."""
    done = {result.check: result for result in verification.checks if result.run_digest in records}
    return [
        {
            "title": check.title,
            "how": check.how,
            **_outcome(done.get(name), check.not_applicable),
        }
        for name, check in CHECKS.items()
    ]


def _outcome(result: CheckResult | None, not_applicable: str | None) -> Row:
    if not_applicable is not None:
        return {"words": "not applicable", "css": "", "told": not_applicable, "when": None}
    if result is None:
        return {"words": "not done", "css": "missing", "told": "", "when": None}
    words = {True: "passed", False: "failed", None: "not applicable"}[result.passed]
    css = {True: "ok", False: "failed", None: ""}[result.passed]
    return {"words": words, "css": css, "told": result.found, "when": result.checked_at[:10]}


def _certified_run(verification: Verification, records: Mapping[str, RunRecord]) -> str | None:
    """Which run the checks were made on, how many steps of it, and where."""
    done = [result for result in verification.checks if result.run_digest in records and result.passed is not None]
    if not done:
        return None
    runs = {f"{r.title} ({'first step' if r.n_steps == 1 else f'first {r.n_steps} steps'}, {r.machine})" for r in done}
    return " and ".join(sorted(runs))
