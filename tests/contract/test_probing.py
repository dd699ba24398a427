"""Probes of saved models, for every family: what is exact is exact, and what changed is what is reported."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from bertft_core.config.probe_settings import MaskedLMProbe, ProbesConfig
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.prepared_split import open_split
from bertft_core.records import EncoderIdentity, RunSpec
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.storage.study_dir import read_record
from bertft_core.training.probing import encoders
from bertft_core.training.probing.drift import drift
from bertft_core.training.probing.encoders import Absent
from bertft_core.training.probing.mlm_forgetting import Mixed, masked_lm, masked_split, scores
from bertft_core.training.probing.run_probes import probe_run
from bertft_core.training.probing.similarity import mean_states, similarity, spread
from bertft_core.training.run import train_run
from tests.helpers.tiny_encoders import KINDS, tiny_encoder
from tests.helpers.tiny_studies import tiny_spec, tiny_study

CPU = torch.device("cpu")
NAMES = ["embeddings", "layer 0", "layer 1"]
PROBES = ProbesConfig(masked_lm=MaskedLMProbe(n_texts=6))


def study_with_head(directory: Path, kind: str, **changes):
    """The tiny study, from an encoder that carries its masked-LM head."""
    encoder = tiny_encoder(directory / "with_head", kind, seed=7, initializer_range=0.4, masked_lm_head=True)
    return tiny_study(directory, kind=kind, encoder={"path": str(encoder)}, **changes)


def probed(spec: RunSpec, run_dir: Path) -> ProbeRecord:
    train_run(spec, run_dir=run_dir)
    return probe_run(spec, PROBES, run_dir=run_dir)


def files_of(directory: Path) -> EncoderFiles:
    return EncoderFiles(directory, EncoderIdentity(checkpoint="tiny", revision=None, weights_sha256="0"), "folder")


@pytest.mark.parametrize("kind", KINDS)
def test_a_fine_tuned_encoder_of_every_family_differs_from_the_one_it_was(tmp_path, kind):
    study, card = study_with_head(tmp_path, kind)
    record = probed(tiny_spec(study, card), tmp_path / "run")
    assert record.absent == {}
    assert [row.where for row in record.drift] == [row.where for row in record.similarity] == NAMES
    assert all(row.l2 > 0 and row.relative_l2 > 0 for row in record.drift)
    assert record.n_similarity_texts == 10
    assert all(0 < row.biased < 1 for row in record.similarity)
    found = record.masked_lm
    assert len(found.put_back) == 3, "k = 0, 1, 2"
    assert found.put_back[0] == found.after != found.before
    assert len({scores.loss for scores in found.put_back}) == 3
    for part in (found.before, *found.put_back):
        assert part.perplexity == pytest.approx(math.exp(part.loss))
        assert 0 <= part.accuracy <= part.top5_accuracy <= 1
    assert found.n_texts == 6
    bytes_of = (tmp_path / "run" / "probes.json").read_bytes()
    probe_run(tiny_spec(study, card), PROBES, run_dir=tmp_path / "run")
    assert (tmp_path / "run" / "probes.json").read_bytes() == bytes_of, "the same bits again"
    assert read_record(tmp_path / "run" / "probes.json", ProbeRecord) == record


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_encoder_has_not_moved_and_forgot_nothing(tmp_path, kind):
    study, card = study_with_head(tmp_path, kind)
    record = probed(tiny_spec(study, card, "features"), tmp_path / "run")
    assert [(row.l2, row.relative_l2) for row in record.drift] == [(0.0, 0.0)] * 3
    assert [(row.biased, row.unbiased) for row in record.similarity] == [(1.0, 1.0)] * 3
    assert {scores.loss for scores in record.masked_lm.put_back} == {record.masked_lm.before.loss}
    assert record.masked_lm.after == record.masked_lm.before


@pytest.mark.parametrize("kind", KINDS)
def test_all_layers_and_the_embeddings_put_back_are_exactly_the_pre_trained_encoder(tmp_path, kind):
    study, card = study_with_head(tmp_path, kind)
    train_run(tiny_spec(study, card), run_dir=tmp_path / "run")
    pretrained = encoders.open_pretrained_masked_lm(card.encoder_dir, CPU)
    finetuned = encoders.open_finetuned(tmp_path / "run" / "model", CPU)
    split = masked_split(MaskedLMProbe(n_texts=4), files_of(Path(card.encoder_dir)))
    before = scores(pretrained, pretrained.base_model, split)
    mixed = Mixed(pretrained.base_model, finetuned)
    assert scores(pretrained, mixed.with_top_layers_put_back(2, embeddings=True), split) == before
    assert scores(pretrained, mixed.with_top_layers_put_back(2), split) != before, "the embeddings stay fine-tuned"
    for k in range(3):
        encoder = mixed.with_top_layers_put_back(k)
        moved = {row.where for row in drift(encoders.open_pretrained(card.encoder_dir, CPU), encoder) if row.l2 > 0}
        assert moved == set(NAMES[: 3 - k])


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_whole_model_of_transformers(tmp_path, kind):
    """Text by text, without batches, with transformers' own masked-LM model."""
    directory = tiny_encoder(tmp_path, kind, seed=7, initializer_range=0.4, masked_lm_head=True)
    split = masked_split(MaskedLMProbe(n_texts=5), files_of(directory))
    model = encoders.open_pretrained_masked_lm(str(directory), CPU)
    found, n_masked = scores(model, model.base_model, split)
    whole = AutoModelForMaskedLM.from_pretrained(directory).eval()
    losses, hits, near = [], 0, 0
    for i in range(split.n):
        ids, start = split.input_ids(i).copy(), 0
        masked, targets = split.ragged("masked", i), split.ragged("targets", i)
        ids[masked] = split.ragged("shown", i)
        for length in split.window_lengths(i):
            with torch.no_grad():
                logits = whole(torch.from_numpy(ids[start : start + length].astype("int64"))[None]).logits[0]
            for position, target in zip(masked, targets, strict=True):
                if start <= position < start + length:
                    row = logits[position - start]
                    losses.append(float(nn.functional.cross_entropy(row, torch.tensor(int(target)))))
                    hits += int(row.argmax() == target)
                    near += int(target in row.topk(5).indices)
            start += length
    assert n_masked == len(losses) > 50
    assert found.loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert (found.accuracy, found.top5_accuracy) == (hits / n_masked, near / n_masked)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_without_its_head_is_known(tmp_path, kind):
    with pytest.raises(Absent, match="no masked-LM head"):
        encoders.open_pretrained_masked_lm(str(tiny_encoder(tmp_path, kind)), CPU)


