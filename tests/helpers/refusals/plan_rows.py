"""Refusals of studies whose data are fine: plans, the machine, recommendations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bertft_core.config import load_study
from bertft_core.data.study_checks import refuse_missing_layers
from bertft_core.training import machine_needs
from bertft_core.training.compute_choice import with_kernels
from bertft_core.training.kernel_probe import KernelProbe
from tests.helpers.refusals.data_rows import TEXTS, study
from tests.helpers.refusals.refusal import Refusal
from tests.helpers.small_records import make_study

FILES = {"s.yaml": study(), "t.csv": TEXTS}


def _plan(code: str, settings: str) -> Refusal:
    """A study that cannot be run as it is planned."""
    return Refusal(code, "plan s.yaml", {"s.yaml": study() + settings + "\n", "t.csv": TEXTS})


def _machine(settings: str) -> Callable[[Path], None]:
    """A study on a machine without a GPU, with one core and the memory of one worker."""

    def refused(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(machine_needs, "usable_gpus", lambda _: [])
            patch.setattr(machine_needs, "why_no_gpu", lambda: "no NVIDIA GPU")
            patch.setattr(machine_needs, "usable_cores", lambda: 1)
            patch.setattr(machine_needs, "memory_bytes", lambda: machine_needs.WORKER_BYTES)
            (folder / "s.yaml").write_text(study() + settings + "\n")
            machine_needs.refuse_unfit(load_study("s.yaml"))

    return refused


def _inexact_kernels(_: Path) -> None:
    """A study that asks for oneDNN, on a CPU whose oneDNN computes products of fp32 in bf16."""
    with_kernels(make_study(execution={"device": "cpu", "kernels": "onednn"}), KernelProbe(4.0, 5e-7, 2e-3))


RECOMMEND = {"t.csv": TEXTS, "t.conll": "I O\nParis B-LOC\n", "t.parquet": "no Parquet", "numbers.csv": "a,b\n1,2\n"}
MANY = "text,label\n" + "".join(f"film {i},name {i}\n" for i in range(60))


def _by_layer(model_type: str, strategy: dict[str, object]) -> Callable[[Path], object]:
    """A strategy that needs the layers of an encoder of this type."""
    study = make_study(arms={"own": {"strategies": [strategy]}})
    return lambda _: refuse_missing_layers(study, "own", {"model_type": model_type})


ROWS = (
    _plan("plan.endless-run", "training: {epochs: 100000000}"),
    _plan("stop-at.never-stops", "seeds: {start: 3, keep: 2, stop_at: 0.99}\ntraining: {epochs: 1}"),
    _plan(
        "stop-at.before-validation", "seeds: {start: 3, keep: 2, stop_at: 0.3}\ntraining: {epochs: 3, evaluate_every_epochs: 3}"
    ),
    Refusal(
        "strategy.nothing-to-average",
        "plan s.yaml",
        {
            "s.yaml": study().replace("{full: {}}", "{full: {strategies: [{kind: swa}]}}") + "training: {epochs: 1}\n",
            "t.csv": TEXTS,
        },
    ),
    Refusal(
        "strategy.nothing-to-unfreeze",
        "plan s.yaml",
        {
            "s.yaml": study().replace("{full: {}}", "{full: {strategies: [{kind: gradual_unfreezing, every_steps: 900}]}}"),
            "t.csv": TEXTS,
        },
    ),
    Refusal(
        "strategy.does-not-fit-data",
        "plan s.yaml",
        {"s.yaml": study().replace("{full: {}}", "{full: {strategies: [{kind: freezing, layers: 9}]}}"), "t.csv": TEXTS},
    ),
    Refusal(
        "replay.no-masked-lm-head",
        "plan s.yaml",
        {"s.yaml": study().replace("{full: {}}", "{full: {strategies: [{kind: replay}]}}"), "t.csv": TEXTS},
    ),
    Refusal("strategy.unknown-layers", call=_by_layer("roformer", {"kind": "llrd"})),
    Refusal("strategy.lora-untried", call=_by_layer("modernbert", {"kind": "lora"})),
    Refusal("strategy.shared-layers", call=_by_layer("albert", {"kind": "freezing", "layers": 1})),
    Refusal("machine.inexact-kernels", call=_inexact_kernels),
    Refusal("machine.no-gpu", call=_machine("execution: {device: cuda}")),
    Refusal("machine.unsupported-precision", call=_machine("training: {precision: fp16}")),
    Refusal("machine.too-many-threads", call=_machine("execution: {threads_per_run: 4}")),
    Refusal("machine.too-many-slots", call=_machine("execution: {slots: 4}")),
    Refusal("recommend.unknown-head", "recommend t.csv --head classifier", RECOMMEND, "--head"),
    Refusal("recommend.format-of-head", "recommend t.conll --head regression", RECOMMEND, "t.conll"),
    Refusal("recommend.unknown-column", "recommend t.csv --label lable", RECOMMEND, "t.csv"),
    Refusal("recommend.no-usual-column", "recommend numbers.csv", RECOMMEND, "numbers.csv"),
    Refusal("recommend.not-labels", "recommend t.csv --label label", {"t.csv": MANY}, "t.csv"),
    Refusal("recommend.misspelt-tags", "recommend tags.conll", {"tags.conll": "in O\nOslo b-LOC\n\n" * 9}, "tags.conll"),
    Refusal("recommend.foreign-content", "recommend page.txt", {"page.txt": "<!DOCTYPE html>\n<html></html>\n"}, "page.txt"),
    Refusal("recommend.config-with-columns", "recommend s.yaml --label label", FILES, "s.yaml"),
    Refusal("recommend.too-many-texts", "recommend t.csv --text a --text b --text c", FILES),
    Refusal("recommend.file-exists", "recommend t.csv --output s.yaml", FILES, "s.yaml"),
    Refusal("recommend.no-folder", "recommend t.csv --output none/s.yaml", FILES, "none"),
    Refusal("predict.format-of-head", "predict claims --input x.conll", {"x.conll": "I O\n"}, "x.conll"),
)
