"""When, how long, how completely and by which code a study was run, in a few words each."""

from datetime import datetime

from bertft_core.report.formatting import numbers
from bertft_core.storage.study_results import StudyResults

COMMIT_DIGITS = 10


def facts(results: StudyResults) -> list[str]:
    """'2026-11-29', '12 min', '10 of 10 runs ended well', 'commit 1f2e3d4c5b'; what the records do not know is left out."""
    runs, environment = results.report_runs, results.environment
    arms = results.summary.arms
    n_ok, n = sum(arm.counts.get("ok", 0) for arm in arms), sum(arm.n_planned for arm in arms)
    found = [f"{n_ok} of {n} runs ended well"]
    if runs:
        first, last = (datetime.fromisoformat(end) for end in (min(r.started_at for r in runs), max(r.ended_at for r in runs)))
        found = [last.date().isoformat(), numbers.duration((last - first).total_seconds()), *found]
    if environment is not None and environment.commit:
        found.append(f"commit {environment.commit[:COMMIT_DIGITS]}{' with changes' if environment.dirty else ''}")
    return found
