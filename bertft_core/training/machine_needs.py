"""What a study needs and this machine lacks, at the place of each setting: `bertft plan` says it, `bertft run` refuses it."""

from collections.abc import Iterator
from typing import NamedTuple

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.config.search_space import Choices
from bertft_core.training.devices import WORKER_BYTES, memory_bytes, usable_cores, usable_gpus, visible_gpus, why_no_gpu


class MachineFit(NamedTuple):
    """How a study fits this machine."""

    refusals: list[UserError]
    """What cannot be carried out here."""
    remarks: list[str]
    """What can, but not as the settings may suggest."""


class Place(NamedTuple):
    """Where a precision is set, and the options that set another one there."""

    key: str
    remedy: str


def fit_of(study: StudyConfig) -> MachineFit:
    """How the study fits this machine, without reading its data or encoder. Of nodes nothing is known yet."""
    execution = study.execution
    if execution.engine != "local":
        return MachineFit([], [])
    refusals = [*_of_device(execution), *_of_precision(study), *_of_cores_and_memory(execution)]
    return MachineFit(refusals, list(_remarks(execution)))


def refuse_unfit(study: StudyConfig) -> None:
    """Raise `UserError` for the first thing that this machine cannot do, before anything is prepared."""
    for refusal in fit_of(study).refusals:
        raise refusal


def refuse_absent_gpu(execution: ExecutionConfig) -> None:
    """Raise `UserError` when CUDA is asked for and not available here."""
    for refusal in _of_device(execution):
        raise refusal


def _of_device(execution: ExecutionConfig) -> Iterator[UserError]:
    if execution.device == "cuda" and not usable_gpus(execution):
        yield UserError(
            "this study needs a GPU and none is available here",
            code="machine.no-gpu",
            found=why_no_gpu(),
            expected="an NVIDIA GPU and a torch built for it: execution.device is cuda, or finished runs were computed on a GPU",
            hint="use --set execution.device=cpu (then all runs are computed on the CPU), or install a CUDA build of torch",
        )


def _of_precision(study: StudyConfig) -> Iterator[UserError]:
    """Precisions that the device cannot compute in; a place that several arms share is named once."""
    lacking = _lacking_precisions(study.execution)
    seen = set()
    for arm in study.arms:
        for precision, place in _precisions(study, arm):
            if precision in lacking and (precision, place.key) not in seen:
                seen.add((precision, place.key))
                yield UserError(
                    f"{precision} needs {'a GPU' if precision == 'fp16' else 'another GPU'}",
                    code="machine.unsupported-precision",
                    found=f"{place.key}: {precision} {lacking[precision]}",
                    expected="a precision that this machine computes in: "
                    + ", ".join(p for p in ("fp32", "bf16", "fp16") if p not in lacking),
                    hint=f"use {place.remedy}, or a machine with such a GPU",
                )


def _lacking_precisions(execution: ExecutionConfig) -> dict[str, str]:
    """Precision → why the device of this study cannot compute in it. On a CPU torch computes in bf16, slowly on older ones."""
    if not usable_gpus(execution):
        return {
            "fp16": "on a CPU" + (", which execution.device: cpu chooses" if visible_gpus() and execution.device == "cpu" else "")
        }
    import torch

    return {} if torch.cuda.is_bf16_supported() else {"bf16": f"on {torch.cuda.get_device_name(0)}"}


def _precisions(study: StudyConfig, arm: str) -> Iterator[tuple[str, Place]]:
    """Every precision that runs of the arm may have, and where it is set."""
    config, key = study.arms[arm], f"arms.{arm}"
    search = config.search
    if search is not None and isinstance(space := search.space.get("precision"), Choices):
        for choice in space.choices:
            rest = ",".join(str(other) for other in space.choices if other != choice) or "fp32"
            searched = f"{key}.search.space.precision"
            yield str(choice), Place(f"{searched}.choices", f"--set {searched}='{{choices: [{rest}]}}'")
        return
    if search is not None and "precision" in search.training.overrides():
        yield search.training.overrides()["precision"], _place(f"{key}.search.training.precision")
    own = "precision" in config.overrides()
    yield study.training_of(arm).precision, _place(f"{key}.precision" if own else "training.precision")


def _place(key: str) -> Place:
    return Place(key, f"--set {key}=fp32")


def _of_cores_and_memory(execution: ExecutionConfig) -> Iterator[UserError]:
    cores, threads = usable_cores(), execution.threads_per_run
    if threads > cores:
        yield UserError(
            "a run of this study has more threads than this machine has cores",
            code="machine.too-many-threads",
            found=f"execution.threads_per_run: {threads} on {cores} {'cores' if cores > 1 else 'core'}",
            expected=f"at most {cores}",
            hint=f"use --set execution.threads_per_run={cores} (the number is part of a run's identity), or a larger machine",
        )
    most = max(1, memory_bytes() // WORKER_BYTES)
    if execution.slots != "auto" and execution.slots > most:
        yield UserError(
            "this study has more runs at once than this machine has memory for",
            code="machine.too-many-slots",
            found=f"execution.slots: {execution.slots}, of which each takes {WORKER_BYTES // 2**20} MiB and more",
            expected=f"at most {most} in {memory_bytes() / 2**30:.1f} GiB",
            hint="use --set execution.slots=auto",
        )


def _remarks(execution: ExecutionConfig) -> Iterator[str]:
    gpus, visible = usable_gpus(execution), visible_gpus()
    if execution.device == "auto" and visible and not gpus:
        yield f"no GPU is used although {len(visible)} can be seen ({why_no_gpu()}); this study trains on the CPU"
    elif execution.device != "cpu" and len(gpus) < len(visible):
        yield f"{len(gpus)} of {len(visible)} visible GPUs are used: torch cannot use the others"
    cores, threads = usable_cores(), execution.threads_per_run
    if not gpus and execution.slots != "auto" and execution.slots > 1 and execution.slots * threads > cores >= threads:
        yield (
            f"{execution.slots} runs at once × {threads} {'thread' if threads == 1 else 'threads'} on {cores} "
            f"{'core' if cores == 1 else 'cores'}: each is slower; execution.slots=auto makes {cores // threads}"
        )
