"""Extractive question answering: the first and the last token of the answer, in every window of the context."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from transformers import AutoModelForQuestionAnswering, PreTrainedModel

from bertft_core.config.head_settings import QuestionAnsweringHead
from bertft_core.heads.head import Head, LabelClasses, load
from bertft_core.heads.head_parts import parts_of
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.heads.span_decoding import NBest, best_answers, null_scores
from bertft_core.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.metrics.prediction_columns import list_lengths

NO_TARGET = -1
"""Target of a window that is not trained on, as the alignment stores it."""


@dataclass(frozen=True)
class Spans:
    """Targets, and what is needed to read an answer; w windows, T tokens."""

    starts: np.ndarray
    """int64 [w]: first token of the answer, counted in its window; the null token where it has no answer, or NO_TARGET."""
    ends: np.ndarray
    """int64 [w]: last token."""
    nulls: np.ndarray
    """int64 [w]: the token that stands for "no answer here"."""
    offsets: np.ndarray
    """int32 [T, 2]: characters of the context, -1 for tokens outside the context."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: QuestionAnsweringHead) -> PreTrainedModel:
    """`AutoModelForQuestionAnswering` in fp32 on the CPU; see `head.load`. The labels do not belong to the model."""
    return load(AutoModelForQuestionAnswering, encoder_dir, dropout, init=config.init, num_labels=config.n_outputs)


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: QuestionAnsweringHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading all tokens of all windows; targets are `Spans`, counted by windows."""
    starts, ends, nulls = (
        np.concatenate([split.ragged(name, i) for i in indices]).astype(np.int64) for name in ("starts", "ends", "nulls")
    )
    offsets = np.concatenate([split.ragged("offsets", i) for i in indices]).reshape(-1, 2)
    return window_inputs(
        split,
        indices,
        positions=np.arange(len(offsets)),
        n_targets=int((starts != NO_TARGET).sum()),
        targets=Spans(starts, ends, nulls, offsets),
    )


def own_logits(output: Any) -> Tensor:
    """Start and end logits [windows, longest, 2] of the whole model."""
    return torch.stack([output.start_logits, output.end_logits], dim=-1)


def head_forward(model: PreTrainedModel, config: QuestionAnsweringHead, inputs: HeadInputs) -> HeadForward | None:
    """Start and end logits [T, 2]; None for a family whose parts are unknown."""
    parts = parts_of(model)
    return None if parts is None or parts.spans is None else partial(parts.spans, model)


def loss_sum(
    model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: QuestionAnsweringHead, shape: LossShape = PLAIN
) -> Tensor:
    """Half the cross-entropy of start plus that of end over the real tokens of a window, summed over windows; scalar, fp32.

    `logits` is [T, 2]. The loss of transformers is the same, except that it counts padding among the tokens.
    """
    windows = nn.utils.rnn.pad_sequence(
        precise(logits).split(inputs.window_lengths.tolist()), batch_first=True, padding_value=-torch.inf
    )
    targets = torch.from_numpy(np.stack([inputs.targets.starts, inputs.targets.ends], axis=1)).to(logits.device)
    if shape.is_plain:
        if logits.device.type != "cpu":
            windows, targets = _flat(windows, targets)
        return nn.functional.cross_entropy(windows, targets, ignore_index=NO_TARGET, reduction="sum") / 2
    taught = targets != NO_TARGET
    return cross_entropy_sum(windows.transpose(1, 2)[taught], targets[taught], shape) / 2


def _flat(windows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """[w, L, 2] and [w, 2] as [2w, L] and [2w]: on CUDA the sum over more dimensions has no deterministic kernel."""
    return windows.transpose(1, 2).flatten(0, 1), targets.flatten()


def outputs(
    model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: QuestionAnsweringHead
) -> list[tuple[float, NBest]]:
    """The null score and the best answers of each question, from `logits` [T, 2]."""
    values, spans = logits.float().cpu().numpy(), inputs.targets
    best = best_answers(values, spans.offsets, inputs.window_lengths, inputs.windows_of, config.n_best, config.max_answer_length)
    return list(zip(null_scores(values, spans.nulls, inputs.window_lengths, inputs.windows_of).tolist(), best, strict=True))


def predictions(gold: pa.Table, rows: Sequence[tuple[float, NBest]]) -> pa.Table:
    """example_id, answers, `null_score` (null where no training question is unanswerable, as in SQuAD 1.1), `candidates`."""
    has_null = gold.schema.metadata[b"has_null"] == b"1"
    scores = pa.array([score if has_null else None for score, _ in rows], pa.float32())
    bests = [best for _, best in rows]
    texts = [
        context[start:end]
        for context, best in zip(gold["text_b"].to_pylist(), bests, strict=True)
        for start, end in zip(best.starts.tolist(), best.ends.tolist(), strict=True)
    ]
    flat = {name: np.concatenate([getattr(best, name) for best in bests]) for name in ("starts", "ends", "scores")}
    candidates = pa.StructArray.from_arrays(
        [pa.array(texts, pa.string()), *(pa.array(values) for values in flat.values())], names=["text", "start", "end", "score"]
    )
    offsets = np.concatenate([[0], np.cumsum([len(best.starts) for best in bests])]).astype(np.int32)
    return (
        gold.select(["example_id", "answers"])
        .replace_schema_metadata(None)
        .append_column("null_score", scores)
        .append_column("candidates", pa.ListArray.from_arrays(pa.array(offsets), candidates))
    )


def _classes(split: TokenisedSplit, n_labels: int) -> LabelClasses:
    """The class of a question is whether it has an answer."""
    return LabelClasses(classes=(list_lengths(split.table["answers"].combine_chunks()) > 0).astype(np.int64))


HEAD = Head(
    pipeline="feature-extraction",  # transformers 5 has none for answers; MLflow keeps the class of the model with any task
    build=build,
    head_inputs=head_inputs,
    head_forward=head_forward,
    own_logits=own_logits,
    global_tokens="question",
    loss_sum=loss_sum,
    outputs=outputs,
    predictions=predictions,
    classes=_classes,
)
