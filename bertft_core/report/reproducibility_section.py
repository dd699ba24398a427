"""The report's section on what was verified: runs trained again, and the certificate."""

import shlex
from collections.abc import Mapping
from typing import Any

from bertft_core.evaluation.certificate_checks import CHECKS, NOT_APPLICABLE
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.verification_record import CheckResult, RunVerdict, Verification
from bertft_core.report.prose import verification_text
from bertft_core.storage.study_dir import StudyDir, read_verification

Row = dict[str, Any]


def section(summary: StudySummary, records: Mapping[str, RunRecord], study_dir: StudyDir) -> Row:
    """What the template lays out: sentences, a row for each verified run, and one for each check, done or not."""
    verification = read_verification(study_dir.path)
    verify = ["bertft", "verify", summary.study, "--home", str(study_dir.home_dir.resolve())]
    verdicts = _of_these_runs(verification, summary, records)
    return {
        "sentence": _sentence(verdicts, summary, records),
        "verdicts": [
            {
                "title": verdict.title + ("" if verdict.how == "verify" else " (from MLflow alone)"),
                "words": verification_text.verdict(verdict.finding),
                "css": "ok" if verdict.finding.verdict == "bitwise" else "failed",
                "remarks": verification_text.remarks(verdict.finding),
                "when": f"{verdict.checked_at[:16].replace('T', ' ')} UTC, {verdict.machine}",
            }
            for verdict in verdicts
        ],
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
    verified = {verdict.run_digest for verdict in verdicts}
    different = {verdict.run_digest for verdict in verdicts if verdict.finding.verdict != "bitwise"}
    return verification_text.verified_runs(len(finished), len(verified), len(verified - different))


def _check_rows(verification: Verification, records: Mapping[str, RunRecord]) -> list[Row]:
    """The table of checks, each with its newest result; one made on a run that the study no longer has counts as not done."""
    done = {result.check: result for result in verification.checks if result.run_digest in records}
    titles = (dict(zip(("title", "how"), verification_text.TITLES[name], strict=True)) for name in CHECKS)
    return [title | _outcome(name, done.get(name)) for title, name in zip(titles, CHECKS, strict=True)]


def _outcome(name: str, result: CheckResult | None) -> Row:
    if name == NOT_APPLICABLE:
        return {"words": "not applicable", "css": "", "remarks": verification_text.NO_DATA_WORKERS, "when": None}
    if result is None:
        return {"words": "not done", "css": "missing", "remarks": "", "when": None}
    css = {True: "ok", False: "failed", None: ""}[result.passed]
    found = verification_text.check_found(result)
    return {"words": verification_text.OUTCOMES[result.passed], "css": css, "remarks": found, "when": result.checked_at[:10]}


def _certified_run(verification: Verification, records: Mapping[str, RunRecord]) -> str | None:
    """Which run the checks were made on, how many steps of it, and where."""
    done = [result for result in verification.checks if result.run_digest in records and result.passed is not None]
    if not done:
        return None
    runs = {f"{r.title} ({'first step' if r.n_steps == 1 else f'first {r.n_steps} steps'}, {r.machine})" for r in done}
    return " and ".join(sorted(runs))
