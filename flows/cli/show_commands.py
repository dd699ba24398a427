"""`bertft status`, `show`, `diagnose`, `report` and `check-data`: what is there, without training anything."""

import gc
import json
from collections import Counter
from pathlib import Path

from bertft_core.config import UserError, load_study
from bertft_core.library.study_on_disk import StudyOnDisk, no_finished_runs
from bertft_core.records import RunSpec, StudySummary
from bertft_core.records.selection import answers
from bertft_core.report.prose import model_selection_text
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import read_record, write_record
from flows.cli.find_study import find_study
from flows.cli.terminal import name_width, say
from tasks.study_lock import holder_of, is_held

STATES = ("done", "running", "failed", "missing")


def check_data_command(config: Path, overrides: list[str], home: Path | None) -> int:
    """Prepare the data and print its card."""
    from bertft_core.report.prose.data_card_text import card_text
    from bertft_core.training.trial_step import prepare_and_try

    say(card_text(prepare_and_try(load_study(config, overrides), home_dir=home_dir(home))))
    return 0


def status_command(name: str, home: Path | None) -> int:
    """Print a line for each stage and arm, and every run that is not done; 1 when a run failed."""
    found = find_study(name, home)
    running = is_held(found.dir)
    say(f"{found.study.name}: {_holder_words(found) if running else 'no command is running it'}")
    _print_troubles(found, running)
    if found.card is None:
        say("  its data are not prepared yet")
        return 0
    n_failed, width = 0, name_width(found.study.arms)
    for arm, config in found.study.arms.items():
        if config.search is not None:
            say(f"  {arm:<{width}} search  {_search_words(found, arm, config.search.n_trials)}")
        if config.search is not None and arm not in found.sweeps:
            say(f"  {arm:<{width}} seeds   {found.study.n_runs_per_arm} runs planned, after the search")
            continue
        for stage, specs in (("seeds", found.wanted.planned), ("repeats", found.wanted.repeats)):
            states = [(spec, state_of(found, spec, running)) for spec in specs if spec.arm == arm]
            if states or stage == "seeds":
                n_failed += _print_states(found, f"  {arm:<{width}} {stage:<7}", states)
    return 1 if n_failed else 0


def _print_states(found: StudyOnDisk, start: str, states: list[tuple[RunSpec, str]]) -> int:
    """A line of counts, and one for each run that is not done; how many failed."""
    counts = Counter(state for _, state in states)
    say(f"{start} {', '.join(f'{counts[state]} {state}' for state in STATES)} of {len(states)}")
    for spec, state in states:
        if state != "done":
            say(f"    {spec.title}: {state}{_reason(found, spec)}")
    return counts["failed"]


def _holder_words(found: StudyOnDisk) -> str:
    owner = holder_of(found.dir)
    return "a command is running it now" + ("" if owner is None else f" ({owner.words()})")


def _print_troubles(found: StudyOnDisk, running: bool) -> None:
    """What is damaged, and where the stores say something else than the records; of a study in motion they are behind anyway."""
    from tasks.tracking.store_consistency import damages, inconsistencies, repair_helps

    for damage in damages(found.dir, found.card):
        say(f"  damaged  {damage.line(found.dir.home_dir)}")
    if running:
        return
    lines = inconsistencies(found.study, found.dir, found.unplanned)
    for line in lines:
        say(f"  differs  {line}")
    if repair_helps(lines):
        say(f"           the records are right; bertft repair {found.study.name} makes the others agree")


def state_of(found: StudyOnDisk, spec: RunSpec, study_is_running: bool) -> str:
    """done, running, failed or missing."""
    record = found.records.get(spec.digest)
    if record is not None and record.status == "failed":
        return "failed"
    if record is not None and answers(record, spec):
        return "done"
    started = (found.dir.run_dir(spec.digest) / "spec.json").exists()
    return "running" if started and study_is_running else "missing"


def _reason(found: StudyOnDisk, spec: RunSpec) -> str:
    record = found.records.get(spec.digest)
    if record is not None and record.status == "failed":
        return f" after {record.attempts} attempts: {record.error}"
    resumable = any((found.dir.run_dir(spec.digest) / "checkpoint").glob("step-*[0-9]"))
    return ", will resume from its checkpoint" if resumable else ""


def _search_words(found: StudyOnDisk, arm: str, n_trials: int) -> str:
    begun = {r.spec.trial for r in found.records.values() if r.spec.stage == "search" and r.spec.arm == arm}
    return model_selection_text.search_state(found.sweeps.get(arm), len(begun), n_trials)


def show_command(name: str, home: Path | None, *, as_json: bool) -> int:
    """Print the stored summary."""
    from bertft_core.report.text_table import result_table

    found = find_study(name, home).intact(records_only=True)
    summary = read_record(found.dir.summary_path, StudySummary)
    if summary is None:
        raise UserError(
            f"the study '{found.study.name}' has not been evaluated yet",
            code="study.not-evaluated",
            path=found.dir.path,
            hint=f"run it to its end, or see: bertft status {found.study.name}",
        )
    say(summary.model_dump_json(indent=1) if as_json else result_table(summary))
    return 0


def diagnose_command(name: str, home: Path | None, *, as_json: bool) -> int:
    """Print every check's outcome, the worst first. Raises `UserError` when no report run has ended."""
    from bertft_core.evaluation.diagnosis.diagnose_study import diagnose
    from bertft_core.evaluation.summarize import evaluated
    from bertft_core.report.prose import diagnosis_text

    found = find_study(name, home).intact()
    results = found.results()
    if not any(spec.digest in results.records for spec in results.planned):
        raise no_finished_runs(found.dir)
    diagnoses = diagnose(evaluated(results, read_record(found.dir.summary_path, StudySummary)))
    if as_json:
        checks = [diagnosis_text.as_json(diagnosis) for diagnosis in diagnoses]
        say(json.dumps({"study": found.study.name, "checks": checks}, indent=1))
    else:
        say(diagnosis_text.describe(found.study.name, diagnoses))
    return 0


def report_command(name: str, home: Path | None) -> int:
    """Evaluate the records that are there and write the report again."""
    found = find_study(name, home)
    say(rebuild_report(found.intact(but=[found.dir.summary_path])))
    return 0


def rebuild_report(found: StudyOnDisk) -> Path:
    """Evaluate what is on disk and write summary and report; the path of the report. Raises `UserError` without records."""
    from bertft_core.evaluation.summarize import evaluated

    results = found.results()
    gc.freeze()  # records and libraries stay: collecting what the evaluation leaves need not look at them
    results = evaluated(results)
    from bertft_core.report.report_seal import seal_report
    from bertft_core.report.study_report import write_report  # pandas takes 40 MiB, which the evaluation has given up by now

    write_record(found.dir.summary_path, results.summary)
    path = write_report(results)
    seal_report(results)
    return path
