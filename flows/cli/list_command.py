"""`bertft list`: every study of a home with its state, runs, headline, age and size."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.library.study_on_disk import StudyOnDisk, known_studies, open_study
from bertft_core.records import StudySummary
from bertft_core.report.formatting import numbers
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.retention import folder_bytes
from bertft_core.storage.study_dir import StudyDir, read_record
from flows.cli.plan_command import size_words
from flows.cli.terminal import say, say_json
from tasks.study_lock import is_held

ENDED = ("ok", "collapsed", "diverged", "pruned")
UNITS = (("d", 86400), ("h", 3600), ("min", 60))
MOST_ARMS = 3
"""Whose scores a line has room for."""


def list_command(home: Path | None, *, as_json: bool) -> int:
    """Print a line for each study, the one that was last worked on first."""
    where = home_dir(home)
    rows = sorted((_row(StudyDir(where, name)) for name in known_studies(where)), key=lambda row: -row["changed_at"])
    if as_json:
        say_json({"home": str(where), "studies": rows})
        return 0
    if not rows:
        say(f"no studies in {where}")
        return 0
    lines = [("study", "state", "runs", "age", "size", "headline")]
    lines += [
        (
            row["study"],
            row["state"],
            f"{row['n_done']}/{row['n_planned']}" + (f", {row['n_failed']} failed" if row["n_failed"] else ""),
            _age(row["changed_at"]),
            size_words(row["n_bytes"]),
            _headline(row),
        )
        for row in rows
    ]
    say(aligned(lines))
    return 0


def _row(study_dir: StudyDir) -> dict[str, Any]:
    """What is said of one study; a damaged one is a row too."""
    changed = max((path.stat().st_mtime for path in (study_dir.config_path, study_dir.summary_path) if path.exists()), default=0)
    row: dict[str, Any] = {
        "study": study_dir.path.name,
        "state": "damaged",
        "n_done": 0,
        "n_planned": 0,
        "n_failed": 0,
        "headline": None,
        "arms": [],
        "changed_at": changed,
        "n_bytes": folder_bytes(study_dir.path),
    }
    try:
        return row | _of_study(open_study(study_dir))
    except UserError:
        return row


def _of_study(found: StudyOnDisk) -> dict[str, Any]:
    """A summary of these settings counts the runs; without one the records do."""
    summary = read_record(found.dir.summary_path, StudySummary)
    if summary is not None and summary.study_digest == found.study.digest:
        counts = [(status, n) for arm in summary.arms for status, n in arm.counts.items()]
        n_planned = sum(arm.n_planned for arm in summary.arms)
        answer = {"headline": summary.headline_key, "arms": list(_arms(summary))}
    else:
        known = [found.records[spec.digest].status for spec in found.wanted.planned if spec.digest in found.records]
        counts, answer = [(status, 1) for status in known], {}
        n_planned = max(len(found.wanted.planned), found.study.n_runs_per_arm * len(found.study.arms))
    n_done = sum(n for status, n in counts if status in ENDED)
    state = "running" if is_held(found.dir) else "done" if answer and n_done == n_planned else "unfinished"
    n_failed = sum(n for status, n in counts if status == "failed")
    return {"state": state, "n_done": n_done, "n_planned": n_planned, "n_failed": n_failed} | answer


def _arms(summary: StudySummary) -> Iterator[dict[str, Any]]:
    """Name, mean, sd and number of runs of every arm with a score."""
    for arm in summary.arms:
        for row in arm.metrics:
            if f"{row.checkpoint}/{row.split}/{row.metric}" == summary.headline_key and row.collapsed_included:
                yield {"arm": arm.arm, "mean": row.mean, "sd": row.sd, "n": row.n}


def _headline(row: dict[str, Any]) -> str:
    if not row["arms"]:
        return numbers.ABSENT
    _, split, metric = row["headline"].split("/", 2)
    shown = [f"{arm['arm']} {numbers.score(arm['mean'])}" for arm in row["arms"][:MOST_ARMS]]
    return f"{metric} on {split}: {', '.join(shown)}" + (", …" if len(row["arms"]) > MOST_ARMS else "")


def _age(changed_at: float) -> str:
    """`3 d`, `5 h`, `12 min`, `now`."""
    seconds = max(0.0, time.time() - changed_at)
    return next((f"{int(seconds // size)} {unit}" for unit, size in UNITS if seconds >= size), "now")