def test_a_run_from_a_checkpoint_without_a_head_says_so_and_has_the_other_probes(tmp_path):
    study, card = tiny_study(tmp_path)
    record = probed(tiny_spec(study, card), tmp_path / "run")
    assert record.absent == {"masked_lm": NotComputed(reason="no masked-LM head")}
    assert record.masked_lm is None
    assert len(record.drift) == len(record.similarity) == 3


def test_drift_is_the_norm_of_what_was_added(tmp_path):
    directory = tiny_encoder(tmp_path / "encoder")
    pretrained = encoders.open_pretrained(str(directory), CPU)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    layer = model.bert.encoder.layer[1]
    n = sum(p.numel() for p in layer.parameters())
    before = math.sqrt(sum(float(p.detach().double().square().sum()) for p in layer.parameters()))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.25
    rows = {row.where: row for row in drift(pretrained, model.base_model)}
    assert rows["layer 1"].l2 == pytest.approx(0.25 * math.sqrt(n), rel=1e-6)
    assert rows["layer 1"].relative_l2 == pytest.approx(0.25 * math.sqrt(n) / before, rel=1e-6)
    assert rows["layer 0"].l2 == rows["embeddings"].l2 == 0.0


def test_a_text_is_the_mean_of_its_subwords_whatever_it_is_batched_with(tmp_path):
    _, card = tiny_study(tmp_path)
    encoder = encoders.open_pretrained(card.encoder_dir, CPU)
    split = open_split(card.directory, "validation")
    found = mean_states(encoder, split, spread(split.n, 10))
    assert found.shape == (3, 10, 16)
    for i in range(split.n):
        with torch.no_grad():
            alone = encoder(torch.from_numpy(split.input_ids(i).astype("int64"))[None], output_hidden_states=True)
        for depth, states in enumerate(alone.hidden_states):
            torch.testing.assert_close(torch.from_numpy(found[depth, i]).float(), states[0].mean(0), atol=1e-5, rtol=1e-4)


def test_examples_are_taken_from_all_over_the_split():
    assert spread(10, 4).tolist() == [0, 2, 5, 7]
    assert spread(3, 200).tolist() == [0, 1, 2]


def test_too_few_examples_cannot_be_compared(tmp_path):
    _, card = tiny_study(tmp_path)
    encoder = encoders.open_pretrained(card.encoder_dir, CPU)
    split = open_split(card.directory, "validation")
    with pytest.raises(Absent, match="too few texts") as refused:
        similarity(encoder, encoder, split, 3)
    assert (refused.value.why.n, refused.value.why.needed) == (3, 4)


def test_an_encoder_of_an_unknown_family_has_no_put_back():
    class Unknown:
        config = type("Config", (), {"model_type": "reformer"})

    with pytest.raises(Absent, match="head not supported") as refused:
        masked_lm(Unknown(), None, None, put_back=True)
    assert refused.value.why.detail == "reformer"
