"""Whether summary and report on disk are what this code would make of the same records again; then neither is made again.

The seal beside them holds a digest of everything they were made from, code included, and one of what was written. Predictions and
curves are known by the checksums in the records: whoever asks has looked for damage before.
"""

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bertft_core.config.base import Frozen, digest_of
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.verification_record import VERIFICATION_FILE
from bertft_core.storage.study_dir import PROBES_FILE, StudyDir, file_sha256, read_record, write_record
from bertft_core.storage.study_results import StudyResults

SEAL_FILE = "report.seal.json"
"""In the study's folder."""
PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "jinja2", "matplotlib")
"""Whose versions can change a digit or the look of a page."""


class ReportSeal(Frozen):
    """Digests of what a report was made from, and of its files."""

    made_from: str
    made: str


def read_seal(study_dir: StudyDir) -> ReportSeal | None:
    """The seal of a study's report, if it has one that can be read."""
    return read_record(study_dir.path / SEAL_FILE, ReportSeal)


def sealed_summary(results: StudyResults) -> StudySummary | None:
    """The summary on disk where it and the report are up to date; None where they are to be made."""
    study_dir = results.study_dir
    seal = read_seal(study_dir)
    if seal is None or not _can_be_sealed(results) or seal != ReportSeal(made_from=_made_from(results), made=_made(study_dir)):
        return None
    return read_record(study_dir.summary_path, StudySummary)


def seal_report(results: StudyResults) -> None:
    """Say of summary and report, which were just written, what they were made from."""
    path = results.study_dir.path / SEAL_FILE
    if _can_be_sealed(results):
        write_record(path, ReportSeal(made_from=_made_from(results), made=_made(results.study_dir)))
    else:
        path.unlink(missing_ok=True)


def seal_again(study_dir: StudyDir) -> None:
    """Seal the files as they are now, where they have a seal: they say the same in another form."""
    if (seal := read_seal(study_dir)) is not None:
        write_record(study_dir.path / SEAL_FILE, seal.model_copy(update={"made": _made(study_dir)}))


def _can_be_sealed(results: StudyResults) -> bool:
    """Records of older versions have no checksums of predictions, and the texts of probes are files of the user's."""
    return results.study.probes is None and all(map(_has_checksums, results.records.values()))


def _has_checksums(record: RunRecord) -> bool:
    return all(name in record.files for splits in record.predictions.values() for name in splits.values())


def _made_from(results: StudyResults) -> str:
    study_dir = results.study_dir
    return digest_of(
        {
            "code": _code(),
            "home": str(study_dir.home_dir.resolve()),
            "study": results.study.shareable.model_dump_json(),
            "card": results.card.model_dump_json(),
            "planned": [spec.model_dump_json() for spec in results.planned],
            "searches": [
                (sweep.model_dump_json(), sweep.report_path is not None and (study_dir.path / sweep.report_path).exists())
                for sweep in results.sweeps.values()
            ],
            "verification": _sha256(study_dir.path / VERIFICATION_FILE),
            "runs": [
                [_sha256(study_dir.run_dir(digest) / name) for name in ("record.json", PROBES_FILE)]
                for digest in sorted(results.records)
            ],
        }
    )


def _made(study_dir: StudyDir) -> str:
    """Every file of the report's folder, and the summary."""
    files = sorted(path for path in study_dir.report_dir.rglob("*") if path.is_file())
    return digest_of({str(path.relative_to(study_dir.path)): _sha256(path) for path in (*files, study_dir.summary_path)})


@cache
def _code() -> str:
    """Of our modules and templates, and the libraries that compute and lay out."""
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".j2", ".css", ".js"))
    known = {str(path.relative_to(PACKAGE)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return digest_of([sys.version, {name: _version(name) for name in LIBRARIES}, known])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None
