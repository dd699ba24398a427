"""`bertft replay`: a run rebuilt from MLflow's record alone, including its data, and trained again."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.addresses import shown
from bertft_core.evaluation.run_diff.diff_runs import card_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.records.verification_record import RunVerdict
from bertft_core.report.prose import run_diff_text, verification_text
from bertft_core.storage.damage import refuse_damage
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.retraining import as_possible_here, environment_here
from flows.cli.find_study import find_study
from flows.cli.show_commands import rebuild_report
from flows.cli.terminal import say, say_json, warn
from flows.cli.verification import as_verdict, not_here, one_line, print_verdict, store_verdict, verdict_on, written_anew
from tasks.study_lock import held
from tasks.tracking.logged_runs import LoggedRun, fetch_run
from tasks.tracking.mlflow_store import MlflowException
from tasks.tracking.repair_stores import recover_verification
from tasks.tracking.verdicts import merge_on_parent, tag_run

RESTORE = "restore what the run was trained on"


def replay_command(name: str, home: Path | None, uri: str | None, *, as_json: bool = False) -> int:
    """Prepare, train and compare in a temporary home, store and print the verdict; 0 when it is bitwise, else 1."""
    where = home_dir(home)
    with tempfile.TemporaryDirectory(prefix="bertft-replay-") as folder:
        logged = fetch_run(name, Path(folder), home_dir=where, uri=uri)
        study_dir = StudyDir(where, logged.study.name)  # gets the verdict if it has the run
        refuse_damage(study_dir, but=written_anew(study_dir))
        _print_run(logged)
        started = time.monotonic()
        verdict = _replay(logged, Path(folder), where)
        print_verdict(verdict, started)
        for problem in _logged(logged, verdict, where):
            warn(problem)
    if as_json:
        say_json({"study": logged.study.name, "verdict": verdict.model_dump(mode="json")})
    return 0 if verdict.finding.verdict == "bitwise" else 1


def _print_run(logged: LoggedRun) -> None:
    record = logged.record
    say(f"{logged.study.name}: {record.spec.title}, recorded {record.ended_at}, from MLflow alone")
    say(f"  data       {logged.study.data.source}, fingerprint {record.spec.data_fingerprint[:16]}")
    say(f"  encoder    {record.spec.encoder.checkpoint}, SHA-256 {record.spec.encoder.weights_sha256[:16]}")
    if record.environment is not None:
        say(f"  wants      {verification_text.environment_wanted(record.environment)}", flush=True)


def _replay(logged: LoggedRun, folder: Path, home: Path) -> RunVerdict:
    try:
        spec = rebuilt_spec(logged, folder / "home", home)
    except UserError as error:
        here = environment_here(logged.record.spec)
        return as_verdict(logged.record, not_here(one_line(error)), here, "replay")
    return verdict_on(RunOnDisk(logged.record, logged.run_dir), spec, folder / "again", "replay")


def rebuilt_spec(logged: LoggedRun, temporary_home: Path, home: Path) -> RunSpec:
    """The record's spec over data prepared again from the study's config.

    Raises `UserError` when data or encoder are not available here, or have changed since the run.
    """
    from bertft_core.training.trial_step import prepare_and_try  # slow

    spec = logged.record.spec
    study = logged.study.only(spec.arm)
    card = prepare_and_try(_with_encoder_found(study, home), home_dir=temporary_home).of_run(spec)
    other_texts = spec.replayed_sha256 is not None and spec.replayed_sha256 not in card.raw_texts.values()
    if card.fingerprint != spec.data_fingerprint or other_texts:
        raise UserError(
            "the data have changed",
            code="replay.data-changed",
            found="other texts in the file that the strategy replay reads"
            if other_texts
            else _what_changed(None if logged.card is None else logged.card.of_run(spec), card),
            hint=RESTORE,
        )
    if card.encoder.weights_sha256 != spec.encoder.weights_sha256:
        raise UserError(
            "the encoder weights have changed",
            code="replay.encoder-changed",
            found=f"SHA-256 {card.encoder.weights_sha256}",
            hint=RESTORE,
        )
    return as_possible_here(logged.record).model_copy(update={"prepared_dir": card.directory, "encoder_dir": card.encoder_dir})


def _with_encoder_found(study: StudyConfig, home: Path) -> StudyConfig:
    """A model that an earlier study has kept is in the home, not in the temporary one."""
    if study.encoder.study is None:
        return study
    from bertft_core.config.encoder_settings import EncoderConfig
    from bertft_core.data.encoder_files import resolve_encoder

    found = resolve_encoder(study.encoder, home)
    return study.model_copy(update={"encoder": EncoderConfig(path=str(found.directory))})


def _what_changed(recorded: DatasetCard | None, card: DatasetCard) -> str:
    changes = [] if recorded is None else card_changes(recorded, card)
    return "; ".join(map(run_diff_text.data_change, changes)) or f"fingerprint {card.fingerprint[:16]}"


def _logged(logged: LoggedRun, verdict: RunVerdict, home: Path) -> Iterator[str]:
    """Log and store the verdict; what went wrong, in words: a store may have gone away while the run was trained."""
    for log in (lambda: tag_run(logged.client, logged.run.info.run_id, verdict), lambda: _store(logged, verdict, home)):
        try:
            log()
        except (MlflowException, OSError) as error:
            yield f"MLflow: the verdict is not in it: {shown(error)}"


def _store(logged: LoggedRun, verdict: RunVerdict, home: Path) -> None:
    """Store the verdict in the study's folder and report where they still have this run, otherwise in MLflow alone."""
    study_dir = StudyDir(home, logged.study.name)
    record = study_dir.record(verdict.run_digest)
    if record is None or record.ended_at != verdict.recorded_at:
        merge_on_parent(logged.client, logged.run, verdict)
        return
    try:
        with held(study_dir):
            for line in recover_verification(logged.study, study_dir):
                warn(line)
            store_verdict(study_dir, verdict)
            rebuild_report(find_study(logged.study.name, home))
    except UserError as error:
        warn(f"the verdict is in MLflow but not in the report: {error.problem}")
