"""The probes of one saved model that a study asks for, and their record."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from bertft_core.config import UserError
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.prepared_split import open_split
from bertft_core.data.probe_texts import probes_digest
from bertft_core.records import RunSpec
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.storage.study_dir import PROBES_FILE, write_record
from bertft_core.training import determinism
from bertft_core.training.probing import drift, encoders, mlm_forgetting, similarity
from bertft_core.training.probing.encoders import Absent


def probe_run(spec: RunSpec, probes: ProbesConfig, *, run_dir: Path) -> ProbeRecord:
    """Probe the model in `run_dir` and write `probes.json` there; what cannot be computed is absent, with the reason."""
    device = torch.device(spec.compute.device)
    determinism.configure(spec.threads, device, spec.compute)
    models = _Models(spec, run_dir, device)
    found: dict[str, Any] = {}
    absent: dict[str, NotComputed] = {}
    for name, compute in _asked(spec, probes, models).items():
        try:
            found |= compute()
        except Absent as absence:
            absent[name] = absence.why
    record = ProbeRecord(run_digest=spec.digest, probes_digest=probes_digest(probes), absent=absent, **found)
    write_record(run_dir / PROBES_FILE, record)
    return record


def _asked(spec: RunSpec, probes: ProbesConfig, models: _Models) -> dict[str, Callable[[], dict[str, Any]]]:
    """Probe → what computes its fields of the record."""

    def of_masked_lm() -> dict[str, Any]:
        assert probes.masked_lm is not None
        pretrained = encoders.open_pretrained_masked_lm(spec.encoder_dir, models.device)
        split = mlm_forgetting.masked_split(probes.masked_lm, EncoderFiles(Path(spec.encoder_dir), spec.encoder, "folder"))
        put_back = probes.masked_lm.put_back
        return {"masked_lm": mlm_forgetting.masked_lm(pretrained, models.finetuned, split, put_back=put_back)}

    def of_similarity() -> dict[str, Any]:
        assert probes.similarity is not None
        split = open_split(spec.prepared_dir, "validation")
        rows, n_texts = similarity.similarity(models.pretrained, models.finetuned, split, probes.similarity.n_texts)
        return {"similarity": rows, "n_similarity_texts": n_texts}

    asked = {
        "masked_lm": of_masked_lm if probes.masked_lm is not None else None,
        "drift": (lambda: {"drift": drift.drift(models.pretrained, models.finetuned)}) if probes.drift else None,
        "similarity": of_similarity if probes.similarity is not None else None,
    }
    return {name: compute for name, compute in asked.items() if compute is not None}


class _Models:
    """The run's encoder and the one it started from, opened when first asked for."""

    def __init__(self, spec: RunSpec, run_dir: Path, device: torch.device) -> None:
        self._spec, self._model_dir, self.device = spec, run_dir / "model", device

    @cached_property
    def pretrained(self) -> Any:
        return encoders.open_pretrained(self._spec.encoder_dir, self.device)

    @cached_property
    def finetuned(self) -> Any:
        if not self._model_dir.is_dir():
            raise UserError(
                f"the model of {self._spec.title} is missing",
                code="probes.no-model",
                path=self._model_dir,
                expected="the folder of its saved model",
                hint="train it again with --force",
            )
        return encoders.open_finetuned(self._model_dir, self.device)
