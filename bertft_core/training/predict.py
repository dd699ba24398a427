"""From saved models and new examples to answers: the models of one run or of several seeds of the same setting."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.new_examples import Inputs
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.tokenization import load_tokenizer, uses_token_types
from bertft_core.data.tokenizer_check import refuse_unusable_tokenizer
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.metrics.prediction_output import SeedOutputs
from bertft_core.metrics.task_metrics import tune_nothing
from bertft_core.records import RunRecord
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import problem_of_file
from bertft_core.training import determinism
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.retraining import as_possible_here


class KeptRun(NamedTuple):
    """A run whose model was kept."""

    record: RunRecord
    run_dir: Path

    @property
    def model_dir(self) -> Path:
        return self.run_dir / "model"


class Predicted(NamedTuple):
    """The answers to some inputs."""

    rows: list[dict[str, Any]]
    """For each input, in their order: `id` where one is given, `line`, and the answer; see `metrics.prediction_output`."""
    n_truncated: int
    """Truncated inputs; they are truncated as in training."""


def predict(runs: Sequence[KeptRun], inputs: Inputs, data: DataConfig, *, threads: int) -> Predicted:
    """Predict with the weights that the runs kept, those of their best step; `data` is the section of their study.

    Raises `UserError` for an input that the model cannot read and for an incomplete model.
    """
    spec = runs[0].record.spec
    encoder = EncoderFiles(runs[0].model_dir, spec.encoder, "folder")
    refuse_unusable_tokenizer(encoder)
    tokenizer = load_tokenizer(encoder)
    split = PreparedSplit(_tokenised(tokenizer, inputs, spec.labels, data, spec.head.kind, uses_token_types(encoder)), "inputs")
    seeds = [SeedOutputs(_predictions(run, split, threads), _tuned([run])) for run in runs]
    names = ALIGNMENTS[spec.head.kind].answer_names(tokenizer, spec.labels)
    answers = METRICS[spec.head.kind].output(seeds, names, **_tuned(runs))
    rows = [
        ({} if key is None else {"id": key}) | {"line": example.line} | answer
        for key, example, answer in zip(inputs.ids, inputs.examples, answers, strict=True)
    ]
    return Predicted(rows, int(split.truncated(data.max_length).sum()))


def _tokenised(tokenizer: Any, inputs: Inputs, labels: tuple[str, ...], data: DataConfig, kind: str, types: bool) -> pa.Table:
    alignment = ALIGNMENTS[kind]
    tokenise = alignment.tokenise_new or alignment.tokenise
    try:
        return tokenise(tokenizer, inputs.examples, labels, data, types)
    except UserError as error:  # an alignment knows the line; the caller knows the file
        limits = {"hint": "shorten or remove it: the model was trained with these limits"}
        changed = {"path": error.path or inputs.path} | (limits if alignment.tokenise_new is None else {})
        raise UserError(**error.fields | changed) from None


def _opened(run: KeptRun, threads: int) -> ModelRunner:
    """The run's model, set up to compute as the run did, as far as this machine can."""
    spec = as_possible_here(run.record)
    device = torch.device(spec.compute.device)
    determinism.configure(threads, device, spec.compute)
    precision = spec.training.precision
    model, head = load_model(run.model_dir)
    model.to(device)  # type: ignore[arg-type]
    as_possible = "fp32" if precision == "fp16" and device.type == "cpu" else precision
    return ModelRunner(model, head, device, as_possible, spec.compute)


def _tuned(runs: Sequence[KeptRun]) -> dict[str, float]:
    """What is tuned for some runs together on their validation set, from the predictions that they kept of it."""
    spec = runs[0].record.spec
    metrics = METRICS[spec.head.kind]
    if metrics.tune is tune_nothing:
        return {}
    return metrics.tune(metrics.combined([_validation_predictions(run) for run in runs], spec.labels, spec.head), spec.labels)


def _validation_predictions(run: KeptRun) -> pa.Table:
    spec = run.record.spec
    name = run.record.predictions["best"]["validation"]
    path, sha256 = run.run_dir / name, run.record.files.get(name)
    try:
        if sha256 is not None and path.exists() and (problem := problem_of_file(path, sha256)) is not None:
            raise ValueError(problem)
        return read_predictions(path)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(
            f"the predictions of {spec.title} on its validation set are missing, so its null threshold is unknown",
            code="predict.threshold-unknown",
            path=path,
            found="no file" if isinstance(error, FileNotFoundError) else str(error),
            hint="run the study again; it completes what is missing",
        ) from None


def _predictions(run: KeptRun, split: PreparedSplit, threads: int) -> pa.Table:
    """The table that the run would have stored for the split, or what its head gives for new examples."""
    predictions = _opened(run, threads).predict(split, new=True)
    if predictions is None:
        raise UserError(
            f"the model of {run.record.spec.title} gives logits that are not finite",
            code="predict.not-finite",
            path=run.model_dir,
            hint="use another seed's model: --seed",
        )
    return predictions
