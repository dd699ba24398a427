"""`bertft diagnose`: why a result may be poor or unstable, check by check, from what the study has stored."""

import json
from pathlib import Path

from bertft_core.evaluation.diagnosis.diagnose_study import diagnose
from bertft_core.evaluation.summarize import evaluated
from bertft_core.records import StudySummary
from bertft_core.report.prose import diagnosis_text
from bertft_core.storage.study_dir import read_record
from flows.cli.find_study import find_study


def diagnose_command(name: str, home: Path | None, *, as_json: bool) -> int:
    """Print every check's outcome, the worst first. Raises `UserError` when no report run has ended."""
    found = find_study(name, home)
    results = found.results()
    if not any(spec.digest in results.records for spec in results.planned):
        raise found.no_finished_runs()
    diagnoses = diagnose(evaluated(results, read_record(found.dir.summary_path, StudySummary)))
    if as_json:
        checks = [diagnosis_text.as_json(diagnosis) for diagnosis in diagnoses]
        print(json.dumps({"study": found.study.name, "checks": checks}, indent=1))
    else:
        print(diagnosis_text.describe(found.study.name, diagnoses))
    return 0
