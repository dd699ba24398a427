"""`bertft fetch`: a study that MLflow has and this home lacks, written into the home as a folder like any other."""

from pathlib import Path

from bertft_core.library.study_on_disk import known_studies, study_name
from bertft_core.report.prose.grammar import several
from bertft_core.storage.home_folder import home_dir
from flows.cli.terminal import say, say_json


def fetch_command(name: str, home: Path | None, uri: str | None, *, as_json: bool = False) -> int:
    """Write the study's folder. Raises `UserError` where MLflow lacks it, or the home has it."""
    from tasks.tracking.logged_studies import restore_study  # MLflow is slow to import

    where = home_dir(home)
    found = restore_study(study_name(name), where, uri, known_studies(where))
    missing = sum(seed.run_digest not in found.records for arm in found.summary.arms for seed in arm.seeds)
    if as_json:
        say_json({"study": name, "folder": str(found.study_dir.path), "runs": len(found.records), "missing": missing})
    say(f"wrote {found.study_dir.path}: {several(len(found.records), 'run')} from MLflow")
    if missing:
        say(f"{several(missing, 'run')} of the summary {'is' if missing == 1 else 'are'} not in MLflow")
    say(f"its report: bertft report {name}; models and data are not part of it")
    return 0
