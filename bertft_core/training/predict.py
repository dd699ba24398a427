"""From saved models and new examples to answers: the models of one run or of several seeds of the same setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.new_examples import Inputs
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.tokenization import encode_windows, lists, load_tokenizer, table_of, uses_token_types
from bertft_core.heads import masked_lm
from bertft_core.heads.inputs import window_inputs
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.metrics.ensembles import combined
from bertft_core.metrics.prediction_columns import column, list_lengths, numbers
from bertft_core.records import RunRecord
from bertft_core.records.list_columns import ragged_column
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.ensemble_votes import SeedOutputs
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.prediction_output import ANSWERS

CRF_SENTENCES = 256
"""Sentences whose marginals are computed at once."""


class KeptRun(NamedTuple):
    """A run whose model is there."""

    record: RunRecord
    run_dir: Path

    @property
    def model_dir(self) -> Path:
        return self.run_dir / "model"


class Predicted(NamedTuple):
    """What came out."""

    rows: list[dict[str, Any]]
    """For each input, in their order: `id` where one is given, `line`, and the answer as `answers.ANSWERS` tells it."""
    n_truncated: int
    """Inputs whose end was cut off, as in training."""


def predict(runs: Sequence[KeptRun], inputs: Inputs, data: DataConfig, *, threads: int) -> Predicted:
    """Predict with the weights that the runs kept, those of their best step; `data` is the section of their study.

    Raises `UserError` for an input that the model cannot read and for a model that is not whole.
    """
    torch.set_num_threads(threads)
    spec = runs[0].record.spec
    encoder = EncoderFiles(runs[0].model_dir, spec.encoder, "folder")
    tokenizer = load_tokenizer(encoder)
    split = PreparedSplit(_tokenised(tokenizer, inputs, spec.labels, data, spec.head.kind, uses_token_types(encoder)), "inputs")
    outputs = OUTPUTS.get(spec.head.kind, _predictions)
    seeds = [SeedOutputs(outputs(_opened(run), split, run), _tuned([run])) for run in runs]
    names = spec.labels
    if spec.head.kind == "masked_lm":
        names = tuple(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    answers = ANSWERS[spec.head.kind](seeds, names, **_tuned(runs))
    rows = [
        ({} if key is None else {"id": key}) | {"line": example.line} | answer
        for key, example, answer in zip(inputs.ids, inputs.examples, answers, strict=True)
    ]
    return Predicted(rows, int(split.truncated(data.max_length).sum()))


def _tokenised(tokenizer: Any, inputs: Inputs, labels: tuple[str, ...], data: DataConfig, kind: str, types: bool) -> pa.Table:
    if kind == "masked_lm":
        return _with_masks(tokenizer, inputs, data, types)
    try:
        return ALIGNMENTS[kind].tokenise(tokenizer, inputs.examples, labels, data, types)
    except UserError as error:  # an alignment knows the line; the caller knows the file
        raise UserError(
            error.problem,
            path=error.path or inputs.path,
            line=error.line,
            found=error.found,
            expected=error.expected,
            hint="shorten or remove it: the model was trained with these limits",
        ) from None


def _with_masks(tokenizer: Any, inputs: Inputs, data: DataConfig, types: bool) -> pa.Table:
    """Texts in blocks as the model was trained on them, where each mask of the text is a piece to predict."""
    encoded = encode_windows(tokenizer, [example.texts[0] for example in inputs.examples], data.max_length, overlap=0)
    for ids, example in zip(encoded.input_ids, inputs.examples, strict=True):
        if not (ids == tokenizer.mask_token_id).any():
            raise UserError(
                "there is nothing to predict in the text",
                path=inputs.path,
                line=example.line,
                found=f"no {tokenizer.mask_token}",
                expected=f"a text such as 'The pump is {tokenizer.mask_token} of order'",
                hint=f"write {tokenizer.mask_token} where a word piece is to be predicted",
            )
    masks = [np.flatnonzero(ids == tokenizer.mask_token_id) for ids in encoded.input_ids]
    more = {"window_lengths": lists(encoded.window_lengths), "masks": lists(masks)}
    return table_of(tokenizer, [example.id for example in inputs.examples], encoded, more, types=types, pair=False)


def _opened(run: KeptRun) -> ModelRunner:
    spec = run.record.spec
    device = torch.device("cuda" if spec.device != "cpu" and torch.cuda.is_available() else "cpu")
    precision = spec.training.precision
    model, head = load_model(run.model_dir)
    model.to(device)  # type: ignore[arg-type]
    return ModelRunner(model, head, device, "fp32" if precision == "fp16" and device.type == "cpu" else precision)


def _tuned(runs: Sequence[KeptRun]) -> dict[str, float]:
    """What is tuned for some runs together on their validation set, from the predictions that they kept of it."""
    spec = runs[0].record.spec
    if spec.head.kind != "question_answering":
        return {}
    together = combined([_validation_predictions(run) for run in runs], spec.labels, spec.head)
    return METRICS[spec.head.kind].tune(together, spec.labels)  # type: ignore[no-any-return]


def _validation_predictions(run: KeptRun) -> pa.Table:
    spec = run.record.spec
    path = run.run_dir / run.record.predictions["best"]["validation"]
    try:
        return read_predictions(path)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(
            f"the predictions of {spec.title} on its validation set are gone, so its null threshold cannot be told",
            path=path,
            found=str(error),
            hint="run the study again: it makes what is missing",
        ) from None


def _predictions(forward: ModelRunner, split: PreparedSplit, run: KeptRun) -> pa.Table:
    """The table that the run would have stored for the split."""
    predictions = forward.predict(split)
    if predictions is None:
        raise UserError(f"the model of {run.record.spec.title} gives logits that are not finite", path=run.model_dir)
    return predictions


def _tags(forward: ModelRunner, split: PreparedSplit, run: KeptRun) -> pa.Table:
    """The same; with a CRF also the `marginals` of the words."""
    predictions = _predictions(forward, split, run)
    crf = getattr(forward.model, "crf", None)
    if crf is None:
        return predictions
    of_words = column(predictions, "logits")
    lengths = list_lengths(of_words)
    flat = numbers(of_words.flatten().flatten()).reshape(int(lengths.sum()), -1)
    sentences = np.split(flat, np.cumsum(lengths)[:-1])
    rows: list[np.ndarray] = []
    for start in range(0, len(sentences), CRF_SENTENCES):
        some = sentences[start : start + CRF_SENTENCES]
        n_words = [len(sentence) for sentence in some]
        marginals = crf.marginals(torch.from_numpy(np.concatenate(some)).to(forward.device), n_words)
        rows += np.split(marginals.cpu().numpy(), np.cumsum(n_words)[:-1])
    return predictions.append_column("marginals", ragged_column(rows))


def _pieces(forward: ModelRunner, split: PreparedSplit, run: KeptRun) -> pa.Table:
    """`probabilities` of every piece of the vocabulary for each mask."""

    def compute(split: PreparedSplit, indices: np.ndarray) -> list[np.ndarray]:
        masks = [split.ragged("masks", i) for i in indices]
        starts = np.cumsum([0] + [len(split.input_ids(i)) for i in indices])
        positions = np.concatenate([start + of for start, of in zip(starts, masks, strict=False)])
        work = window_inputs(split, indices, positions=positions, n_targets=0, targets=None)
        logits = masked_lm.logits_of(forward.model, forward.logits(split, indices, work))
        shares = torch.softmax(logits, dim=-1).cpu().numpy()
        return np.split(shares, np.cumsum([len(of) for of in masks])[:-1])

    rows = forward.evaluate(split, compute)
    if not all(np.isfinite(row).all() for row in rows):
        raise UserError(f"the model of {run.record.spec.title} gives logits that are not finite", path=run.model_dir)
    return pa.table({"probabilities": ragged_column(rows)})


OUTPUTS: dict[str, Callable[[ModelRunner, PreparedSplit, KeptRun], pa.Table]] = {
    "token_classification": _tags,
    "masked_lm": _pieces,
}
"""Kind of the head → what is kept of a seed, where that is more than the predictions a run stores."""
