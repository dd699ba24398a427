"""Training a recorded run once more: in a process of its own, from the same inputs, and without what earlier runs have stored."""

from pathlib import Path

import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.config.head_settings import EXTRA_PARTS, part_file
from bertft_core.data.encoder_config import FILE, settings_digest
from bertft_core.data.prepared_damage import TOKENISED_AGAIN, find_damage
from bertft_core.data.prepared_split import open_split
from bertft_core.data.replayed_texts import SPLIT, texts_dir
from bertft_core.records import Environment, RunRecord, RunSpec
from bertft_core.records.compute import FIRST
from bertft_core.storage.damage import Damage
from bertft_core.storage.study_dir import read_record
from bertft_core.storage.weight_files import weight_files, weights_sha256
from bertft_core.training.curve_file import OnEvent, ignore
from bertft_core.training.devices import slot_environments, usable_gpus
from bertft_core.training.environment import read_environment
from bertft_core.training.machine_needs import refuse_absent_gpu
from bertft_core.training.workers import Worker

NEVER_SECONDS = 1e9


def missing_input(spec: RunSpec) -> str | None:
    """Why the run cannot be trained from the inputs that its spec names; None when all are there and unchanged."""
    directory, splits = Path(spec.prepared_dir), ("train", *spec.evaluated_splits)
    for split in splits:
        path = directory / f"{split}.arrow"
        try:
            open_split(directory, split)
        except FileNotFoundError:
            return f"the prepared data are missing: {path}"
        except (OSError, pa.ArrowException) as error:
            return f"the prepared data are damaged: {path} ({error})"
    for damage in find_damage(directory, dict.fromkeys(splits, 0)):
        return f"the prepared data are damaged: {damage.path}: {damage.problem}"
    if spec.replayed_sha256 is not None:
        texts = texts_dir(directory, spec.replayed_sha256)
        for damage in find_damage(texts, {SPLIT: 0}) if texts.is_dir() else [Damage(texts, "it is missing", TOKENISED_AGAIN)]:
            return f"the replayed texts are damaged: {damage.path}: {damage.problem}"
    weights = Path(spec.encoder_dir)
    try:
        sha256 = weights_sha256(weight_files(weights))
    except (UserError, OSError):
        return f"the encoder weights are missing: {weights}"
    if sha256 != spec.encoder.weights_sha256:
        return f"the encoder weights have changed: {weights} has SHA-256 {sha256}, the run had {spec.encoder.weights_sha256}"
    try:
        settings = settings_digest(weights)
    except (UserError, OSError):
        return f"the encoder's settings cannot be read: {weights / FILE}"
    if spec.encoder.settings_sha256 not in (None, settings):  # older records do not know them
        files = " or ".join(map(part_file, EXTRA_PARTS))
        return f"the encoder's settings have changed: other values in {weights / FILE}, or another {files} beside it"
    return None


def environment_here(spec: RunSpec) -> Environment:
    """What this machine would carry the run out with; settings and variables, which its process will have, are left out."""
    import torch  # slow

    on_gpu = spec.compute.device == "cuda" and bool(usable_gpus(ExecutionConfig()))
    here = read_environment(torch.cuda.get_device_name(0) if on_gpu else "cpu", spec.threads)
    kernels = None if on_gpu else spec.compute.kernels
    return here.model_copy(update={"flags": {}, "variables": {}, "kernels": kernels})


def as_possible_here(record: RunRecord) -> RunSpec:
    """The run's spec with what it was computed with, as far as this machine has that: else on the CPU, with torch's own kernels.

    The record of such a run differs in its last bits; the environments of both say why.
    """
    from bertft_core.training.kernels import is_exact_here  # slow

    compute = record.computed_with
    if compute.device == "cuda" and not usable_gpus(ExecutionConfig()):
        compute = FIRST
    if compute.kernels == "onednn" and not is_exact_here():
        compute = FIRST
    return record.spec if compute == record.spec.compute else record.spec.model_copy(update={"compute": compute})


def isolated(spec: RunSpec, folder: Path) -> RunSpec:
    """The same run over links to its data in `folder`: states of a frozen encoder are then computed, not taken from a file."""
    folder.mkdir(parents=True, exist_ok=True)
    replayed = None if spec.replayed_sha256 is None else texts_dir(spec.prepared_dir, spec.replayed_sha256)
    for path in Path(spec.prepared_dir).iterdir():
        if (path.is_file() or path == replayed) and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
    changes = {"prepared_dir": str(folder), "checkpoint_every_seconds": NEVER_SECONDS, "checkpoint_every_steps": None}
    return spec.model_copy(update=changes)


def fresh_worker(spec: RunSpec, log_path: Path) -> Worker:
    """A process of its own for this run, set up as a study's worker is. Raises `UserError` when the device is not here."""
    execution = ExecutionConfig(slots=1, threads_per_run=spec.threads, device=spec.compute.device)
    refuse_absent_gpu(execution)
    return Worker.started(slot_environments(execution)[0], log_path)


def train_again(spec: RunSpec, run_dir: Path, *, on_event: OnEvent = ignore) -> RunRecord:
    """Train in a fresh process and end it; the record in `run_dir`.

    Raises `UserError` for what this machine cannot do, and `RunFailed` or `WorkerDied` for a run that does not come to its end.
    """
    worker = fresh_worker(spec, run_dir / "worker.log")
    try:
        return trained_by(worker, spec, run_dir, on_event=on_event)
    finally:
        worker.kill()


def trained_by(worker: Worker, spec: RunSpec, run_dir: Path, *, on_event: OnEvent = ignore) -> RunRecord:
    """Train in a worker that stays alive; the record in `run_dir`. Raises as `train_again` does."""
    worker.run(spec, run_dir, on_event)
    record = read_record(run_dir / "record.json", RunRecord)
    if record is None:
        raise RuntimeError(f"the worker ended the run without a record in {run_dir}")
    return record
