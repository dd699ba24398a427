"""Measuring a study for the rules: its data read and split as for a run, input lengths, encoder, and this machine."""

import math
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bertft_core.config import StudyConfig
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.encoder_files import EncoderFiles, resolve_encoder
from bertft_core.data.examples import RawSplit
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.proved_encoder import prove_encoder
from bertft_core.data.question_windows import question_lengths
from bertft_core.data.sources import read_splits
from bertft_core.data.split_draws import drawn_splits, pool_of
from bertft_core.data.splits import cut_splits
from bertft_core.data.tokenization import load_tokenizer, uses_token_types
from bertft_core.recipes.data_profile import ArmSteps, DataProfile, Lengths, Machine, encoder_profile
from bertft_core.storage.weight_files import n_weights, weight_files
from bertft_core.training.devices import memory_bytes, slot_environments, usable_gpus
from bertft_core.training.machine_needs import refuse_absent_gpu
from bertft_core.training.step_plan import StepPlan

UNLIMITED = {"long_texts": "truncate", "doc_stride": None, "max_question_length": 8192, "long_questions": "truncate"}
"""Settings under which nothing is refused while lengths are measured."""
N_MEASURED = 2000
"""Training examples whose lengths are measured, spread evenly over the set."""
BF16_CAPABILITY = 8.0
"""Of the first NVIDIA GPUs with bfloat16 (Ampere)."""


def data_profile_of(study: StudyConfig, home_dir: Path) -> DataProfile:
    """Everything the rules look at. Raises `UserError` for data or an encoder that are not available."""
    encoder = resolve_encoder(study.encoder, home_dir)
    prove_encoder(encoder, study.head, None)
    alignment, data = ALIGNMENTS[study.head.kind], study.data
    given, labels, _ = alignment.agree(read_splits(data, study.head.kind), data)
    splits = alignment.for_training(_splits(study, given), data)
    n_parameters = n_weights(weight_files(encoder.directory))
    known = encoder_profile(encoder.settings, encoder.identity.checkpoint, n_parameters)
    return DataProfile(
        head=study.head.kind,
        crf=getattr(study.head, "crf", False),
        is_pair=not isinstance(data.text, str),
        plain_tags=study.head.kind == "token_classification" and data.scheme == "plain",
        n_train=len(splits["train"].examples),
        n_examples=len(given["train"].examples),
        cuts_validation="validation" not in given,
        splits=study.seeds.splits,
        n_validation=len(splits["validation"].examples),
        has_test="test" in splits,
        label_counts=alignment.counts(splits["train"].examples, labels) if labels else {},
        longest_question=_longest_question(study, splits, encoder),
        lengths=_lengths(study, splits["train"], labels, encoder, known.max_length),
        encoder=known,
        machine=machine_of(study.execution),
    )


def _splits(study: StudyConfig, given: Mapping[str, RawSplit]) -> dict[str, RawSplit]:
    """Train, validation and maybe test; of a split design the first ones. Raises `UserError` where any split is impossible."""
    design = study.seeds.splits
    if design is None:
        return cut_splits(given, study.data, study.seed)
    drawn = drawn_splits(pool_of(given, study.data, study.seed), design, study.data, study.seed)
    first = next(drawn)
    for _ in drawn:
        pass
    return first


def _lengths(study: StudyConfig, train: RawSplit, labels: tuple[str, ...], encoder: EncoderFiles, limit: int | None) -> Lengths:
    """Untruncated lengths: `n_tokens` counts tokens before a row is cut to the encoder's limit."""
    places = np.unique(np.linspace(0, len(train.examples) - 1, min(N_MEASURED, len(train.examples))).astype(int))
    examples = [train.examples[i] for i in places]
    data = study.data.model_copy(update={"max_length": limit or 512, **UNLIMITED})
    table = ALIGNMENTS[study.head.kind].tokenise(load_tokenizer(encoder), examples, labels, data, uses_token_types(encoder))
    return lengths_of(PreparedSplit(table.combine_chunks(), "train").n_tokens)


def _longest_question(study: StudyConfig, splits: Mapping[str, RawSplit], encoder: EncoderFiles) -> int | None:
    if study.head.kind != "question_answering":
        return None
    questions = [example.texts[0] for split in splits.values() for example in split.examples]
    return max(question_lengths(load_tokenizer(encoder), questions))


def lengths_of(n_tokens: np.ndarray) -> Lengths:
    """The distribution of lengths [n]; each quantile is the length of some input."""
    quantiles = np.quantile(n_tokens, np.linspace(0, 1, 101), method="inverted_cdf").astype(int)
    return Lengths(
        n_measured=len(n_tokens),
        mean=float(np.mean(n_tokens)),
        median=int(quantiles[50]),
        p90=int(quantiles[90]),
        p99=int(quantiles[99]),
        longest=int(quantiles[100]),
        quantiles=tuple(int(length) for length in quantiles),
    )


def machine_of(execution: ExecutionConfig) -> Machine:
    """The GPUs that nvidia-smi lists, else this machine's memory divided by the number of runs at once.

    Raises `UserError` for a requested GPU that is not here: advice for a CPU would mislead.
    """
    refuse_absent_gpu(execution)
    n_slots = len(slot_environments(execution))
    gpus = usable_gpus(execution)
    if not gpus:
        return Machine(n_gpus=0, memory_bytes=memory_bytes() // n_slots, n_slots=n_slots)
    name, memory, capability = _gpu(gpus[0])
    runs_per_gpu = max(1, n_slots // len(gpus))
    bf16 = capability >= BF16_CAPABILITY
    return Machine(n_gpus=len(gpus), gpu_name=name, has_bf16=bf16, memory_bytes=memory // runs_per_gpu, n_slots=n_slots)


def _gpu(index: str) -> tuple[str, int, float]:
    """Name, bytes and compute capability of one GPU."""
    query = ["nvidia-smi", f"--id={index}", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    listed = subprocess.run(query, capture_output=True, text=True) if shutil.which("nvidia-smi") else None
    if listed is None or listed.returncode != 0:
        return "GPU", 16 * 2**30, 0.0  # without an answer, assume a modest GPU
    name, megabytes, capability = (cell.strip() for cell in listed.stdout.splitlines()[0].rsplit(",", 2))
    return name, int(megabytes) * 2**20, float(capability)


def arm_steps(study: StudyConfig, n_train: int) -> list[ArmSteps]:
    """Optimizer steps and warm-up steps of every arm, over `n_train` examples."""
    arms: dict[tuple[int, int, float | None, int], list[str]] = {}
    for arm in study.arms:
        training = study.training_of(arm)
        n_steps = StepPlan(n_train, training, order_seed=0).n_steps
        key = (n_steps, math.ceil(training.warmup_ratio * n_steps), training.epochs, training.batch_size)
        arms.setdefault(key, []).append(arm)
    return [ArmSteps(tuple(names), *key) for key, names in arms.items()]
