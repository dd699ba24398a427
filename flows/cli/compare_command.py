"""`bertft compare`: compare arms within one study or across studies, from their stored runs."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.addresses import shown
from bertft_core.config.base import digest_of
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.summarize import summarize
from bertft_core.library.compare import table_results
from bertft_core.library.study_on_disk import StudyOnDisk, is_config, known_studies, study_dir_of
from bertft_core.records import StudySummary
from bertft_core.records.comparison_record import COMPARISON_FILE, Comparison
from bertft_core.storage.home_folder import COMPARISONS, home_dir
from bertft_core.storage.output_file import check_output_folder, is_special
from bertft_core.storage.study_dir import read_record
from bertft_core.storage.study_results import StudyResults
from flows.cli.find_study import find_study
from flows.cli.terminal import advise, note, say, say_json, warn

WRITTEN = (COMPARISON_FILE, "comparison.html", "tables", "figures")
"""Everything in the folder of a comparison."""
MAX_NAME = 200
"""Characters of a comparison's folder name; a file name may have 255 bytes."""


def compare_command(
    names: Sequence[str],
    home: Path | None,
    request: ComparisonRequest,
    tables: Sequence[Path] = (),
    *,
    uri: str | None,
    output: Path | None,
    paper: bool = False,
    as_json: bool,
) -> int:
    """Compare, print, and write the folder and MLflow's run; a store that cannot be reached only costs a warning.

    `tables` are files of predictions that were made elsewhere; MLflow has no experiment for these.
    """
    if not names and not tables:
        raise UserError(
            "nothing to compare",
            code="compare.nothing-given",
            found="neither a study nor a file",
            expected="names of studies, or a file of predictions with --csv",
            hint="bertft list shows the studies of a home",
        )
    where = home_dir(home)
    if output is not None:
        output = check_output_folder(output, "--output", home=where)
        refuse_files_of_others(output)
    with tempfile.TemporaryDirectory(prefix="bertft-compare-") as folder:
        found = [_results(name, where, Path(folder) / str(i), uri) for i, name in enumerate(names)]
        found += [table_results(path, beside=found, warn=warn) for path in tables]
        once = {one.study.name: one for one in found}  # a name and its config file are one study
        comparison = compare_studies(list(once.values()), request)
    page = _print_and_write(
        comparison, output or where / COMPARISONS / _folder_name(comparison.studies), paper=paper, as_json=as_json
    )
    if not tables and (problem := _log(where, uri, comparison, page.parent)) is not None:
        warn(f"the comparison is not in MLflow: {problem}")
    return 0


def refuse_files_of_others(folder: Path) -> None:
    """Raise `UserError` for a folder with something in the place of a comparison's files that no comparison has written."""
    there = [name for name in WRITTEN if os.path.lexists(folder / name)]
    ours = there and read_record(folder / COMPARISON_FILE, Comparison) is not None
    special = [name for name in there if (folder / name).is_symlink() or is_special(folder / name)]
    if special or (there and not ours):
        raise UserError(
            "--output: the folder has files that are not a comparison's",
            code="output.not-ours",
            path=folder,
            found=", ".join(special or there),
            expected="a new folder, or that of an earlier comparison",
            hint="name another folder",
        )


def _print_and_write(comparison: Comparison, folder: Path, *, paper: bool, as_json: bool) -> Path:
    """The path of the page."""
    from bertft_core.report.comparison_page import write_comparison
    from bertft_core.report.comparison_table import comparison_table

    if as_json:
        say_json(comparison.model_dump_json(indent=1))
    else:
        say(comparison_table(comparison))
    page = write_comparison(comparison, folder, paper=paper)
    if as_json:
        note(f"page      {page}")
    else:
        advise(f"\npage      {page}")
    return page


def _folder_name(studies: Sequence[str]) -> str:
    """The studies' names; shortened with a digest where they are too long."""
    name = "+".join(studies)
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}-{digest_of(list(studies))[:8]}"


def _log(home: Path, uri: str | None, comparison: Comparison, folder: Path) -> str | None:
    """Write MLflow's run; the reason when that fails."""
    from tasks.tracking.comparison_log import log_comparison  # MLflow is slow to import
    from tasks.tracking.mlflow_store import MlflowException

    try:
        log_comparison(home, uri, comparison, folder)
    except (MlflowException, OSError) as error:
        return shown(error)
    return None


def _results(name: str, home: Path, folder: Path, uri: str | None) -> StudyResults:
    """The study of this home, or one that only MLflow has. Raises `UserError`."""
    known = known_studies(home)
    is_here = is_config(name) or study_dir_of(name, home).path.name in known
    if is_here or (uri is None and not (home / "mlflow.db").is_file()):
        return _on_disk(find_study(name, home).intact())
    from tasks.tracking.logged_studies import fetch_study

    logged = fetch_study(name, folder, home_dir=home, uri=uri, in_home=known)
    note(f"{name}: {len(logged.records)} runs from MLflow only")
    return logged


def _on_disk(found: StudyOnDisk) -> StudyResults:
    """What its folder holds, evaluated now if that was not done yet."""
    results = found.results()
    summary = read_record(found.dir.summary_path, StudySummary)
    if summary is None or summary.study_digest != found.study.digest:
        summary = summarize(results)
    return results.with_summary(summary)
