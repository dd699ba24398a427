"""The part of a step that replays raw texts: masked tokens of some texts, predicted under the checkpoint's own head.

The head is a constant: neither it nor its vocabulary matrix learns, so it is no part of the model or its checkpoints.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertft_core.config import UserError
from bertft_core.config.encoder_families import WITH_ADAPTERS
from bertft_core.config.head_settings import MaskedLMHead
from bertft_core.data.alignment.masked_lm import vocabulary_of
from bertft_core.data.batching import epoch_order
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.memoryless_loading import load_without_memory
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.replayed_texts import open_replayed
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.heads import masked_lm
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.seeds import derive_seed
from bertft_core.storage.weight_files import weight_files
from bertft_core.strategies.architecture import Architecture
from bertft_core.strategies.plan import Rehearsal
from bertft_core.training.determinism import enter_dropout_stream, masking_draw
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.probing.encoders import open_pretrained_masked_lm

HEAD = MaskedLMHead(kind="masked_lm")


class ReplayedSteps:
    """The replayed texts of one run: which ones a step reads, and their gradient."""

    def __init__(self, spec: RunSpec, rehearsal: Rehearsal, train: PreparedSplit, runner: ModelRunner) -> None:
        encoder = EncoderFiles(Path(spec.encoder_dir), spec.encoder, "folder")
        self._texts = open_replayed(spec.prepared_dir, spec.replayed_sha256, encoder, train)
        self._head, self._runner = _constant_head(spec.encoder_dir, runner.device), runner
        self._weight, self._micro = rehearsal.weight, spec.training.micro_batch_size
        self._n = max(1, round(rehearsal.share * spec.training.batch_size))
        self._order_seed, self._dropout_seed = (derive_seed(seed, "replay") for seed in (spec.seeds.order, spec.seeds.dropout))

    def indices(self, step: int) -> np.ndarray:
        """Texts of a step (from 0): all of them in another order in each pass over them, whatever the epochs of the task."""
        places = np.arange(step * self._n, (step + 1) * self._n)
        orders = {int(turn): epoch_order(self._texts.n, self._order_seed, int(turn)) for turn in set(places // self._texts.n)}
        return np.array([orders[int(place // self._texts.n)][place % self._texts.n] for place in places])

    def backward(self, step: int, scale: Callable[[Tensor], Tensor]) -> float:
        """Add the gradient of the weighted loss; the loss itself, in nats per masked token."""
        indices, draw = self.indices(step), masking_draw(self._dropout_seed, step)
        size = self._micro or len(indices)
        passes = [masked_lm.head_inputs(self._texts, indices[i : i + size], HEAD, draw) for i in range(0, len(indices), size)]
        n_targets = max(1, sum(inputs.n_targets for inputs in passes))
        loss = 0.0
        for micro, inputs in enumerate(passes):
            if inputs.n_targets:  # a text may consist of special tokens
                enter_dropout_stream(self._dropout_seed, step, micro)
                states = torch.cat([self._runner.states(part) for part, _ in self._runner.microbatches(inputs)])
                part = masked_lm.loss_sum(self._head, states, inputs, HEAD) / n_targets
                scale(self._weight * part).backward()
                loss += float(part.detach())
        return loss


def _constant_head(encoder_dir: str, device: torch.device) -> Any:
    """The checkpoint's masked-LM model without the layers of its encoder."""
    model = open_pretrained_masked_lm(encoder_dir, torch.device("cpu"))
    architecture = Architecture(model)
    del architecture.encoder.get_submodule(architecture.parts.layers)[:]  # type: ignore[operator]
    return model.requires_grad_(False).to(device)


def refuse_absent_head(card: DatasetCard, place: str) -> None:
    """Raise `UserError` where the encoder of an arm that replays texts has no whole masked-LM head, or no mask token.

    `place` is where the arm asks for it.
    """
    encoder = EncoderFiles(Path(card.encoder_dir), card.encoder, "folder")
    vocabulary_of(load_tokenizer(encoder))
    family = encoder.settings["model_type"]
    if family not in WITH_ADAPTERS:
        found = f"a masked-LM head of the family '{family}', with which replay is not tried"
    else:
        loaded = load_without_memory(encoder.directory, weight_files(encoder.directory), "AutoModelForMaskedLM", None)
        lacking = sorted(name for name in loaded.missing | loaded.mismatched.keys() if not loaded.in_body(name))
        if not lacking:
            return
        found = f"no {lacking[0]} in the weights of {card.encoder.checkpoint}"
    raise UserError(
        f"arms.{place}: replay needs the masked-LM head that the encoder was trained with",
        code="replay.no-masked-lm-head",
        found=found,
        expected=f"a checkpoint with its masked-LM head, of one of {', '.join(WITH_ADAPTERS)}",
        hint="choose a checkpoint as it was pre-trained (bert-base-uncased has its head), or one that a masked_lm study kept",
    )
