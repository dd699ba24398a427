"""`bertft diff`: what differs between two runs, each named by a digest, STUDY/arm/seed, or the id of an MLflow run."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.evaluation.run_diff.diff_runs import diff_runs
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.report.prose.run_diff_text import describe
from bertft_core.storage.damage import refuse_damage
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import StudyDir, read_record
from flows.cli.command_to_paste import command_to_paste
from flows.cli.find_study import find_study
from flows.cli.terminal import say, say_json

MIN_DIGEST = 6
DIGEST = re.compile(f"[0-9a-f]{{{MIN_DIGEST},64}}")
MLFLOW_ID = re.compile("[0-9a-f]{32}")
NAMES = f"a run's digest (at least {MIN_DIGEST} hex characters), STUDY/arm/seed, or the id of an MLflow run"
SEE_STATUS = "see `bertft status STUDY`"


@dataclass(frozen=True)
class FoundRun:
    """A run with its data card, where that is still there, and how to speak of it."""

    stored: RunOnDisk
    card: DatasetCard | None
    title: str


def diff_command(a: str, b: str, home: Path | None, uri: str | None, *, as_json: bool) -> int:
    """Print settings, data, environment, seeds, hashes, metrics and the first steps that differ."""
    where = home_dir(home)
    with tempfile.TemporaryDirectory(prefix="bertft-diff-") as folder:
        first, second = (find_run(name, where, Path(folder), uri) for name in (a, b))
        found = diff_runs(first.stored, second.stored, (first.card, second.card), (first.title, second.title))
    if as_json:
        say_json(found.model_dump_json(indent=1))
    else:
        say(describe(found))
    return 0


def find_run(name: str, home: Path, folder: Path, uri: str | None = None) -> FoundRun:
    """The run of this name; what comes from MLflow, the home's or the one at `uri`, is put in `folder`.

    Raises `UserError` when there is none, or several.
    """
    if "/" in name:
        return _by_place(name, home)
    if not DIGEST.fullmatch(name):
        raise UserError("no matching run", code="diff.no-matching-run", found=name, expected=NAMES, hint=SEE_STATUS)
    found = _by_digest(name, home)
    if len(found) > 1:
        several = [f"{one.record.digest[:16]}  {_title(one)}" for one in found]
        raise UserError(
            "several runs match",
            code="diff.several-runs",
            found="\n            ".join([name, *several]),
            hint="give more of the digest",
        )
    if found:
        return _found(found[0], home)
    if MLFLOW_ID.fullmatch(name):
        return _from_mlflow(name, home, folder, uri)
    raise UserError(
        "there is no such run here",
        code="diff.no-such-run",
        path=home,
        found=name,
        expected=NAMES,
        hint=SEE_STATUS,
    )


def _by_place(name: str, home: Path) -> FoundRun:
    study, _, rest = name.partition("/")
    arm, _, seed = rest.partition("/")
    on_disk = find_study(study, home).intact()
    seeds = {str(spec.index): spec for spec in on_disk.wanted.planned if spec.arm == arm}
    if not seeds:
        raise UserError(
            f"the study '{study}' has no arm '{arm}' with runs",
            code="diff.unknown-arm",
            found=name,
            expected=f"one of the arms {', '.join(on_disk.study.arms)}",
            hint=did_you_mean(arm, on_disk.study.arms) or SEE_STATUS,
        )
    if seed not in seeds:
        raise UserError(
            f"the arm '{arm}' has no seed {seed}" if seed else "a run is named by the index of its seed too",
            code="diff.unknown-seed",
            found=name,
            expected=f"one of {', '.join(seeds)}",
            hint=SEE_STATUS,
        )
    record = on_disk.records.get(seeds[seed].digest)
    if record is None:
        raise UserError(
            "this run has no record yet",
            code="diff.no-record",
            found=name,
            hint=f"run the study to its end; see: {command_to_paste('status', study, home=home)}",
        )
    return _found(RunOnDisk(record, on_disk.dir.run_dir(record.digest)), home)


def _by_digest(prefix: str, home: Path) -> list[RunOnDisk]:
    """Every run of the home whose digest begins so; folders are named by its first 16 places."""
    paths = sorted(home.glob(f"studies/*/runs/{prefix[:16]}*/record.json"))
    refuse_damage(*(StudyDir(home, name) for name in sorted({path.parents[2].name for path in paths})))
    read = [(read_record(path, RunRecord), path.parent) for path in paths]
    return [RunOnDisk(record, run_dir) for record, run_dir in read if record is not None and record.digest.startswith(prefix)]


def _found(stored: RunOnDisk, home: Path) -> FoundRun:
    card = read_record(home / "data" / stored.record.spec.data_fingerprint / "card.json", DatasetCard)
    if card is None:
        study_card = read_record(StudyDir(home, stored.run_dir.parents[1].name).card_path, DatasetCard)
        cards = () if study_card is None else study_card.every
        card = next((each for each in cards if each.fingerprint == stored.record.spec.data_fingerprint), None)
    return FoundRun(stored, card, _title(stored))


def _title(stored: RunOnDisk) -> str:
    record = stored.record
    return f"{record.spec.study} · {record.spec.title}   {record.digest[:16]}   {record.status}, {record.ended_at}"


def _from_mlflow(run_id: str, home: Path, folder: Path, uri: str | None) -> FoundRun:
    from tasks.tracking.logged_runs import fetch_run  # MLflow is slow to import

    logged = fetch_run(run_id, folder / run_id, home_dir=home, uri=uri)
    stored = RunOnDisk(logged.record, logged.run_dir)
    cards = () if logged.card is None else logged.card.every
    card = next((each for each in cards if each.fingerprint == logged.record.spec.data_fingerprint), None)
    return FoundRun(stored, card, _title(stored))
