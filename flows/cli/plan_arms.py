"""What `bertft plan` says of each arm's runs: model, inputs, steps and memory."""

import json
from collections.abc import Iterable
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.config.learning_curves import SIZE
from bertft_core.planning.run_specs import plan_runs
from bertft_core.recipes.data_profile import encoder_profile
from bertft_core.recipes.input_lengths import run_bytes
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.report.formatting.grid_settings import values_words
from bertft_core.report.prose.grammar import several
from bertft_core.training.cost_estimate import n_parameters, planned_steps
from bertft_core.training.devices import WORKER_BYTES
from flows.cli.terminal import name_width


def arm_lines(study: StudyConfig, card: DatasetCard, earlier: Iterable[RunRecord]) -> list[str]:
    """A line for each arm; memory is measured where earlier runs of the arm are known, else an upper limit by calculation."""
    records, lines, width = list(earlier), [], name_width(study.arms)
    for arm, spec in {spec.arm: spec for spec in plan_runs(study, card, {}, 1)}.items():
        own = card.of_arm(arm)
        steps = planned_steps(spec, card).n_steps
        size = f"{n_parameters(own) / 1e6:.3g} M parameters, inputs of at most {own.max_length} tokens"
        lines.append(
            f"  {arm:<{width}} {size}, {several(steps, 'step')} of {spec.training.batch_size}{_rate_words(spec)},"
            f" {_memory_words(spec, own, records)}{_changes_words(study, arm, own)}"
        )
    return lines


def _changes_words(study: StudyConfig, arm: str, card: DatasetCard) -> str:
    """What the arm has of its grid, and what of encoder, head and data differs between arms."""
    own = study.own_settings(arm)
    differ = {key: value for key, value in own.items() if any(study.own_settings(other)[key] != value for other in study.arms)}
    if differ.get(SIZE, 0) is None:
        differ[SIZE] = card.splits["train"].n_examples
    return f": {values_words(study.arms[arm].grid_values | differ)}" if study.arms[arm].grid_values or differ else ""


def _rate_words(spec: RunSpec) -> str:
    """The rate that is trained with, where the batch size scales it."""
    scaled = spec.training.learning_rate_scaling != "none"
    return f" at a peak learning rate of {spec.training.peak_learning_rate:.3g}" if scaled else ""


def _memory_words(spec: RunSpec, card: DatasetCard, earlier: list[RunRecord]) -> str:
    peaks = [
        record.peak_memory_bytes
        for record in earlier
        if record.peak_memory_bytes
        and record.spec.data_fingerprint == card.fingerprint
        and record.spec.encoder == card.encoder
        and record.spec.strategies == spec.strategies
        and record.spec.training.batch_size == spec.training.batch_size
    ]
    if peaks:
        return f"{max(peaks) / 2**30:.1f} GiB of memory (measured)"
    settings = json.loads((Path(card.encoder_dir) / "config.json").read_text(encoding="utf-8"))
    encoder = encoder_profile(settings, card.encoder.checkpoint, n_parameters(card))
    train = card.splits["train"]
    windows = (train.n_windows or train.n_examples) / train.n_examples
    inputs = max(1, round(windows * (spec.training.micro_batch_size or spec.training.batch_size)))
    return f"up to {(run_bytes(encoder, inputs, card.max_length) + WORKER_BYTES) / 2**30:.1f} GiB of memory"
