"""What a study is computed with where its settings leave it open; decided once, before runs are planned.

What its finished runs were computed with is kept, so that they stay and more seeds join them: a mean never mixes two ways.
"""

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.records import DatasetCard
from bertft_core.records.compute import Compute
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.training.devices import usable_gpus
from bertft_core.training.kernel_probe import KernelProbe, inexact, is_exact
from bertft_core.training.machine_needs import MachineFit, fit_of


def with_device(study: StudyConfig, study_dir: StudyDir, *, force: bool = False) -> StudyConfig:
    """The study with its kind of device and way to compute, and with the kernels of its finished runs where it has some.

    Needs no torch on a machine without a GPU. `force`: every run is trained again, so none is kept to.
    """
    execution, kept = study.execution, {} if force else kept_settings(study_dir)
    if execution.device == "auto":
        found = "cuda" if _has_gpus(execution) else "cpu"
        execution = execution.model_copy(update={"device": kept.get("device", found)})
    on_cpu = execution.device == "cpu"
    open_ones = {"kernels": "auto", "compute": "fast" if on_cpu else "original"}
    decided = {
        name: (kept if on_cpu else {}).get(name, otherwise)
        for name, otherwise in open_ones.items()
        if getattr(execution, name) == "auto"
    }
    return study.model_copy(update={"execution": execution.model_copy(update=decided)})


def _has_gpus(execution: ExecutionConfig) -> bool:
    """Of nodes this is not known before one answers: there a share of a GPU has to be asked for."""
    return execution.gpus_per_run is not None if execution.engine != "local" else bool(usable_gpus(execution))


def needs_probe(study: StudyConfig) -> bool:
    """Kernels are to be decided, or to be checked, on this machine."""
    return study.execution.device == "cpu" and study.execution.kernels != "mkl"


def with_kernels(study: StudyConfig, found: KernelProbe) -> StudyConfig:
    """The study with the best kernels that were found, where its settings leave them open.

    Raises `UserError` where the settings, or finished runs, ask for oneDNN and it is not exact here.
    """
    if study.execution.kernels == "onednn":
        if not is_exact(found.onednn_error):
            raise inexact(found.onednn_error)
        return study
    return study.model_copy(update={"execution": study.execution.model_copy(update={"kernels": found.best})})


def decided_here(asked: StudyConfig, study_dir: StudyDir) -> tuple[StudyConfig, MachineFit]:
    """The study as `bertft run` would decide it on this machine, and how it fits; kernels are measured in this process."""
    study = with_device(asked, study_dir)
    refusals, remarks = fit_of(study)
    if (remark := remark_on_kept_device(asked, study)) is not None:
        remarks = [*remarks, remark]
    if not needs_probe(study) or study.execution.engine != "local":
        return study, MachineFit(refusals, remarks)
    from bertft_core.training.kernels import probe_kernels  # slow

    found = probe_kernels(study.execution.threads_per_run)
    try:
        study = with_kernels(study, found)
    except UserError as refusal:
        return study, MachineFit([*refusals, refusal], remarks)
    if study.execution.kernels == "onednn":
        remarks = [*remarks, f"matrix products are computed by oneDNN, {found.speedup:.1f} times as fast here as by MKL"]
    return study, MachineFit(refusals, remarks)


def kept_settings(study_dir: StudyDir) -> dict[str, str]:
    """The settings that the runs in a study's folder were computed with; of several the last command's, if it ended any.

    Where no run has ended, what the last command had decided, if it left a state to resume from; else nothing.
    """
    last = read_record(study_dir.config_path, StudyConfig)
    of_last = None if last is None else {by_hand: Compute.asked_by(last.execution, by_hand) for by_hand in (True, False)}
    card, first = read_record(study_dir.card_path, DatasetCard), None
    for record in study_dir.records():
        if record.status != "failed":
            first = first or record.computed_with
            # Where an encoder has several ways, what is computed as one without them would be is no sign of the last command.
            has_ways = card is not None and card.of_run(record.spec).by_hand
            if of_last is not None and record.computed_with in (of_last[True], of_last[has_ways]):
                return of_last[True].settings()
    if first is not None:
        return first.settings()
    if of_last is None or last is None or not any(study_dir.path.glob("runs/*/checkpoint/step-*")):
        return {}
    settings = of_last[True].settings()
    if last.execution.device == "auto":  # before it was decided and stored
        del settings["device"]
    return settings


def remark_on_kept_device(asked: StudyConfig, decided: StudyConfig) -> str | None:
    """Why a GPU is not used that the settings would take."""
    if asked.execution.device == "auto" and decided.execution.device == "cpu" and _has_gpus(asked.execution):
        return (
            "finished runs of this study were computed on the CPU, so the others are too; with --set execution.device=cuda all of"
            " them are computed on the GPU"
        )
    return None
