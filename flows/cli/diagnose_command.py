"""`bertft diagnose`: why a result may be poor or unstable, check by check, from what the study has kept."""

from __future__ import annotations

import json
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.evaluation.diagnosis.diagnose_study import diagnose
from bertft_core.evaluation.diagnosis.evidence import Evidence
from bertft_core.evaluation.diagnosis.wording import describe
from bertft_core.evaluation.summarize import evaluated
from bertft_core.records import StudySummary
from bertft_core.storage.study_dir import read_record
from flows.cli.find_study import StudyOnDisk, find_study


def diagnose_command(name: str, home: Path | None, *, as_json: bool) -> int:
    """Print every check's outcome, the worst first."""
    found = find_study(name, home)
    evidence = evidence_of(found)
    diagnoses = diagnose(evidence)
    if as_json:
        print(json.dumps({"study": found.study.name, "checks": [each.model_dump(mode="json") for each in diagnoses]}, indent=1))
    else:
        print(describe(found.study.name, diagnoses))
    return 0


def evidence_of(found: StudyOnDisk) -> Evidence:
    """What the study has kept. Raises `UserError` when none of its report runs has ended."""
    results = found.results()
    digests = {spec.digest for spec in results.planned}
    records = tuple(record for digest, record in results.records.items() if digest in digests)
    if not records:
        raise UserError(
            f"the study '{found.study.name}' has no finished runs yet",
            path=found.dir.path,
            hint="run it first: bertft run CONFIG",
        )
    summary = evaluated(results, read_record(found.dir.summary_path, StudySummary)).summary
    return Evidence(results.study, results.card, records, results.sweeps, summary, results.run_dir_of)
