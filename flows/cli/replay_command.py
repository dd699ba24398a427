"""`bertft replay`: a run rebuilt from MLflow's record alone, data and all, and trained again."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bertft_core.config import StudyConfig, UserError
from bertft_core.evaluation.run_diff.card_diff import card_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.records.verification_record import RunVerdict
from bertft_core.storage import StudyDir
from bertft_core.storage.verification_file import read_verification, write_verification
from bertft_core.training.retraining import environment_here
from flows.cli.find_study import find_study
from flows.cli.show_commands import rebuild_report
from flows.cli.verification import Timer, as_verdict, not_here, one_line, verdict_lines, verdict_on
from tasks.home import home_dir
from tasks.study_lock import held
from tasks.tracking.logged_runs import LoggedRun, fetch_run
from tasks.tracking.repair_stores import recover_verification
from tasks.tracking.verdicts import merge_on_parent, tag_run


def replay_command(name: str, home: Path | None, uri: str | None) -> int:
    """Prepare, train and compare in a temporary home, write the verdict down, and print it; 0 when it is bitwise, else 1."""
    where = home_dir(home)
    with tempfile.TemporaryDirectory(prefix="bertft-replay-") as folder:
        logged = fetch_run(name, Path(folder), home_dir=where, uri=uri)
        _tell_what(logged)
        timer = Timer()
        verdict = _replay(logged, Path(folder), where)
        tag_run(logged.client, logged.run.info.run_id, verdict)
        _write_down(logged, verdict, where)
    first, *others = verdict_lines(verdict.finding)
    print(f"  {verdict.title:<24} {first:<24} {timer}", *(f"    {line}" for line in others), sep="\n")
    return 0 if verdict.finding.verdict == "bitwise" else 1


def _tell_what(logged: LoggedRun) -> None:
    record, data = logged.record, logged.study.data
    environment = record.environment
    print(f"{logged.study.name}: {record.spec.title}, recorded {record.ended_at}, from MLflow alone")
    print(f"  data       {data.source}, fingerprint {record.spec.data_fingerprint[:16]}")
    print(f"  encoder    {record.spec.encoder.checkpoint}, SHA-256 {record.spec.encoder.weights_sha256[:16]}")
    if environment is not None:
        torch, threads = environment.packages.get("torch", "?"), f"{environment.threads} thread{'s' * (environment.threads != 1)}"
        print(f"  wants      Python {environment.python}, torch {torch}, {threads}, {environment.device}", flush=True)


def _replay(logged: LoggedRun, folder: Path, home: Path) -> RunVerdict:
    recorded = RunOnDisk(logged.record, logged.run_dir)
    try:
        spec = rebuilt_spec(logged, folder / "home", home)
    except UserError as error:
        here = environment_here(logged.record.spec)
        return as_verdict(recorded, not_here(one_line(error)), here, "replay")
    return verdict_on(recorded, spec, folder / "again", "replay")


def rebuilt_spec(logged: LoggedRun, temporary_home: Path, home: Path) -> RunSpec:
    """The record's spec over data that are prepared anew from the study's config.

    Raises `UserError` when data or encoder cannot be had here, or are others than those that the run has seen.
    """
    from bertft_core.data.prepare_study_data import prepare_data  # slow

    spec = logged.record.spec
    card = prepare_data(_with_encoder_found(logged.study, home), home_dir=temporary_home)
    if card.fingerprint != spec.data_fingerprint:
        raise UserError("the data are others now", found=_what_changed(logged.card, card))
    if card.encoder.weights_sha256 != spec.encoder.weights_sha256:
        raise UserError("the encoder's weights are others now", found=f"SHA-256 {card.encoder.weights_sha256}")
    return spec.model_copy(update={"prepared_dir": card.directory, "encoder_dir": card.encoder_dir})


def _with_encoder_found(study: StudyConfig, home: Path) -> StudyConfig:
    """A model that an earlier study has kept lies in that study's home, not in the temporary one."""
    if study.encoder.study is None:
        return study
    from bertft_core.config.encoder_settings import EncoderConfig
    from bertft_core.data.encoder_files import resolve_encoder

    found = resolve_encoder(study.encoder, home)
    return study.model_copy(update={"encoder": EncoderConfig(path=str(found.directory))})


def _what_changed(recorded: DatasetCard | None, card: DatasetCard) -> str:
    changes = [] if recorded is None else card_changes(recorded, card)
    return "; ".join(changes) or f"fingerprint {card.fingerprint[:16]}"


def _write_down(logged: LoggedRun, verdict: RunVerdict, home: Path) -> None:
    """Into the study's folder and report where that still holds this run, else into what MLflow keeps of the study."""
    study_dir = StudyDir(home, logged.study.name)
    record = study_dir.record(verdict.run_digest)
    if record is None or record.ended_at != verdict.recorded_at:
        merge_on_parent(logged.client, logged.run, verdict)
        return
    try:
        with held(study_dir):
            for line in recover_verification(logged.study, study_dir):
                print(f"warning   {line}", file=sys.stderr)
            write_verification(study_dir.path, read_verification(study_dir.path).with_run(verdict))
            rebuild_report(find_study(logged.study.name, home))
    except UserError as error:
        print(f"warning   the verdict is in MLflow, and not in the report: {error.problem}", file=sys.stderr)
